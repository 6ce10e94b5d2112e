// SPDX-License-Identifier: BSL-1.0
// Every interleaving of workers that wait inside a task at the idle gate, with those who end the wait, submit work, and wait
// otherwise. Waiters do what scheduler.hpp does; the queue is a number, and all of it is relaxed: the two words make the order.
#include <sluice/executor/detail/gate_waiters.hpp>

#include "support/interleave_main.hpp"

#include <chrono>

namespace {

using test::sim::require;
using waiters = sluice::detail::basic_gate_waiters<test::sim::parker, test::sim::atomic>;
using count = test::sim::atomic<std::uint32_t>;
constexpr auto relaxed = std::memory_order_relaxed;

std::chrono::steady_clock::time_point const* for_ever() { return nullptr; }

struct client {
    waiters::events joins;
    waiters::gate   gate{1};
    waiters         inside{joins, gate};
    count           queue{0}, ended{0}, over{0};

    bool done() { return ended.load(relaxed) != 0; }
    bool more() { return queue.load(relaxed) != 0; }
    bool take() {
        std::uint32_t n = queue.load(relaxed);
        while (n > 0)
            if (queue.compare_exchange_strong(n, n - 1, relaxed, relaxed)) return true;
        return false;
    }
    void submit() {
        (void)queue.fetch_add(1, relaxed);
        gate.notify();
    }
    void end() {
        ended.store(1, relaxed);
        inside.notify_all();
    }
    void run() {  // the only piece of work: everybody may go home after it
        over.store(1, relaxed);
        gate.notify_all();
    }
    /// True if it has taken the work.
    bool wait() {
        bool got = false;
        while (!got && !done())
            inside.sleep([&] {
                got = !done() && take();
                return got || done();
            }, for_ever, [&] { return more(); });
        return got;
    }
    void work() {
        for (bool searching = gate.try_begin_search();;) {
            if (searching && take()) {
                if (gate.end_search() && more()) gate.notify();
                return run();
            }
            std::uint32_t const key = gate.announce(searching);
            bool const          ends = over.load(relaxed) != 0, got = !ends && take();
            if (got || ends) {
                bool const last = gate.leave() ? gate.end_search() : true;
                if (last && gate.sleepers_approx() != 0 && more()) gate.notify();
                if (got) run();
                return;
            }
            (void)gate.sleep(key, for_ever(), searching);
            if (!searching) searching = gate.try_begin_search();
        }
    }
    void finish() {
        require(queue.load(relaxed) == 0, "all work is taken");
        require(inside.count_approx() == 0, "nobody counts as waiting");
        require(joins.waiters_approx() == 0, "nobody waits in joins");
        require(gate.idle_approx() == 0, "nobody sleeps or searches");
        require(gate.under_way_approx() == 0, "no call is open");
    }
};

struct end_one : client {
    static constexpr int threads = 2;
    void thread(int i) { i == 0 ? (void)wait() : end(); }
};
struct end_two : client {
    static constexpr int threads = 3;
    void thread(int i) { i < 2 ? (void)wait() : end(); }
};
/// One waits at the gate, the other among those that may run only some work.
struct end_both : client {
    static constexpr int threads = 3;
    void thread(int i) {
        if (i == 0) {
            (void)wait();
        } else if (i == 1) {
            while (!done()) {
                auto const key = joins.prepare_wait();
                if (done())
                    joins.cancel_wait();
                else
                    joins.commit_wait(key);
            }
        } else {
            end();
        }
    }
};
/// The work ends the wait, and nobody else is there to run it.
struct serves : client {
    static constexpr int threads = 2;
    void thread(int i) {
        if (i == 1) return submit();
        if (wait()) end();
    }
};
/// Work and the end of the wait at once: if the waiter was called for the work and goes, the worker has to hear of it.
struct passes_on : client {
    static constexpr int threads = 3;
    void thread(int i) {
        if (i == 0) {
            if (wait()) run();
        } else if (i == 1) {
            work();
        } else {
            submit();
            end();
        }
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("gate_waiters", {"executor/detail/gate_waiters.hpp", "queue/event_count.hpp"})
        .add<end_one>("wait | end", {.stale = 3, .spurious = 1})
        .add<serves>("wait | submit", {.stale = 3, .spurious = 1})
        .add<end_both>("wait | wait in joins | end", {.weak_only = true, .stale = 1, .preemptions = 2})
        .add<end_two>("wait | wait | end", {.weak_only = true, .stale = 1, .preemptions = 2, .mutate = false})
        .add<passes_on>("wait | work | submit end", {.weak_only = true, .stale = 1, .preemptions = 2})
        .run(argc, argv);
}
