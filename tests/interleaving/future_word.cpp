// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of future_word: who runs the task, who waits, which coroutine goes on.
#include <sluice/executor/detail/future_word.hpp>

#include "support/interleave_main.hpp"

namespace {

using test::sim::require;
using word = sluice::detail::future_word<test::sim::atomic>;

/// What the word guards: the result, and the handle of a coroutine.
template <int Threads>
struct client {
    static constexpr int      threads = Threads;
    word                      w;
    test::sim::plain<int>     closure{1}, result, handle;
    int                       runs = 0, resumed = 0, woken = 0;

    void run() {  // whoever claimed
        ++runs;
        result.set(closure.get() + 41);
        closure.set(0);
        std::uint32_t const who = w.complete();
        if ((who & word::awaited) != 0) ++woken;
        if ((who & word::continued) != 0) go_on(handle.get());
    }
    void go_on(int h) {
        ++resumed;
        require(h == 7, "the handle is there");
        require(result.get() == 42, "the result is there");
    }
    void await() {
        if (w.is_ready()) return go_on(7);
        handle.set(7);
        if (w.announce_continuation()) go_on(7);
    }
    /// A thread that waits: true if it need not sleep.
    bool look() {
        if (!w.announce()) return false;
        require(result.get() == 42, "the result is there for the waiter");
        return true;
    }
    void finish() {
        require(runs == 1, "the task runs once");
        require(w.is_ready() && result.get() == 42, "and is complete");
    }
};

struct coroutine : client<2> {
    void thread(int i) {
        if (i == 1) return await();
        if (w.claim()) run();
    }
    void finish() {
        require(resumed == 1, "the coroutine goes on once");
        client::finish();
    }
};
struct waiter : client<2> {
    bool slept = false;
    void thread(int i) {
        if (i == 0) {
            if (w.claim()) run();
        } else {
            slept = !look();
        }
    }
    void finish() {
        require(!slept || woken == 1, "who sleeps is woken");
        client::finish();
    }
};
struct waiter_again : waiter {  // woken for something else, it looks again
    void thread(int i) {
        if (i == 0) return waiter::thread(0);
        slept = !look() && !look();
    }
};
struct two_claims : client<2> {  // a worker, and a waiter that runs the task itself
    void thread(int i) {
        if (w.claim()) return run();
        if (i == 1) (void)look();
    }
};
struct two_runners : client<3> {  // the queue's worker, a helper, and a coroutine
    void thread(int i) {
        if (i == 2) return await();
        if (w.claim()) run();
    }
    void finish() {
        require(resumed == 1, "the coroutine goes on once");
        client::finish();
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("future_word", {"executor/detail/future_word.hpp"})
        .add<coroutine>("run | co_await")
        .add<waiter>("run | wait")
        .add<waiter_again>("run | wait, wait")
        .add<two_claims>("run | wait and run")
        .add<two_runners>("run | run | co_await")
        .run(argc, argv);
}
