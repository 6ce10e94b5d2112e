// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of detail/pause_gate.hpp, with a model of the futex. A task is an access that is
// checked for races: what the pauser does with it while all are held must not meet a worker's or a guest's.
#include <sluice/executor/detail/pause_gate.hpp>

#include "support/interleave_main.hpp"

namespace {

using test::sim::require;
using gate = sluice::detail::basic_pause_gate<test::sim::parker, test::sim::atomic>;
using word = test::sim::atomic<std::uint32_t>;
using sluice::detail::pool_state;

template <int Workers, int Guests>
struct client {
    static constexpr int  threads = Workers + Guests + 1;
    word                  marks{pool_state::counting};
    word                  there{Workers};  // threads that have not left
    word                  nudged{0};
    gate                  g{marks};
    test::sim::plain<int> task[3];

    void work(int i) { task[i].set(task[i].get() + 1); }
    void leave() {
        (void)there.fetch_sub(1, std::memory_order_acq_rel);
        g.changed();
    }
    /// n tasks, with the worker's look before each, then it leaves.
    void worker(int i, int n) {
        for (int k = 0; k < n; ++k) {
            if ((marks.load(std::memory_order_relaxed) & pool_state::paused) != 0) (void)g.hold([] { return false; });
            work(i);
        }
        leave();
    }
    void guest(int i) {
        if (!g.enter()) return;
        work(i);
        g.leave();
    }
    void settle() {
        g.wait_until([this] { return g.settled(there.load(std::memory_order_acquire)); });
        for (int i = 0; i < Workers + Guests; ++i) work(i);
    }
    void finish() {
        require(g.held_approx() == 0, "nobody is held");
        require(!g.paused(), "nor paused");
        require((marks.load(std::memory_order_relaxed) & pool_state::counting) != 0, "other marks stay");
    }
};

struct one_worker : client<1, 0> {
    void thread(int i) {
        if (i == 0) return worker(0, 2);
        require(g.pause(), "it can be paused");
        settle();
        require(g.resume(), "it was paused");
    }
};
struct paused_twice : client<1, 0> {
    void thread(int i) {
        if (i == 0) return worker(0, 1);
        (void)g.pause();
        settle();
        (void)g.resume();
        (void)g.pause();
        settle();
        (void)g.resume();
    }
};
struct one_guest : client<0, 1> {
    void thread(int i) {
        if (i == 0) return guest(0);
        (void)g.pause();
        settle();
        (void)g.resume();
        require(!g.resume(), "once");
    }
};
struct guest_and_worker : client<1, 1> {
    void thread(int i) {
        if (i == 0) return worker(0, 1);
        if (i == 1) return guest(1);
        (void)g.pause();
        settle();
        (void)g.resume();
    }
};
/// A nudge ends a hold whose other reason has come; one that was paused is held again until then.
struct nudge : client<1, 0> {
    void thread(int i) {
        if (i == 0) {
            (void)g.hold([this] { return nudged.load(std::memory_order_relaxed) != 0; });
            leave();
            return;
        }
        (void)g.pause();
        nudged.store(1, std::memory_order_relaxed);
        g.nudge();
        g.wait_until([this] { return there.load(std::memory_order_acquire) == 0; });
        (void)g.resume();
    }
};
/// Who ends the pool is not paused again.
struct ending : client<1, 0> {
    void thread(int i) {
        if (i == 0) {
            (void)g.pause();
        } else {
            (void)marks.fetch_or(pool_state::ending, std::memory_order_release);
            (void)g.resume();
            require(!g.paused(), "it is over");
        }
    }
};
/// Who sees the pause sees what was done before it.
struct told : client<1, 0> {
    void thread(int i) {
        if (i == 0) {
            work(0);
            (void)g.pause();
        } else if (g.paused()) {
            work(0);
        }
    }
    void finish() { (void)g.resume(), client::finish(); }
};
/// What a worker did before it was held, and a guest before it left, the pauser has seen (the accesses of task); what the
/// pauser did before it resumed, they see.
struct resumed : client<1, 0> {
    resumed() { (void)g.pause(); }
    void thread(int i) {
        if (i == 0) {
            (void)g.hold([] { return false; });
            work(0);
        } else {
            work(0);
            (void)g.resume();
        }
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("pause_gate", {"executor/detail/pause_gate.hpp"})
        .add<one_worker>("work2 | pause", {.stale = 2, .preemptions = 3, .max_steps = 400})
        .add<paused_twice>("work | pause, pause", {.stale = 2, .preemptions = 3, .max_steps = 400})
        .add<one_guest>("guest | pause", {.stale = 2, .spurious = 1})
        .add<guest_and_worker>("work | guest | pause", {.stale = 1, .preemptions = 2, .max_steps = 400})
        .add<nudge>("hold | nudge", {.stale = 2, .preemptions = 3})
        .add<ending>("pause | end", {.stale = 3, .spurious = 1})
        .add<told>("pause | look", {.stale = 3})
        .add<resumed>("hold | resume", {.stale = 2, .preemptions = 3})
        .run(argc, argv);
}
