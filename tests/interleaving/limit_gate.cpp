// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of the limit gate, with a model of the futex: a waiter that nobody wakes is a failure.
#include <sluice/flow/detail/limit_gate.hpp>

#include "support/interleave_main.hpp"

#include <cstdint>

namespace {

using test::sim::require;
using gate = sluice::detail::basic_limit_gate<test::sim::parker, test::sim::atomic>;

template <int Threads, int Limit>
struct client {
    static constexpr int threads = Threads;
    gate                 g{Limit};
    std::uint32_t        most = Limit;  // the highest limit there has been
    int                  inside = 0;

    bool in(std::uint32_t n) {
        if (n == 0) return false;
        require(n <= most, "admitted above the limit");
        ++inside;
        return true;
    }
    bool try_in() { return in(g.try_enter()); }
    void out() {
        --inside;
        g.leave();
    }
    /// Waits as long as it takes.
    void wait_in() {
        require(in(g.enter([&](std::uint32_t key) {
                    g.sleep(key, nullptr);
                    return true;
                })), "who waits for ever gets in");
    }
    /// Sleeps once, which may end by its deadline at any moment, and gives up whatever woke it.
    bool wait_a_little() {
        static constexpr int deadline = 0;
        return in(g.enter([&](std::uint32_t key) {
            g.sleep(key, &deadline);
            return false;
        }));
    }
    void finish() {
        require(g.waiters() == 0, "no waiter is left");
        require(g.inflight() == static_cast<std::uint32_t>(inside), "no end was lost");
        for (; inside > 0; --inside) g.leave();
        for (std::uint32_t i = 1; i <= g.limit(); ++i) require(g.try_enter() == i, "every place is there again");
        require(g.try_enter() == 0, "and no more");
    }
};

/// The last place: one of two gets it.
struct last_place : client<3, 2> {
    int got = 0;
    last_place() { require(try_in(), "empty"); }
    void thread(int) { got += try_in(); }
    void finish() {
        require(got == 1, "one place, one is admitted");
        client::finish();
    }
};
/// What one did under its permit is seen by the next.
struct handover : client<2, 1> {
    test::sim::plain<int> data{0};
    void                  thread(int) {
        if (!try_in()) return;
        data.set(data.get() + 1);
        out();
    }
};
/// An admission after the limit was lowered obeys the lower one.
struct shrink : client<2, 2> {
    bool lowered = false;
    void thread(int i) {
        if (i == 1) {
            require(g.set_limit(1) == 2, "the former limit");
            lowered = true;
            return;
        }
        for (int k = 0; k < 2; ++k) {
            bool const after = lowered;
            auto const n = g.try_enter();
            require(!after || n <= 1, "admitted above the lower limit");
            in(n);
        }
    }
    void finish() {
        require(g.limit() == 1, "the lower limit");
        client::finish();
    }
};
/// Release, admission and a new limit at once.
struct shrink_release : client<3, 2> {
    shrink_release() { (void)try_in(), (void)try_in(); }
    void thread(int i) {
        if (i == 0) out();
        if (i == 1) g.set_limit(1);
        if (i == 2) try_in();
    }
};
struct wait_release : client<2, 1> {
    wait_release() { (void)try_in(); }
    void thread(int i) { i == 0 ? wait_in() : out(); }
};
/// The waiter sees what was done under the permit it waited for.
struct wait_handover : client<2, 1> {
    test::sim::plain<int> data{0};
    wait_handover() { (void)try_in(); }
    void thread(int i) {
        if (i == 0) {
            wait_in();
            data.set(data.get() + 1);
            return;
        }
        data.set(1);
        out();
    }
};
struct wait_raise : client<2, 1> {
    wait_raise() { (void)try_in(); }
    void thread(int i) {
        if (i == 0) return wait_in();
        most = 2;
        g.set_limit(2);
    }
};
struct two_wait_raise : client<3, 1> {
    two_wait_raise() { (void)try_in(); }
    void thread(int i) {
        if (i < 2) return wait_in();
        most = 3;
        g.set_limit(3);
    }
};
struct two_wait : client<3, 1> {
    two_wait() { (void)try_in(); }
    void thread(int i) {
        if (i == 2) return out();
        wait_in();
        out();
    }
};
/// Somebody takes the place before the waiter that was called: the waiter is called again.
struct barge : client<3, 1> {
    barge() { (void)try_in(); }
    void thread(int i) {
        if (i == 0) return wait_in();
        if (i == 1) return out();
        if (try_in()) out();
    }
};
/// One waiter gives up while the place comes free: it takes it, or the other one gets it.
struct give_up : client<3, 1> {
    give_up() { (void)try_in(); }
    void thread(int i) {
        if (i == 0) {
            wait_in();
            out();
        } else if (i == 1) {
            if (wait_a_little()) out();
        } else {
            out();
        }
    }
};
/// A pause that throws.
struct throwing : client<3, 1> {
    throwing() { (void)try_in(); }
    void thread(int i) {
        if (i == 0) {
            wait_in();
            out();
        } else if (i == 1) {
            try {
                if (in(g.enter([this](std::uint32_t key) -> bool {
                        static constexpr int deadline = 0;
                        g.sleep(key, &deadline);
                        throw 1;
                    })))
                    out();
            } catch (int) {}
        } else {
            out();
        }
    }
};
/// A stop wakes whoever sleeps.
struct stop : client<2, 1> {
    test::sim::atomic<std::uint32_t> stopped{0};
    stop() { (void)try_in(); }
    void thread(int i) {
        if (i == 1) {
            stopped.store(1, std::memory_order_relaxed);
            g.wake_all();
            return;
        }
        require(g.enter([&](std::uint32_t key) {
            if (stopped.load(std::memory_order_relaxed) != 0) return false;
            g.sleep(key, nullptr);
            return true;
        }) == 0, "there is no room");
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("limit_gate", {"flow/detail/limit_gate.hpp"})
        .add<last_place>("try | try | try", {.stale = 3, .spurious = 1})
        .add<handover>("in out | in out", {.spurious = 1})
        .add<shrink>("in in | lower", {.stale = 3, .spurious = 1})
        .add<shrink_release>("out | lower | in", {.stale = 3})
        .add<wait_release>("wait | out", {.stale = 3, .spurious = 1})
        .add<wait_handover>("wait | write out", {.stale = 3})
        .add<wait_raise>("wait | raise", {.stale = 3})
        .add<stop>("wait | stop", {.stale = 3})
        .add<barge>("wait | out | in out", {.stale = 1, .preemptions = 3})
        .add<two_wait>("wait | wait | out", {.stale = 1, .preemptions = 2})
        .add<two_wait_raise>("wait | wait | raise", {.stale = 1, .preemptions = 2})
        .add<give_up>("wait | give up | out", {.stale = 1, .spurious = 1, .preemptions = 2})
        .add<throwing>("wait | throw | out", {.stale = 1, .spurious = 1, .preemptions = 2})
        .run(argc, argv);
}
