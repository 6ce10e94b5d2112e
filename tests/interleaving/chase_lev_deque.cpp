// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of chase_lev_deque.
#include <sluice/queue/chase_lev_deque.hpp>

#include "interleaving/items.hpp"
#include "support/interleave_main.hpp"

namespace {

using test::sim::item;
using test::sim::require;
using deque = sluice::chase_lev_deque<item*, test::sim::atomic>;

/// Thread 0 is the owner, the others steal; what is left at the end the owner pops.
template <int N, int Threads>
struct client {
    static constexpr int threads = Threads;
    test::sim::items<N> items;
    deque               d;
    explicit client(std::size_t capacity = 4, std::uint64_t first = 0) : d(capacity, first) {}

    void push(int i) { d.push(items.prepare(i)); }
    void pop() { items.take_if(d.pop()); }
    void steal() { items.take_if(d.steal()); }
    void finish() {
        while (items.take_if(d.pop())) {}
        require(d.steal().status == sluice::steal_status::empty && d.empty_approx(), "nothing is left");
        items.all_once();
    }
};

struct push2_pop_steal_steal : client<2, 3> {
    void thread(int i) {
        if (i > 0) return steal();
        push(0);
        push(1);
        pop();
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
/// The last item: one of owner and thieves gets it.
struct last_item : client<1, 3> {
    bool got[3] = {};
    last_item() : client(2) { push(0); }
    void thread(int i) { got[i] = i == 0 ? items.take_if(d.pop()) : items.take_if(d.steal()); }
    void finish() {
        require(got[0] + got[1] + got[2] == 1, "somebody gets the last item");
        client::finish();
    }
};
/// A thief may lose only to somebody who won.
struct lost_means_taken : client<2, 3> {
    sluice::steal_status s[3] = {};
    lost_means_taken() { push(0), push(1); }
    void thread(int i) {
        if (i == 0) return pop();
        auto const r = d.steal();
        s[i] = r.status;
        items.take_if(r);
    }
    void finish() {
        require(s[1] == sluice::steal_status::success || s[2] == sluice::steal_status::success || d.size_approx() == 0,
                "a thief loses or finds nothing only because of somebody's success");
        client::finish();
    }
};
/// Two inside, two thieves: neither may say empty.
struct nobody_says_empty : client<2, 3> {
    nobody_says_empty() { push(0), push(1); }
    void thread(int i) {
        if (i == 0) return;
        auto const r = d.steal();
        require(r.status != sluice::steal_status::empty, "lost is not empty");
        items.take_if(r);
    }
};
/// From two slots to four while a thief holds the old ring.
struct growth : client<3, 2> {
    growth() : client(2) {}
    void thread(int i) {
        if (i > 0) return steal(), steal();
        push(0);
        push(1);
        push(2);
    }
};
struct growth_two_thieves : client<3, 3> {
    growth_two_thieves() : client(2) { push(0), push(1); }
    void thread(int i) {
        if (i > 0) return steal();
        push(2);
        pop();
    }
};
/// Slots are used again after thieves have emptied them.
struct round_the_ring : client<4, 2> {
    round_the_ring() : client(2, ~std::uint64_t{0}) { push(0), push(1); }
    void thread(int i) {
        if (i > 0) return steal(), steal();
        push(2);
        push(3);
    }
};
struct bulk : client<3, 2> {
    bulk() : client(2) {}
    void thread(int i) {
        if (i > 0) return steal(), steal();
        item* const three[] = {items.prepare(0), items.prepare(1), items.prepare(2)};
        d.push_bulk(three, 3);
        pop();
    }
};
/// "Push, then look for sleepers" against "announce sleep, then steal": not both miss the other. And from full, it grows.
template <int Before>
struct push_or_sleep : client<3, 2> {
    test::sim::atomic<int> sleepers{0};
    bool                   nobody = false, nothing = false;
    push_or_sleep() : client(2) {
        for (int i = 0; i < Before; ++i) push(i);
    }
    void thread(int i) {
        if (i == 0) {
            for (int k = Before; k < 3; ++k) d.push_ordered(items.prepare(k));
            nobody = sleepers.load(std::memory_order_seq_cst) == 0;
        } else {
            for (int k = 0; k < Before; ++k) steal();
            (void)sleepers.fetch_add(1, std::memory_order_seq_cst);
            auto const r = d.steal();
            nothing = r.status == sluice::steal_status::empty;
            items.take_if(r);
        }
    }
    void finish() {
        require(!(nobody && nothing), "an item is pushed, a thief sleeps, and neither has seen the other");
        client::finish();
    }
};
struct watched : client<2, 2> {
    std::size_t seen = 0;
    watched() : client(2) {}
    void thread(int i) {
        if (i > 0) {
            seen = d.size_approx();
            return steal();
        }
        d.reserve(3);
        require(d.capacity() == 4, "reserve makes room");
        push(0);
        push(1);
        pop();
    }
    void finish() {
        require(seen <= 2, "size_approx is a size that could be");
        client::finish();
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("chase_lev_deque", {"queue/chase_lev_deque.hpp", "queue/detail/chase_lev_protocol.hpp"})
        .add<last_item>("last item")
        .add<push_pop_push_pop_steal>("push pop push pop | steal")
        .add<push2_pop2_steal2>("push2 pop2 | steal2")
        .add<growth>("growth | steal2")
        .add<round_the_ring>("round the ring | steal2")
        .add<bulk>("bulk pop | steal2")
        .add<watched>("reserve push2 pop | size steal")
        .add<push_or_sleep<0>>("push3 look | sleep steal")
        .add<push_or_sleep<2>>("push look | steal2 sleep steal")
        .add<lost_means_taken>("pop | steal | steal")
        .add<nobody_says_empty>("two inside, steal | steal")
        .add<growth_two_thieves>("growth pop | steal | steal")
        .add<push2_pop_steal_steal>("push2 pop | steal | steal")
        .run(argc, argv);
}
