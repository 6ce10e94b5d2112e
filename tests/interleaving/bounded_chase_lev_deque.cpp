// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of bounded_chase_lev_deque.
#include <sluice/queue/bounded_chase_lev_deque.hpp>

#include "interleaving/items.hpp"
#include "support/interleave_main.hpp"

namespace {

using test::sim::item;
using test::sim::require;

/// Thread 0 is the owner, the others steal; what is left at the end the owner pops. Item i counts if it was pushed.
template <int N, int Threads>
struct client {
    static constexpr int threads = Threads;
    test::sim::items<N>                                               items;
    sluice::bounded_chase_lev_deque<item*, 2, test::sim::atomic> d{~std::uint64_t{0}};  // the index wraps on the way
    bool                                                              in[N] = {};

    bool push(int i) { return in[i] = d.try_push(items.prepare(i)); }
    void pop() { items.take_if(d.pop()); }
    void steal() { items.take_if(d.steal()); }
    void finish() {
        while (items.take_if(d.pop())) {}
        require(d.steal().status == sluice::steal_status::empty && d.empty_approx(), "nothing is left");
        for (int i = 0; i < N; ++i)
            if (in[i]) items.all_once(i, i + 1);
    }
};

struct last_item : client<1, 3> {
    bool got[3] = {};
    last_item() { push(0); }
    void thread(int i) { got[i] = i == 0 ? items.take_if(d.pop()) : items.take_if(d.steal()); }
    void finish() {
        require(got[0] + got[1] + got[2] == 1, "somebody gets the last item");
        client::finish();
    }
};
struct push_pop_push_pop_steal : client<2, 2> {
    void thread(int i) {
        if (i > 0) return steal();
        push(0);
        pop();
        push(1);
        pop();
    }
};
struct push2_pop2_steal2 : client<2, 2> {
    void thread(int i) {
        if (i > 0) return steal(), steal();
        push(0);
        push(1);
        pop();
        pop();
    }
};
/// Full: refused only while two are inside; slots are used again behind a thief.
struct full : client<4, 2> {
    full() { push(0), push(1); }
    void thread(int i) {
        if (i > 0) return steal(), steal();
        push(2);
        push(3);
        pop();
    }
};
struct full_two_thieves : client<3, 3> {
    full_two_thieves() { push(0), push(1); }
    void thread(int i) {
        if (i > 0) return steal();
        push(2);
        pop();
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("bounded_chase_lev_deque", {"queue/detail/chase_lev_protocol.hpp"})
        .add<last_item>("last item")
        .add<push_pop_push_pop_steal>("push pop push pop | steal")
        .add<push2_pop2_steal2>("push2 pop2 | steal2")
        .add<full>("full push2 pop | steal2")
        .add<full_two_thieves>("full push pop | steal | steal")
        .run(argc, argv);
}
