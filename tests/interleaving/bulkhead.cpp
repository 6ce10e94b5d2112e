// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of bulkhead's word: those that come and go without the mutex, and those that wait,
// under a mutex made of the same simulated memory.
#include <sluice/flow/bulkhead.hpp>

#include "support/interleave_main.hpp"

namespace {

using test::sim::require;
using word = sluice::detail::bulkhead_word<test::sim::atomic>;
constexpr auto relaxed = std::memory_order_relaxed;

/// The lowest bit is the lock, the upper half counts releases, for the parker.
class mutex {
public:
    void lock() {
        for (std::uint64_t w = word_.load(relaxed);;) {
            if ((w & 1) == 0) {
                if (word_.compare_exchange_strong(w, w | 1, std::memory_order_acquire, relaxed)) return;
            } else {
                parker_.wait(word_, static_cast<std::uint32_t>(w >> 32), nullptr);
                w = word_.load(relaxed);
            }
        }
    }
    void unlock() {
        (void)word_.fetch_add((std::uint64_t{1} << 32) - 1, std::memory_order_release);
        parker_.wake(word_, 4);
    }

private:
    test::sim::atomic<std::uint64_t> word_{0};
    test::sim::parker                parker_;
};

/// What bulkhead does around its word. Each waiter has a flag to be woken by.
template <int Threads>
struct client {
    static constexpr int             threads = Threads;
    word                             w;
    mutex                            m;
    test::sim::plain<int>            work;
    test::sim::atomic<std::uint64_t> given[4];
    test::sim::parker                parker;
    int                              queue[4] = {};
    int                              waiting = 0;
    int                              entered = 0, denied = 0;
    std::uint32_t                    limit;
    bool                             exclusive;

    explicit client(std::uint32_t n, bool one = true) : w(n), limit(n), exclusive(one) {}

