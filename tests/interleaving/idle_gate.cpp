// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of the idle gate, with a model of the futex. Workers do what scheduler.hpp does; the
// queue is a number. A worker that has taken something never comes back, as if it ran for ever: so each further piece of
// work needs a worker of its own, and a call that is forgotten is a sleeper that nobody wakes.
#include <sluice/executor/detail/idle_gate.hpp>

#include "support/interleave_main.hpp"

#include <chrono>

namespace {

using test::sim::require;
using gate = sluice::detail::basic_idle_gate<test::sim::parker, test::sim::atomic>;
using count = test::sim::atomic<std::uint32_t>;

enum class way { notify, ordered };

template <int Workers, int Submitters, way Way = way::notify, int MostSearchers = 1>
struct client {
    static constexpr int threads = Workers + Submitters;
    // notify: the gate alone makes the order. ordered: it relies on seq_cst operations of the queue.
    static constexpr auto order = Way == way::notify ? std::memory_order_relaxed : std::memory_order_seq_cst;
    count queue{0};
    gate  g{MostSearchers};
    int   took = 0;

    bool take() {
        std::uint32_t n = queue.load(order);
        while (n > 0)
            if (queue.compare_exchange_strong(n, n - 1, order, std::memory_order_relaxed)) return true;
        return false;
    }
    bool more() { return queue.load(order) != 0; }

    void submit() {
        (void)queue.fetch_add(1, order);
        if constexpr (Way == way::notify)
            g.notify();
        else
            g.notify_ordered();
    }

