// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of split_deque.
#include <sluice/queue/split_deque.hpp>

#include "interleaving/items.hpp"
#include "support/interleave_main.hpp"

namespace {

using test::sim::item;
using test::sim::require;
using sluice::steal_status;

/// Thread 0 is the owner, the others steal; what is left at the end the owner pops.
template <int N, int Threads>
struct client {
    static constexpr int threads = Threads;
    test::sim::items<N>                            items;
    sluice::split_deque<item*, test::sim::atomic> d;
    explicit client(std::size_t capacity = 8, std::uint64_t first = ~std::uint64_t{1}) : d(capacity, first) {}

    void push(int i) { (void)d.push(items.prepare(i)); }
    void push_public(int i) { (void)d.push_public(items.prepare(i)); }
    void pop() { items.take_if(d.pop()); }
    void steal() { items.take_if(d.steal()); }
    void finish() {
        while (items.take_if(d.pop())) {}
        require(d.steal().status == steal_status::empty && d.empty_approx() && d.public_empty_approx(), "nothing is left");
        items.all_once();
    }
};

/// Two public, two thieves: neither may say empty.
struct nobody_says_empty : client<2, 3> {
    nobody_says_empty() { push(0), push(1), d.publish(); }
    void thread(int i) {
        if (i == 0) return;
        auto const r = d.steal();
        require(r.status != steal_status::empty, "lost is not empty");
        items.take_if(r);
    }
};
/// The last item, public: one of owner and thieves gets it.
struct last_item : client<1, 3> {
    bool got[3] = {};
    last_item() { push_public(0); }
    void thread(int i) { got[i] = i == 0 ? items.take_if(d.pop()) : items.take_if(d.steal()); }
    void finish() {
        require(got[0] + got[1] + got[2] == 1, "somebody gets the last item");
        client::finish();
    }
};
struct push2_pop2_steal2 : client<2, 2> {
    void thread(int i) {
        if (i > 0) return steal(), steal();
        push_public(0);
        push_public(1);
        pop();
        pop();
    }
};
struct push_pop_push_pop_steal : client<2, 2> {
    void thread(int i) {
        if (i > 0) return steal();
        push_public(0);
        pop();
        push_public(1);
        pop();
    }
};
/// Two public: the owner retracts one and then the last, thieves take from the other end.
struct retract_steal_steal : client<2, 3> {
    retract_steal_steal() { push(0), push(1), d.publish(); }
    void thread(int i) {
        if (i > 0) return steal();
        pop();
        pop();
    }
};
/// Three public, half of them retracted at once: with two thieves the half may be gone, then the newest alone is tried.
struct retract_half : client<3, 3> {
    retract_half() { push(0), push(1), push(2), d.publish(); }
    void thread(int i) {
        if (i > 0) return steal();
        pop();
        pop();
    }
};
struct retract_half_steal3 : client<4, 2> {
    retract_half_steal3() { push(0), push(1), push(2), push(3), d.publish(); }
    void thread(int i) {
        if (i > 0) return steal(), steal(), steal();
        pop();
        pop();
        pop();
    }
};
/// Whatever is inside, the owner gets an item unless thieves have taken all.
struct owner_finds : client<3, 3> {
    bool got[3] = {};
    owner_finds() { push(0), push(1), push(2), d.publish(); }
    void thread(int i) { got[i] = i == 0 ? items.take_if(d.pop()) : items.take_if(d.steal()); }
    void finish() {
        require(got[0], "three inside and two thieves: the owner's pop finds one");
        client::finish();
    }
};
/// Thieves have emptied the public part: the next push and the next pop publish again.
struct publish_again : client<5, 2> {
    publish_again() { push(0), push(1), push(2); }
    void thread(int i) {
        if (i > 0) return steal(), steal(), steal();
        push(3);
        push(4);
        pop();
    }
};
struct pop_publishes : client<4, 2> {
    pop_publishes() { push_public(0), push(1), push(2), push(3); }
    void thread(int i) {
        if (i > 0) return steal(), steal();
        pop();
        pop();
    }
};
/// After a retraction there are hidden items; when the thieves have taken the rest, a pop shows half of them.
struct hidden_then_shown : client<6, 2> {
    hidden_then_shown() { push(0), push(1), push(2), push(3), push(4), push(5), d.publish(), pop(); }
    void thread(int i) {
        if (i > 0) return steal(), steal(), steal();
        pop();
        push_public(5);
    }
    void finish() {
        while (items.take_if(d.pop())) {}
        items.all_once(0, 5);
    }
};
/// Four hidden, one public: when that has gone, a pop shows half of what it leaves, and not what it takes.
struct hidden_shown_by_pop : client<10, 2> {
    hidden_shown_by_pop() : client(16) {
        for (int i = 0; i < 10; ++i) push(i);
        d.publish();
        pop();
        for (int i = 0; i < 4; ++i) steal();
    }
    void thread(int i) {
        if (i > 0) return steal(), steal();
        pop();
        pop();
    }
};
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
    growth_two_thieves() : client(2) { push(0), push_public(1); }
    void thread(int i) {
        if (i > 0) return steal();
        push(2);
        pop();
    }
};
/// Slots are used again after thieves have emptied them.
struct round_the_ring : client<4, 2> {
    round_the_ring() : client(2) { push(0), push(1), d.publish(); }
    void thread(int i) {
        if (i > 0) return steal(), steal();
        push(2);
        push(3);
    }
};
/// The other members: steal_if names the item by its index; drop takes it off unseen.
struct the_rest : client<2, 2> {
    std::size_t size = 0;
    bool        empty = false;
    the_rest() : client(2, 10) {}
    void thread(int i) {
        if (i > 0) {
            size = d.size_approx();
            empty = d.public_empty_approx();
            auto const r = d.steal_if([](std::uint64_t index) { return index == 11; });
            require(!r || items.number(*r) == 1, "steal_if takes only what is allowed");
            items.take_if(r);
            return;
        }
        d.reserve(4);
        require(d.capacity() == 4 && d.next_index() == 10, "reserve makes room");
        push(0);
        push(1);
        d.publish();
        if (d.drop(11)) items.take(items.at(1));
    }
    void finish() {
        require(size <= 2, "size_approx is a size that could be");
        client::finish();
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("split_deque", {"queue/split_deque.hpp"})
        .add<last_item>("last item")
        .add<push_pop_push_pop_steal>("push pop push pop | steal")
        .add<push2_pop2_steal2>("push2 pop2 | steal2")
        .add<growth>("growth | steal2")
        .add<round_the_ring>("round the ring | steal2")
        .add<publish_again>("push2 pop | steal3")
        .add<pop_publishes>("pop pop | steal2")
        .add<hidden_then_shown>("pop push | steal3")
        .add<hidden_shown_by_pop>("pop2 | steal2, four hidden")
        .add<the_rest>("the other members")
        .add<retract_half_steal3>("four public, pop3 | steal3")
        .add<nobody_says_empty>("two inside, steal | steal")
        .add<growth_two_thieves>("growth pop | steal | steal")
        .add<owner_finds>("three public, pop | steal | steal")
        .add<retract_steal_steal>("two public, pop2 | steal | steal")
        .add<retract_half>("three public, pop2 | steal | steal")
        .run(argc, argv);
}
