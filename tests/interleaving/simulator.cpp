// SPDX-License-Identifier: BSL-1.0
// The simulator itself: litmus tests whose outcomes are known, under every memory, and reduced exploration against plain
// enumeration. An outcome that is missing means that bugs would be missed; one too many, that right code would fail.
#include "support/interleave.hpp"

#include <cstdio>
#include <string>
#include <vector>

namespace {

using namespace test::sim;
using word = test::sim::atomic<std::uint64_t>;
using std::memory_order_acq_rel, std::memory_order_acquire, std::memory_order_relaxed, std::memory_order_release,
    std::memory_order_seq_cst;

int bad = 0;

std::string text(std::vector<std::uint64_t> const& v) {
    std::string s = "{";
    char        digits[20];
    for (auto x : v) {
        std::snprintf(digits, sizeof digits, " %llx", static_cast<unsigned long long>(x));
        s += digits;
    }
    return s + " }";
}

using outcomes = std::vector<std::uint64_t>;

template <class S>
void expect(char const* name, memory m, outcomes const& wanted) {
    static constexpr char const* models[] = {"sequential", "tso", "pso", "weak"};
    result const r = explore<S>({.model = m});
    result const plain = explore<S>({.model = m, .preemptions = 1000});
    result const random = explore<S>({.model = m, .random_runs = 3000, .seed = 7});
    bool const good = !r.failed && r.outcomes == wanted && plain.outcomes == wanted && random.outcomes == wanted && r.complete;
    std::printf("%-34s %-10s %s  %llu of %llu executions%s\n", name, models[static_cast<int>(m)], text(r.outcomes).c_str(),
                static_cast<unsigned long long>(r.executions), static_cast<unsigned long long>(plain.executions),
                good ? "" : "  WRONG");
    if (!good) {
        std::printf("    wanted %s, enumeration %s, random %s\n%s\n", text(wanted).c_str(), text(plain.outcomes).c_str(),
                    text(random.outcomes).c_str(), r.what.c_str());
        ++bad;
    }
}

template <class S>
void expect_all(char const* name, outcomes const& sc, outcomes const& tso, outcomes const& pso, outcomes const& weak) {
    expect<S>(name, memory::sequential, sc);
    expect<S>(name, memory::tso, tso);
    expect<S>(name, memory::pso, pso);
    expect<S>(name, memory::weak, weak);
}

template <class S>
void must_fail(char const* name, memory m, char const* why) {
    result const r = explore<S>({.model = m, .max_steps = 60});
    bool const good = r.failed && r.what.find(why) != std::string::npos;
    std::printf("%-34s fails%s\n", name, good ? ", as it must" : ": NO");
    if (!good) std::printf("%s\n", r.what.c_str()), ++bad;
}

constexpr auto rlx = memory_order_relaxed, acq = memory_order_acquire, rel = memory_order_release, sc = memory_order_seq_cst;

/// Store buffering: outcome 0 is "neither saw the other".
template <std::memory_order Store, std::memory_order Load>
struct sb {
    static constexpr int threads = 2;
    word x{0}, y{0};
    std::uint64_t r[2] = {};
    void thread(int i) {
        (i == 0 ? x : y).store(1, Store);
        r[i] = (i == 0 ? y : x).load(Load);
    }
    void finish() { outcome(r[0] * 16 + r[1]); }
};
/// The same with an exchange for the store.
struct sb_exchange : sb<sc, sc> {
    void thread(int i) {
        (void)(i == 0 ? x : y).exchange(1, sc);
        r[i] = (i == 0 ? y : x).load(sc);
    }
};
/// Message passing: 10 is "flag seen, data not".
template <std::memory_order Store, std::memory_order Load>
struct mp {
    static constexpr int threads = 2;
    word data{0}, flag{0};
    std::uint64_t f = 0, d = 0;
    void thread(int i) {
        if (i == 0) {
            data.store(1, rlx);
            flag.store(1, Store);
        } else {
            f = flag.load(Load);
            d = data.load(rlx);
        }
    }
    void finish() { outcome(f * 16 + d); }
};
/// The flag is counted up by somebody in between. With a read-modify-write the release sequence goes on; with a store by
/// the first thread it does not, since C++20.
template <bool ReadModifyWrite>
struct release_sequence {
    static constexpr int threads = 3;
    word data{0}, flag{0};
    std::uint64_t f = 0, d = 0;
    void thread(int i) {
        if (i == 0) {
            data.store(1, rlx);
            flag.store(1, rel);
            if constexpr (!ReadModifyWrite) flag.store(2, rlx);
        } else if (i == 1) {
            if constexpr (ReadModifyWrite) (void)flag.fetch_add(1, rlx);
        } else {
            f = flag.load(acq);
            d = data.load(rlx);
        }
    }
    void finish() { outcome((f == 2) * 16 + d); }
};
/// Independent reads of independent writes: 1010 is "the two readers disagree about the order".
template <std::memory_order Store, std::memory_order Load>
struct iriw {
    static constexpr int threads = 4;
    word x{0}, y{0};
    std::uint64_t r[4] = {};
    void thread(int i) {
        if (i == 0) x.store(1, Store);
        if (i == 1) y.store(1, Store);
        if (i == 2) r[0] = x.load(Load), r[1] = y.load(Load);
        if (i == 3) r[2] = y.load(Load), r[3] = x.load(Load);
    }
    void finish() { outcome((r[0] * 0x1000 + r[1] * 0x100 + r[2] * 0x10 + r[3]) == 0x1010); }
};
/// Coherence: nobody sees one variable go back.
struct corr {
    static constexpr int threads = 2;
    word x{0};
    std::uint64_t a = 0, b = 0;
    void thread(int i) {
        if (i == 0) x.store(1, rlx), x.store(2, rlx);
        else a = x.load(rlx), b = x.load(rlx);
    }
    void finish() { outcome(a * 16 + b); }
};
/// Write to read causality through a third thread.
template <std::memory_order Store, std::memory_order Load>
struct wrc {
    static constexpr int threads = 3;
    word x{0}, y{0};
    std::uint64_t a = 0, b = 0, c = 0;
    void thread(int i) {
        if (i == 0) x.store(1, rlx);
        if (i == 1) a = x.load(Load), y.store(1, Store);
        if (i == 2) b = y.load(Load), c = x.load(rlx);
    }
    void finish() { outcome(a == 1 && b == 1 && c == 0); }
};
/// Z6.U: C++20 lets the seq_cst order disagree with happens-before where seq_cst and weaker accesses meet.
struct z6u {
    static constexpr int threads = 3;
    word x{0}, y{0};
    std::uint64_t a = 0, b = 0, c = 0;
    void thread(int i) {
        if (i == 0) x.store(1, sc), y.store(1, rel);
        if (i == 1) b = y.fetch_add(1, sc), c = y.load(rlx);
        if (i == 2) y.store(3, sc), a = x.load(sc);
    }
    void finish() { outcome(a == 0 && b == 1 && c == 3); }
};
/// Load buffering is what these memories do not have.
struct lb {
    static constexpr int threads = 2;
    word x{0}, y{0};
    std::uint64_t r[2] = {};
    void thread(int i) {
        r[i] = (i == 0 ? x : y).load(rlx);
        (i == 0 ? y : x).store(1, rlx);
    }
    void finish() { outcome(r[0] * 16 + r[1]); }
};
struct increments {
    static constexpr int threads = 3;
    word x{0};
    void thread(int) { (void)x.fetch_add(1, rlx); }
    void finish() { outcome(x.load(rlx)); }
};
/// A strong CAS fails only if the value differs; exactly one of three wins.
struct one_winner {
    static constexpr int threads = 3;
    word x{0};
    int  won[3] = {};
    void thread(int i) {
        std::uint64_t e = 0;
        won[i] = x.compare_exchange_strong(e, static_cast<std::uint64_t>(i) + 1, rlx, rlx);
        require(won[i] || e != 0, "a strong CAS does not fail for nothing");
    }
    void finish() { outcome(static_cast<std::uint64_t>(won[0] + won[1] + won[2])); }
};

template <std::memory_order Store, std::memory_order Load>
struct race {
    static constexpr int threads = 2;
    plain<int> data{0};
    word       flag{0};
    void thread(int i) {
        if (i == 0) data.set(1), flag.store(1, Store);
        else if (flag.load(Load) == 1) require(data.get() == 1, "data");
    }
    void finish() { outcome(1); }
};
/// Publishing an object: the atomic inside must be seen as made.
struct unpublished {
    static constexpr int threads = 2;
    test::sim::atomic<word*> p{nullptr};
    word* made = nullptr;
    ~unpublished() { delete made; }
    void thread(int i) {
        if (i == 0) {
            made = new word(1);
            p.store(made, rlx);
        } else if (word* const w = p.load(acq)) {
            (void)w->load(rlx);
        }
    }
    void finish() {}
};
struct sleeper_forgotten {
    static constexpr int threads = 2;
    word   w{0};
    parker p;
    void thread(int i) {
        if (i == 0) p.wait(w, 0, static_cast<int*>(nullptr));
        else (void)w.fetch_add(std::uint64_t{1} << 32, rlx);  // nobody calls wake
    }
    void finish() {}
};
struct sleeper_woken : sleeper_forgotten {
    void thread(int i) {
        sleeper_forgotten::thread(i);
        if (i == 1) p.wake(w, 1);
    }
    void finish() { outcome(1); }
};
struct spins {
    static constexpr int threads = 2;
    word x{0};
    void thread(int i) {
        if (i == 0) while (x.load(rlx) == 0) {}
    }
    void finish() {}
};

}  // namespace

