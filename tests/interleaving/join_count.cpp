// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of join_count: children that end inside, later, elsewhere; who goes on with the parent.
#include <sluice/executor/detail/join_count.hpp>

#include "support/interleave_main.hpp"

namespace {

using test::sim::require;

template <int Threads, int Children>
struct client {
    static constexpr int threads = Threads;

    struct child {
        sluice::detail::join_place<test::sim::atomic> place;
        test::sim::atomic<int>                        suspended{0};
        test::sim::plain<int>                         result;
    };
    sluice::detail::join_count<test::sim::atomic> count{Children};
    child                 children[Children];
    test::sim::plain<int> handle;
    int                   went_on = 0;
    char                  names[Threads];

    void begin() { handle.set(7); }
    void end(child& c, int me) {
        c.result.set(42);
        if (!c.place.ends_inside(&names[me]) && count.arrive()) go_on();
    }
    void go_on() {
        ++went_on;
        require(handle.get() == 7, "the parent is there");
        for (auto& c : children) require(c.result.get() == 42, "every result is there");
    }
    void enter(child& c, int me) {
        require(!c.place.inside(), "nobody is in its place");
        c.place.enter(&names[me]);
        require(c.place.inside(), "it is in its place");
    }
    /// Begins a child that waits for somebody who calls resume(): it is suspended, or that one was first.
    std::size_t start_waiting(child& c, int me) {
        enter(c, me);
        if (c.suspended.exchange(1, std::memory_order_acq_rel) != 0) end(c, me);
        return c.place.left_inside() ? 1 : 0;
    }
    void resume(child& c, int me) {
        if (c.suspended.exchange(1, std::memory_order_acq_rel) != 0) end(c, me);
    }
    std::size_t start(child& c, int me) {
        enter(c, me);
        end(c, me);
        return c.place.left_inside() ? 1 : 0;
    }
    void settle(std::size_t inside) {
        if (count.settle(Children, inside)) go_on();
    }
    void finish() { require(went_on == 1, "the parent goes on once"); }
};

struct one_waits : client<2, 2> {
    void thread(int i) {
        if (i == 1) return resume(children[0], 1);
        begin();
        std::size_t k = start_waiting(children[0], 0);
        k += start(children[1], 0);
        settle(k);
    }
};
struct two_wait : client<3, 2> {
    void thread(int i) {
        if (i != 0) return resume(children[i - 1], i);
        begin();
        std::size_t k = start_waiting(children[0], 0);
        k += start_waiting(children[1], 0);
        settle(k);
    }
};
struct later_here : client<2, 2> {  // the parent's own thread resumes a child, after it has let the parent be
    void thread(int i) {
        if (i == 1) return resume(children[1], 1);
        begin();
        std::size_t k = 0;
        enter(children[0], 0);
        k += children[0].place.left_inside() ? 1 : 0;
        k += start_waiting(children[1], 0);
        settle(k);
        end(children[0], 0);
    }
};
struct stolen : client<3, 2> {  // a thief runs the second child if it comes in time; the later of both then settles
    test::sim::atomic<int> taken{0}, offered{0}, done{0};
    test::sim::plain<int>  here, there;

    void meet() {
        if (done.exchange(1, std::memory_order_acq_rel) != 0) settle(static_cast<std::size_t>(here.get() + there.get()));
    }
    void thread(int i) {
        if (i == 0) {
            begin();
            offered.store(1, std::memory_order_release);
            here.set(static_cast<int>(start_waiting(children[0], 0)));
            if (taken.exchange(1, std::memory_order_acq_rel) != 0) return meet();
            settle(static_cast<std::size_t>(here.get()) + start(children[1], 0));
        } else if (i == 1) {
            if (offered.load(std::memory_order_acquire) == 0 || taken.exchange(1, std::memory_order_acq_rel) != 0) return;
            there.set(static_cast<int>(start(children[1], 1)));
            meet();
        } else {
            resume(children[0], 2);
        }
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("join_count", {"executor/detail/join_count.hpp"})
        .add<one_waits>("start, start | resume")
        .add<two_wait>("start, start | resume | resume")
        .add<later_here>("start, start, resume | resume")
        .add<stolen>("start, join | steal | resume")
        .run(argc, argv);
}