    void use() {
        ++entered;
        if (exclusive) work.set(work.get() + 1);
        if (Threads == 2) require(w.read().in_flight <= 1, "never above the limit");
    }
    void wake_first() {
        require(waiting > 0, "a permit is handed to somebody who waits");
        int const first = queue[0];
        for (int i = 1; i < waiting; ++i) queue[i - 1] = queue[i];
        --waiting;
        (void)given[first].fetch_add(std::uint64_t{1} << 32, std::memory_order_release);
        parker.wake(given[first], 1);
    }
    void leave() {
        if (w.try_leave()) return;
        m.lock();
        if (w.hand_over()) wake_first();
        m.unlock();
    }
    void attempt() {
        if (!w.try_enter()) return (void)++denied;
        use();
        leave();
    }
    /// Enters, at once or when it is handed a permit. With `gives_up` it leaves the queue again if nothing came at once.
    void acquire(int thread, bool gives_up = false, std::uint32_t most = 4) {
        if (w.try_enter()) {
            use();
            return leave();
        }
        m.lock();
        auto const how = w.enter_or_wait(most);
        if (how == word::entry::waits) queue[waiting++] = thread;
        m.unlock();
        if (how == word::entry::full) return (void)++denied;
        if (how == word::entry::waits) {
            if (gives_up) {
                m.lock();
                bool const mine = given[thread].load(relaxed) != 0;
                if (!mine) {
                    int kept = 0;
                    for (int i = 0; i < waiting; ++i)
                        if (queue[i] != thread) queue[kept++] = queue[i];
                    waiting = kept;
                    w.cancel_wait();
                }
                m.unlock();
                if (!mine) return (void)++denied;
            } else {
                while (given[thread].load(std::memory_order_acquire) == 0) parker.wait(given[thread], 0, nullptr);
            }
        }
        use();
        leave();
    }
    void finish() {
        auto const n = w.read();
        require(n.in_flight == 0 && n.waiting == 0 && waiting == 0, "nobody is left");
        require(n.limit == limit, "the limit is what was set");
        require(entered + denied == Threads, "everybody had an answer");
        if (exclusive) require(work.get() == entered, "what is done under a permit is seen under the next");
        for (std::uint32_t i = 0; i < limit; ++i) require(w.try_enter(), "no permit is lost");
        require(!w.try_enter(), "and none is added");
    }
};

struct try_try : client<3> {
    try_try() : client(1) {}
    void thread(int) { attempt(); }
    void finish() {
        require(entered >= 1, "somebody enters");
        client::finish();
    }
};
struct wait_wait : client<2> {
    wait_wait() : client(1) {}
    void thread(int i) { acquire(i); }
    void finish() {
        require(entered == 2, "who waits enters");
        client::finish();
    }
};
struct wait_three : client<3> {
    wait_three() : client(1) {}
    void thread(int i) { acquire(i); }
    void finish() {
        require(entered == 3, "who waits enters");
        client::finish();
    }
};
struct wait_try : client<3> {
    wait_try() : client(1) {}
    void thread(int i) { i == 0 ? acquire(i) : attempt(); }
};
/// A waiter whose time ends as it is given a permit.
struct give_up : client<2> {
    give_up() : client(1) {}
    void thread(int i) { i == 0 ? acquire(i, true) : attempt(); }
};
struct give_up_behind : client<3> {
    give_up_behind() : client(1) {}
    void thread(int i) { i == 2 ? attempt() : acquire(i, i == 0); }
};
struct no_room : client<2> {
    no_room() : client(1) {}
    void thread(int i) { acquire(i, false, 0); }
};
/// The limit goes up while one waits and one is in.
struct raise_limit : client<3> {
    raise_limit() : client(1, false) {}
    void thread(int i) {
        if (i < 2) return acquire(i);
        m.lock();
        w.set_limit(2);
        while (w.admit_waiter()) wake_first();
        limit = 2;
        m.unlock();
        ++denied;
    }
    void finish() {
        require(entered == 2, "who waits enters");
        client::finish();
    }
};
/// And down: who leaves above the limit hands nothing over.
struct lower_limit : client<3> {
    lower_limit() : client(2, false) {}
    void thread(int i) {
        if (i < 2) return acquire(i);
        m.lock();
        w.set_limit(1);
        while (w.admit_waiter()) wake_first();
        m.unlock();
        ++denied;
    }
    void finish() {
        limit = 1;
        require(entered == 2, "who waits enters");
        client::finish();
    }
};

/// It is down already, with two in: the first who leaves hands nothing over, the second does.
struct leave_above : client<2> {
    leave_above() : client(2, false) {
        require(w.try_enter() && w.try_enter(), "two fit");
        w.set_limit(1);
        limit = 1;
    }
    void thread(int i) {
        if (i == 0) return acquire(i);
        leave();
        leave();
        ++denied;
    }
    void finish() {
        require(entered == 1, "who waits enters");
        client::finish();
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("bulkhead", {"flow/bulkhead.hpp"})
        .add<try_try>("try | try | try", {.stale = 2, .spurious = 1})
        .add<wait_wait>("acquire | acquire", {.stale = 2})
        .add<give_up>("acquire, gives up | try", {.stale = 2})
        .add<leave_above>("two in, limit one, acquire | leave2", {.stale = 2})
        .add<no_room>("acquire | acquire, no room", {.stale = 2})
        .add<wait_try>("acquire | try | try", {.stale = 1, .preemptions = 2})
        .add<give_up_behind>("gives up | acquire | try", {.stale = 1, .preemptions = 2})
        .add<raise_limit>("acquire | acquire | raise", {.stale = 0, .preemptions = 2})
        .add<lower_limit>("acquire | acquire | lower", {.stale = 0, .preemptions = 2})
        .add<wait_three>("acquire | acquire | acquire", {.stale = 0, .preemptions = 2, .mutate = false})
        .run(argc, argv);
}
