// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of event_count, with a model of the futex: a waiter that nobody wakes is a failure.
#include <sluice/queue/event_count.hpp>

#include "support/interleave_main.hpp"

namespace {

using test::sim::require;
using events = sluice::basic_event_count<test::sim::parker, test::sim::atomic>;
using flag = test::sim::atomic<std::uint32_t>;
constexpr auto relaxed = std::memory_order_relaxed;

/// The condition is a number of tokens, kept with relaxed accesses only: what order there is, event_count makes.
template <int Threads>
struct client {
    static constexpr int threads = Threads;
    flag                tokens{0};
    events              ec;

    bool take() {
        std::uint32_t n = tokens.load(relaxed);
        while (n > 0)
            if (tokens.compare_exchange_strong(n, n - 1, relaxed, relaxed)) return true;
        return false;
    }
    void wait() {
        while (!take()) {
            auto const key = ec.prepare_wait();
            if (take()) {
                ec.cancel_wait();
                return;
            }
            ec.commit_wait(key);
        }
    }
    void give(std::uint32_t n = 1) { (void)tokens.fetch_add(n, relaxed); }
    void finish() {
        require(ec.waiters_approx() == 0, "no waiter is left");
        require(tokens.load(relaxed) == 0, "every token is taken");
    }
};

struct one_one : client<2> {
    void thread(int i) {
        if (i == 0) return wait();
        give();
        ec.notify_one();
    }
};
/// The same with a flag that is only looked at.
struct look : client<2> {
    void thread(int i) {
        if (i == 1) {
            tokens.store(1, relaxed);
            ec.notify_one();
            return;
        }
        while (tokens.load(relaxed) == 0) {
            auto const key = ec.prepare_wait();
            if (tokens.load(relaxed) != 0) {
                ec.cancel_wait();
                break;
            }
            ec.commit_wait(key);
        }
        tokens.store(0, relaxed);
    }
};
struct one_two : client<3> {  // one waiter, two notifiers, two tokens
    void thread(int i) {
        if (i == 0) return wait(), wait();
        give();
        ec.notify_one();
    }
};
struct two_one : client<3> {  // two waiters, one notifier
    void thread(int i) {
        if (i < 2) return wait();
        give();
        ec.notify_one();
        give();
        ec.notify_one();
    }
};
struct two_all : client<3> {
    void thread(int i) {
        if (i < 2) return wait();
        give(2);
        ec.notify_all();
    }
};
struct two_n : client<3> {
    void thread(int i) {
        if (i < 2) return wait();
        give(2);
        ec.notify_n(2);
    }
};
struct two_two : client<4> {
    void thread(int i) {
        if (i < 2) return wait();
        give();
        ec.notify_one();
    }
};
/// A thread that announces itself and leaves takes no wake-up away from one that waits.
struct cancelled : client<3> {
    void thread(int i) {
        if (i == 0) return wait();
        if (i == 1) {
            (void)ec.prepare_wait();
            ec.cancel_wait();
            return;
        }
        give();
        ec.notify_one();
    }
};
/// commit_wait comes back only behind a notification, whatever the sleep does.
struct not_too_early : client<2> {
    void thread(int i) {
        if (i == 1) {
            give();
            return ec.notify_one();
        }
        auto const key = ec.prepare_wait();
        if (take()) return ec.cancel_wait();
        ec.commit_wait(key);
        require(tokens.fetch_sub(1, relaxed) == 1, "commit_wait returns behind a notification");
    }
};
/// A deadline that has passed: no sleep, and the answer tells whether a notification came before.
struct deadline_past : client<2> {
    void finish() {
        require(take(), "the token is there");
        client::finish();
    }
    void thread(int i) {
        if (i == 1) {
            give();
            return ec.notify_one();
        }
        auto const key = ec.prepare_wait();
        bool const notified = ec.commit_wait_until(key, events::time_point::min());
        require(!notified || tokens.fetch_add(0, relaxed) == 1, "true means notified");
    }
};
struct deadline_far : client<2> {
    void thread(int i) {
        if (i == 1) {
            give();
            return ec.notify_one();
        }
        while (!take()) {
            auto const key = ec.prepare_wait();
            if (take()) {
                ec.cancel_wait();
                break;
            }
            require(ec.commit_wait_until(key, events::time_point::max()), "the end of time has not come");
        }
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("event_count", {"queue/event_count.hpp"})
        .add<one_one>("wait | notify", {.stale = 4, .spurious = 1})
        .add<look>("look | notify", {.stale = 4, .spurious = 1})
        .add<not_too_early>("commit | notify", {.stale = 4, .spurious = 2})
        .add<deadline_past>("until past | notify", {.stale = 4})
        .add<deadline_far>("until far | notify", {.stale = 4, .spurious = 2})
        .add<cancelled>("wait | cancel | notify", {.stale = 2})
        .add<two_all>("wait | wait | notify all", {.stale = 1})
        .add<two_n>("wait | wait | notify n", {.stale = 1, .mutate = false})
        .add<one_two>("wait2 | notify | notify", {.stale = 1})
        .add<two_one>("wait | wait | notify2", {.stale = 0, .preemptions = 3, .mutate = false})
        .add<two_two>("wait | wait | notify | notify", {.stale = 0, .preemptions = 2, .mutate = false})
        .run(argc, argv);
}