    void work() {
        bool searching = g.try_begin_search();
        for (;;) {
            if (searching && take()) {
                if (g.end_search() && more()) g.notify();
                return;
            }
            std::uint32_t const key = g.announce(searching);
            if (take()) {
                bool const last = g.leave() ? g.end_search() : true;
                if (last && g.sleepers_approx() != 0 && more()) g.notify();
                return;
            }
            (void)g.sleep(key, static_cast<std::chrono::steady_clock::time_point const*>(nullptr), searching);
            if (!searching) searching = g.try_begin_search();
        }
    }
    void finish() {
        require(queue.load(std::memory_order_relaxed) == 0, "all work is taken");
        require(g.sleepers_approx() == 0, "nobody counts as asleep");
        require(g.searchers_approx() == 0, "nobody counts as searching");
        require(g.under_way_approx() == 0, "no call is open");
        require(g.idle_approx() == 0, "nobody sleeps or searches");
    }
};

template <way Way>
struct one_one : client<1, 1, Way> {
    void thread(int i) { i == 0 ? this->work() : this->submit(); }
};
template <way Way>
struct two_one : client<2, 1, Way> {
    void thread(int i) { i < 2 ? this->work() : (this->submit(), this->submit()); }
};
template <way Way>
struct two_two : client<2, 2, Way> {
    void thread(int i) { i < 2 ? this->work() : this->submit(); }
};
template <way Way>
struct two_search : client<2, 1, Way, 2> {
    void thread(int i) { i < 2 ? this->work() : (this->submit(), this->submit()); }
};
/// One piece of work, two workers, and a call for the one that is too many: it looks in vain and sleeps again until the end.
struct stop : client<2, 1> {
    count over{0};
    void thread(int i) {
        if (i == 2) {
            submit();
            over.store(1, std::memory_order_relaxed);
            g.notify_all();
            return;
        }
        bool searching = g.try_begin_search();
        for (;;) {
            if (searching && take()) {
                if (g.end_search() && more()) g.notify();
                searching = g.try_begin_search();  // ran, and is back
                continue;
            }
            std::uint32_t const key = g.announce(searching);
            bool const ends = over.load(std::memory_order_relaxed) != 0;
            if (take()) {
                bool const last = g.leave() ? g.end_search() : true;
                if (last && g.sleepers_approx() != 0 && more()) g.notify();
                searching = false;
                continue;
            }
            if (ends) {
                if (g.leave()) (void)g.end_search();
                return;
            }
            (void)g.sleep(key, static_cast<std::chrono::steady_clock::time_point const*>(nullptr), searching);
            if (!searching) searching = g.try_begin_search();
        }
    }
};
/// Two workers, one piece of work, and a request that one leaves, before or after it: one does the work, the other leaves.
template <bool WorkFirst>
struct fewer : client<2, 1> {
    count surplus{0};
    bool  crowded() { return surplus.load(std::memory_order_relaxed) != 0; }
    bool  may_leave() {
        std::uint32_t one = 1;
        return surplus.compare_exchange_strong(one, 0, std::memory_order_relaxed, std::memory_order_relaxed);
    }
    void pass_on(bool woken) {
        if (woken && crowded()) g.stir(1);
    }
    void thread(int i) {
        if (i == 2) {
            if (WorkFirst) submit();
            surplus.store(1, std::memory_order_relaxed);
            g.limit_searchers(1);
            g.stir(1);
            if (!WorkFirst) submit();
            return;
        }
        bool searching = g.try_begin_search(), woken = false;
        for (;;) {
            if (searching && take()) {
                if (g.end_search() && more()) g.notify();
                return pass_on(woken);
            }
            std::uint32_t const key = g.announce(searching);
            if (take()) {
                bool const last = g.leave() ? g.end_search() : true;
                if (last && g.sleepers_approx() != 0 && more()) g.notify();
                return pass_on(woken);
            }
            if (crowded()) {
                searching = g.leave();
                if (!searching && may_leave()) return;
            } else {
                (void)g.sleep(key, static_cast<std::chrono::steady_clock::time_point const*>(nullptr), searching);
                woken = true;
            }
            if (!searching) searching = g.try_begin_search();
        }
    }
    void finish() {
        require(surplus.load(std::memory_order_relaxed) == 0, "one has left");
        client::finish();
    }
};
/// A searcher that was stopped is no reason for a waiter to wait: notify_more calls the other.
struct insists : client<2, 1> {
    insists() { require(g.try_begin_search(), "the searcher that will never come back"); }
    void thread(int i) {
        if (i == 0) return work();
        if (i == 1) return;
        submit();
        g.notify_more();
    }
    void finish() {
        require(!more(), "all work is taken");
        (void)g.end_search();
        client::finish();
    }
};
/// Of two that meet at the gate one sees the other: what wait_idle and the end of a task rely on.
struct meeting : client<1, 1> {
    count finished{0}, waits{0};
    bool  worker_saw = false, waiter_saw = false;
    void  thread(int i) {
        if (i == 0) {
            finished.store(1, std::memory_order_relaxed);
            (void)g.announce(false);
            worker_saw = waits.load(std::memory_order_relaxed) != 0;
            (void)g.leave();
        } else {
            waits.store(1, std::memory_order_relaxed);
            g.meet();
            waiter_saw = finished.load(std::memory_order_relaxed) != 0;
        }
    }
    void finish() {
        require(worker_saw || waiter_saw, "one of them sees the other");
        client::finish();
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("idle_gate", {"executor/detail/idle_gate.hpp"})
        .add<one_one<way::notify>>("work | submit", {.stale = 3, .spurious = 1})
        .add<one_one<way::ordered>>("work | submit ordered", {.stale = 3, .spurious = 1})
        .add<meeting>("meet | announce", {.stale = 3})
        .add<insists>("a stopped searcher", {.stale = 1})
        .add<fewer<true>>("work | work | submit, one leaves", {.weak_only = true, .stale = 1, .preemptions = 1})
        .add<fewer<false>>("work | work | one leaves, submit", {.weak_only = true, .stale = 0, .preemptions = 2, .mutate = false})
        .add<two_one<way::notify>>("work | work | submit2", {.stale = 1, .preemptions = 2})
        .add<two_one<way::ordered>>("work | work | submit2 ordered", {.stale = 1, .preemptions = 2, .mutate = false})
        .add<two_search<way::notify>>("two searchers | submit2", {.stale = 1, .preemptions = 2, .mutate = false})
        .add<two_two<way::notify>>("work | work | submit | submit", {.stale = 0, .preemptions = 3, .mutate = false})
        .add<two_two<way::ordered>>("the same ordered", {.stale = 0, .preemptions = 2, .mutate = false})
        .add<stop>("work | work | submit stop", {.weak_only = true, .stale = 0, .preemptions = 2, .mutate = false})
        .run(argc, argv);
}
