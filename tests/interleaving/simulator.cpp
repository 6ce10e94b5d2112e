// SPDX-License-Identifier: BSL-1.0
// The simulator itself: litmus tests whose outcomes are known, under every memory, and reduced exploration against plain
// enumeration. An outcome that is missing means that bugs would be missed; one too many, that right code would fail.
#include "support/interleave.hpp"

#include <cstdio>
#include <cstdlib>
#include <iterator>
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
    bool const good = !r.failed && r.outcomes == wanted && plain.outcomes == wanted && random.outcomes == wanted && r.complete &&
                      plain.complete;
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
/// Destroying is no access of its own; it is a race all the same, in whichever order the steps are tried.
struct destroyed_in_use {
    static constexpr int threads = 2;
    word* const made = new word(1);
    word        other{0};
    void thread(int i) {
        if (i == 0) {
            (void)made->load(rlx);
        } else {
            (void)other.load(acq);
            delete made;
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

// ------------------------------------------------------------------ random programs

/// The reduction must lose nothing: small programs are drawn, and what they can end in is compared with what plain
/// enumeration finds. Every value that is read goes into the outcome, and later steps depend on it.
struct instruction {
    enum kind_t : std::uint8_t { load, store, add, exchange, strong, weak, wait, wake, read, write, publish } kind;
    std::uint8_t      where = 0;
    std::uint8_t      value = 0;     // and what a CAS expects is the value before
    std::uint8_t      skip = 0;      // != 0: only if the last step read an odd (1) or even (2) value
    std::memory_order order = rlx;
};
constexpr unsigned most_threads = 3, most_steps = 4;
struct program_text {
    unsigned    threads = 0, steps[most_threads] = {};
    instruction what[most_threads][most_steps] = {};
};
program_text drawn;  // the program that random_program runs

template <int Threads>
struct random_program {
    static constexpr int threads = Threads;
    word          words[2] = {{0}, {0}};
    plain<int>    data{0};
    parker        sleep;
    std::uint64_t seen[most_threads] = {};

    void thread(int t) {
        std::uint64_t last = 0;
        for (unsigned i = 0; i < drawn.steps[t]; ++i) {
            instruction const& o = drawn.what[t][i];
            if (o.skip != 0 && last % 2 == o.skip % 2U) continue;
            word&               w = words[o.where];
            std::uint64_t const value = o.value;
            std::uint64_t       expected = value - 1;
            auto const          failure = o.order == sc ? sc : o.order == acq || o.order == memory_order_acq_rel ? acq : rlx;
            auto const          loads = o.order == rel ? rlx : o.order == memory_order_acq_rel ? acq : o.order;
            auto const          stores = o.order == acq ? rlx : o.order == memory_order_acq_rel ? rel : o.order;
            switch (o.kind) {
            case instruction::load: last = w.load(loads); break;
            case instruction::store: w.store(value, stores); break;
            case instruction::add: last = w.fetch_add(value, o.order); break;
            case instruction::exchange: last = w.exchange(value, o.order); break;
            case instruction::strong:
                last = w.compare_exchange_strong(expected, value, o.order, failure) ? 5 : expected;
                break;
            case instruction::weak:
                last = w.compare_exchange_weak(expected, value, o.order, failure) ? 5 : expected;
                break;
            case instruction::wait: {
                int const deadline = 0;
                sleep.wait(w, 0, value != 0 ? &deadline : nullptr);
                break;
            }
            case instruction::wake: sleep.wake(w, o.value); break;
            case instruction::read: last = static_cast<std::uint64_t>(data.get()); break;
            case instruction::write: data.set(o.value); break;
            case instruction::publish: last = w.fetch_add(std::uint64_t{1} << 32, o.order) >> 32; break;
            }
            seen[t] = seen[t] * 31 + last + 1;
        }
    }
    void finish() {
        std::uint64_t all = words[0].load(rlx) * 1'000'003 + words[1].load(rlx);
        for (std::uint64_t s : seen) all = all * 1'000'003 + s;
        outcome(all);
    }
};

std::uint64_t dice = 1;
unsigned      draw(unsigned n) {  // splitmix64
    std::uint64_t z = dice += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return static_cast<unsigned>((z ^ (z >> 31)) % n);
}

void draw_program(bool sleepers) {
    using enum instruction::kind_t;
    static constexpr std::memory_order orders[] = {rlx, rlx, acq, rel, memory_order_acq_rel, sc};
    drawn = {};
    drawn.threads = 2 + draw(2);
    bool const plain_too = draw(4) == 0;
    for (unsigned t = 0; t < drawn.threads; ++t) {
        drawn.steps[t] = 2 + draw(drawn.threads == 2 ? 3 : 2);
        for (unsigned i = 0; i < drawn.steps[t]; ++i) {
            instruction& o = drawn.what[t][i];
            static constexpr instruction::kind_t kinds[] = {load,  load, load,     store,  store, store,
                                                            add,   weak, exchange, strong, strong};
            o.kind = kinds[draw(std::size(kinds))];
            if (sleepers && draw(2) == 0) o.kind = draw(2) == 0 ? wait : draw(2) == 0 ? wake : publish;
            if (plain_too && draw(4) == 0) o.kind = draw(2) == 0 ? read : write;
            o.where = static_cast<std::uint8_t>(draw(2));
            o.value = static_cast<std::uint8_t>(1 + draw(2));
            o.skip = static_cast<std::uint8_t>(i == 0 ? 0 : draw(3));
            if (o.kind == wait && draw(8) == 0) o.value = 0;  // without a deadline
            o.order = orders[draw(std::size(orders))];
        }
    }
}

std::string listing() {
    static constexpr char const* kinds[] = {"load", "store", "add",  "exchange", "strong", "weak",
                                            "wait", "wake",  "read", "write",    "publish"};
    std::string s;
    for (unsigned t = 0; t < drawn.threads; ++t) {
        s += "    thread ";
        s += std::to_string(t);
        s += ':';
        for (unsigned i = 0; i < drawn.steps[t]; ++i) {
            instruction const& o = drawn.what[t][i];
            char               line[80];
            std::snprintf(line, sizeof line, "  %s%s #%u %u %s;", o.skip == 0 ? "" : o.skip == 1 ? "if odd " : "if even ",
                          kinds[o.kind], o.where, o.value, order_name(static_cast<int>(o.order)));
            s += line;
        }
        s += '\n';
    }
    return s;
}

result run_drawn(options const& o) {
    return drawn.threads == 2 ? explore<random_program<2>>(o) : explore<random_program<3>>(o);
}

void compare_random_programs(memory m, unsigned programs, bool sleepers, std::uint64_t most) {
    static constexpr char const* models[] = {"sequential", "tso", "pso", "weak"};
    std::uint64_t reduced = 0, redundant = 0, enumerated = 0;
    unsigned      compared = 0, failing = 0;
    for (unsigned i = 0; i < programs; ++i) {
        draw_program(sleepers);
        unsigned const spurious = (sleepers ? 2U : 0U) + (draw(3) == 0 ? 1U : 0U);
        result const   all = run_drawn({.model = m, .preemptions = 1000, .spurious = spurious, .max_executions = most});
        if (!all.complete) continue;
        result const r = run_drawn({.model = m, .spurious = spurious});
        ++compared;
        failing += all.failed;
        reduced += r.executions;
        redundant += r.redundant;
        enumerated += all.executions;
        if (r.complete && r.failed == all.failed && (r.failed || r.outcomes == all.outcomes)) continue;
        std::printf("    WRONG: program %u, %s: reduced %s %zu outcomes, enumerated %s %zu\n%s%s", i,
                    models[static_cast<int>(m)], r.failed ? "fails" : "passes", r.outcomes.size(),
                    all.failed ? "fails" : "passes", all.outcomes.size(), listing().c_str(), all.what.c_str());
        if (++bad > 5) return;
    }
    std::printf("%u random programs%-15s %-10s %llu (and %llu redundant) of %llu executions, %u fail\n", compared,
                sleepers ? ", sleepers" : "", models[static_cast<int>(m)], static_cast<unsigned long long>(reduced),
                static_cast<unsigned long long>(redundant), static_cast<unsigned long long>(enumerated), failing);
    if (compared < programs / 4) std::printf("    too few are small enough\n"), ++bad;
}

}  // namespace

int main(int argc, char** argv) {
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
        must_fail<destroyed_in_use>("destroyed in use", m, "destroys");
        must_fail<sleeper_forgotten>("sleeper, forgotten", m, "lost wake-up");
        must_fail<spins>("endless loop", m, "no progress");
    }
    unsigned const times = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1;
    for (memory m : {memory::sequential, memory::tso, memory::pso, memory::weak}) {
        compare_random_programs(m, 400 * times, false, 20'000);
        compare_random_programs(m, 200 * times, true, 20'000);
    }
    if (bad != 0) std::printf("FAILED: %d\n", bad);
    return bad != 0;
}