int main() {
    outcomes const seen{0x01, 0x10, 0x11}, all{0x00, 0x01, 0x10, 0x11}, passed{0x00, 0x01, 0x11};
    expect_all<sb<sc, sc>>("sb seq_cst", seen, seen, seen, seen);
    expect_all<sb_exchange>("sb exchange seq_cst", seen, seen, seen, seen);
    expect_all<sb<rel, acq>>("sb release/acquire", seen, all, all, all);
    expect_all<sb<rel, sc>>("sb release/seq_cst", seen, all, all, all);
    expect_all<mp<rel, acq>>("mp release/acquire", passed, passed, passed, passed);
    expect_all<mp<rlx, acq>>("mp relaxed/acquire", passed, passed, all, all);
    expect_all<mp<rel, rlx>>("mp release/relaxed", passed, passed, passed, all);
    expect_all<mp<sc, sc>>("mp seq_cst", passed, passed, passed, passed);
    expect_all<release_sequence<true>>("release sequence, rmw", passed, passed, passed, passed);
    // (The pso buffer keeps the order of one variable, so the second store waits for the first, and that for the data.)
    expect_all<release_sequence<false>>("release sequence, store", passed, passed, passed, all);
    expect_all<iriw<sc, sc>>("iriw seq_cst", {0}, {0}, {0}, {0});
    expect_all<iriw<rel, acq>>("iriw release/acquire", {0}, {0}, {0}, {0, 1});
    expect_all<corr>("corr", {0x00, 0x01, 0x02, 0x11, 0x12, 0x22}, {0x00, 0x01, 0x02, 0x11, 0x12, 0x22},
                     {0x00, 0x01, 0x02, 0x11, 0x12, 0x22}, {0x00, 0x01, 0x02, 0x11, 0x12, 0x22});
    expect_all<wrc<rel, acq>>("wrc release/acquire", {0}, {0}, {0}, {0});
    expect_all<wrc<rlx, rlx>>("wrc relaxed", {0}, {0}, {0}, {0, 1});
    expect_all<z6u>("z6.u", {0}, {0}, {0}, {0, 1});
    expect_all<lb>("lb", {0x00, 0x01, 0x10}, {0x00, 0x01, 0x10}, {0x00, 0x01, 0x10}, {0x00, 0x01, 0x10});
    expect_all<increments>("increments", {3}, {3}, {3}, {3});
    expect_all<one_winner>("one winner", {1}, {1}, {1}, {1});
    expect_all<race<rel, acq>>("publication", {1}, {1}, {1}, {1});
    expect_all<sleeper_woken>("sleeper, woken", {1}, {1}, {1}, {1});
    for (memory m : {memory::sequential, memory::tso, memory::pso, memory::weak}) {
        must_fail<race<rlx, acq>>("relaxed publication", m, "data race");
        must_fail<race<rel, rlx>>("relaxed look", m, "data race");
        must_fail<unpublished>("unpublished atomic", m, "data race");
        must_fail<sleeper_forgotten>("sleeper, forgotten", m, "lost wake-up");
        must_fail<spins>("endless loop", m, "no progress");
    }
    if (bad != 0) std::printf("FAILED: %d\n", bad);
    return bad != 0;
}
