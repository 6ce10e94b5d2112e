// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of virtual_schedule, by way of token_bucket: one token in 10 ns.
// Only one thread of a client may come to the mutex: the simulator cannot see one, and would wait for itself.
#include <sluice/flow/token_bucket.hpp>

#include "support/interleave_main.hpp"

#include <cstdint>

namespace {

using test::sim::require;
using sluice::duration;
using sluice::inherit;
using sluice::receipt;
using sluice::time_point;

constexpr time_point at(int ns) { return time_point(duration(ns)); }

/// A clock for constructors; every call is given its time.
struct stopped_clock {
    [[nodiscard]] time_point now() const noexcept { return at(0); }
};
using bucket = sluice::token_bucket<stopped_clock, test::sim::atomic>;

constexpr sluice::token_bucket_options options(std::uint64_t burst) {
    return {.refill = sluice::per(1, duration(10)), .burst = burst};
}

struct client {
    bucket b;
    int    got[3] = {};

    explicit client(std::uint64_t burst, std::uint64_t left) : b(options(burst)) {
        require(b.drain(burst - left, at(0)) == burst - left, "so many are taken at 0");
    }
    bool take(int thread, std::uint64_t n, int now) {
        auto const v = b.try_acquire(n, at(now));
        if (v) got[thread] += static_cast<int>(n);
        return v.admitted();
    }
    [[nodiscard]] int all() const { return got[0] + got[1] + got[2]; }
};

/// One token, three who want it.
struct last_token : client {
    static constexpr int threads = 3;
    last_token() : client(3, 1) {}
    void thread(int i) { take(i, 1, 0); }
    void finish() {
        require(all() == 1, "one token, one taker");
        require(b.available(at(0)) == 0, "and it is gone");
        require(b.try_acquire(1, at(9)).retry_after == duration(1), "refusals have written nothing");
    }
};

/// Two refilled; one thread's time is behind.
struct stale_now : client {
    static constexpr int threads = 2;
    stale_now() : client(2, 0) {}
    void thread(int i) { i == 0 ? (void)(take(0, 2, 20), take(0, 1, 20)) : (void)(take(1, 1, 5), take(1, 1, 10)); }
    void finish() {
        require(all() == 2, "what has come since 0 is taken, and no more");
        require(b.try_acquire(1, at(20)).retry_after == duration(10), "the next is due at 30");
        require(!b.try_acquire(1, at(29)) && b.try_acquire(1, at(30)), "exactly then");
    }
};

/// A weight of two and singles.
struct different_costs : client {
    static constexpr int threads = 2;
    std::uint64_t        drained = 0;
    different_costs() : client(3, 3) {}
    void thread(int i) {
        if (i == 0) take(0, 2, 0);
        else drained = b.drain(3, at(0));
    }
    void finish() { require(static_cast<int>(drained) + got[0] == 3, "all of three tokens, and no more"); }
};

/// Reservations queue one behind the other.
struct queue : client {
    static constexpr int threads = 2;
    time_point           when[2][2];
    queue() : client(1, 0) {}
    void thread(int i) {
        for (auto& w : when[i]) w = b.reserve(1, at(0)).at;
    }
    void finish() {
        require(when[0][0] < when[0][1] && when[1][0] < when[1][1], "in order");
        std::int64_t sum = 0;
        for (auto& row : when)
            for (auto w : row) sum += w.time_since_epoch().count();
        require(sum == 10 + 20 + 30 + 40, "each place once");
    }
};

/// A cancelled admission while another thread takes.
struct cancel_and_take : client {
    static constexpr int threads = 2;
    std::uint64_t        back = 0;
    cancel_and_take() : client(2, 2) {}
    void thread(int i) {
        if (i == 1) return (void)(take(1, 1, 0), take(1, 1, 0));
        receipt r;
        if (b.try_acquire(1, at(0), r)) back = b.undo(r, at(0));
        require(r.cost == 0 || back == 1, "it comes back");
    }
    void finish() {
        require(got[1] >= 1, "one is always there");
        while (take(2, 1, 0)) {}
        require(all() == 2, "two tokens in the end, neither more nor less");
    }
};

/// The newer of two is cancelled, the older has been already, while somebody takes what has come since.
struct cancel_two : client {
    static constexpr int threads = 2;
    receipt              first, second;
    cancel_two() : client(2, 2) {
        require(b.try_acquire(1, at(0), first) && b.try_acquire(1, at(0), second), "two are there");
        require(b.undo(first, at(0)) == 1, "the older is kept as a place");
    }
    void thread(int i) {
        if (i == 0) require(b.undo(second, at(10)) == 1, "the newer comes back");
        else require(take(1, 1, 10), "one has come");
    }
    void finish() {
        require(b.peek(1, at(10)).admitted(), "more is there");
        while (take(2, 1, 10)) {}
        require(all() == 2, "a full bucket in the end, neither more nor less");
    }
};

/// The numbers change under those who take.
struct change : client {
    static constexpr int threads = 2;
    bool                 never = false;
    change() : client(2, 2) {}
    void thread(int i) {
        if (i == 1) {
            b.reconfigure({.refill = sluice::per(1, duration(20)), .burst = 3}, inherit::as_is, at(0));
            return;
        }
        never = b.try_acquire(3, at(0)).kind == sluice::verdict_kind::never;
        auto const v = b.try_acquire(1, at(0));
        require(v.admitted(), "two were there, and are inherited");
        got[0] = 1;
    }
    void finish() {
        require(b.available(at(0)) == 1, "one is left");
        require(take(2, 1, 0) && b.try_acquire(1, at(0)).retry_after == duration(20), "at the new rate");
    }
};

/// One who is refused under changing numbers is told what either of them say.
struct change_and_refuse : client {
    static constexpr int threads = 2;
    change_and_refuse() : client(2, 0) {}
    void thread(int i) {
        if (i == 1) {
            b.reconfigure({.refill = sluice::per(1, duration(40)), .burst = 3}, inherit::as_is, at(0));
            b.reconfigure({.refill = sluice::per(3, duration(70)), .burst = 4}, inherit::as_is, at(0));
            return;
        }
        auto const v = b.try_acquire(2, at(0));
        require(v.kind == sluice::verdict_kind::wait, "refused, not impossible");
        auto const ns = v.retry_after.count();
        require(ns == 20 || ns == 80 || ns == 47, "a wait of one configuration");
    }
    void finish() { require(b.burst() == 4 && b.available(at(0)) == 0, "the last one holds"); }
};

/// The first call anchors the time, whoever makes it.
struct first_call {
    static constexpr int threads = 1;
    bucket               b{options(2)};
    bool                 ok[2] = {};
    void                 thread(int) { ok[0] = b.try_acquire(2, at(-50)).admitted(); }
    void                 finish() { require(ok[0] && !b.try_acquire(1, at(-41)), "full, then empty"); }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("virtual_schedule", {"flow/detail/virtual_schedule.hpp"})
        .add<last_token>("one token, take | take | take", {.stale = 2})
        .add<stale_now>("take2 take | take, take with an earlier now", {.stale = 2})
        .add<different_costs>("three tokens, take2 | drain3", {.stale = 2})
        .add<queue>("reserve2 | reserve2", {.stale = 2})
        .add<cancel_and_take>("take, undo | take2", {.stale = 2})
        .add<cancel_two>("undo the newer | take", {.stale = 2})
        .add<change>("take3 take | reconfigure", {.weak_only = true, .stale = 1, .preemptions = 2})
        .add<change_and_refuse>("take2 | reconfigure2", {.weak_only = true, .stale = 1, .preemptions = 2})
        .add<first_call>("the first call")
        .run(argc, argv);
}
