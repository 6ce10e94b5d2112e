// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of fifo_steal_queue.
#include <sluice/queue/fifo_steal_queue.hpp>

#include "interleaving/items.hpp"
#include "support/interleave_main.hpp"

namespace {

using test::sim::item;
using test::sim::require;
using sluice::steal_status;

/// Thread 0 is the owner; what is left at the end the owner pops. Whoever takes, takes in the order of the pushes.
template <int N, int Threads, std::size_t Size>
struct client {
    static constexpr int threads = Threads;
    test::sim::items<N>                                             items;
    sluice::fifo_steal_queue<item*, Size, test::sim::atomic> q{~std::uint64_t{1}};  // the index wraps on the way
    bool                                                            in[N] = {};
    int                                                             newest[4] = {-1, -1, -1, -1};

    void take(int thread, item* p) {
        items.take(p);
        require(items.number(p) > newest[thread], "first in, first out");
        newest[thread] = items.number(p);
    }
    bool push(int i) { return in[i] = q.try_push(items.prepare(i)); }
    bool pop(int thread = 0) {
        auto const p = q.pop();
        if (p) take(thread, *p);
        return p.has_value();
    }
    steal_status steal(int thread) {
        auto const r = q.steal();
        if (r) take(thread, *r);
        return r.status;
    }
    steal_status steal_half(int thread, std::size_t most) {
        item*      out[Size];
        auto const r = q.steal_half(out, most);
        require(!r || (*r > 0 && *r <= most), "at least one, at most as many as asked for");
        if (r)
            for (std::size_t i = 0; i < *r; ++i) take(thread, out[i]);
        return r.status;
    }
    void finish() {
        newest[3] = -1;
        while (pop(3)) {}
        require(q.empty_approx() && q.steal().status == steal_status::empty, "nothing is left");
        for (int i = 0; i < N; ++i)
            if (in[i]) items.all_once(i, i + 1);
    }
};

struct last_item : client<1, 3, 2> {
    bool got[3] = {};
    last_item() { push(0); }
    void thread(int i) { got[i] = i == 0 ? pop() : steal(i) == steal_status::success; }
    void finish() {
        require(got[0] + got[1] + got[2] == 1, "somebody gets the last item");
        client::finish();
    }
};
struct push_pop_steal : client<3, 2, 2> {
    void thread(int i) {
        if (i > 0) return (void)steal(1), (void)steal(1);
        push(0);
        push(1);
        pop();
        push(2);
    }
};
/// Round the ring: full, a thief takes, the owner writes the same slots again.
struct round_the_ring : client<5, 2, 2> {
    round_the_ring() { push(0), push(1); }
    void thread(int i) {
        if (i > 0) return (void)steal_half(1, 2), (void)steal_half(1, 2);
        push(2);
        push(3);
        pop();
        push(4);
    }
};
struct half_against_pop : client<4, 2, 4> {
    half_against_pop() { push(0), push(1), push(2); }
    void thread(int i) {
        if (i > 0) return (void)steal_half(1, 4), (void)steal(1);
        pop();
        push(3);
        pop();
    }
};
struct half_half_pop : client<4, 3, 4> {
    half_half_pop() { push(0), push(1), push(2); }
    void thread(int i) {
        if (i > 0) return (void)steal_half(i, i == 1 ? 4 : 1);
        push(3);
        pop();
    }
};
struct sizes : client<2, 2, 2> {
    std::size_t n = 0;
    void        thread(int i) {
        if (i > 0) {
            n = q.size_approx();
            return;
        }
        push(0);
        push(1);
        pop();
    }
    void finish() {
        require(n <= 2, "size_approx is a size that could be");
        client::finish();
    }
};
/// Two inside, two thieves: neither may say empty.
struct nobody_says_empty : client<2, 3, 2> {
    nobody_says_empty() { push(0), push(1); }
    void thread(int i) {
        if (i > 0) require(steal(i) != steal_status::empty, "lost is not empty");
    }
};
/// A thief that loses, lost to somebody who won.
struct lost_means_taken : client<2, 3, 2> {
    steal_status s[3] = {};
    bool         popped = false;
    lost_means_taken() { push(0), push(1); }
    void thread(int i) {
        if (i == 0)
            popped = pop();
        else
            s[i] = steal_half(i, 1);
    }
    void finish() {
        int const won = popped + (s[1] == steal_status::success) + (s[2] == steal_status::success);
        require(won >= 1, "of all that try, somebody wins");
        require(popped || won == 2, "pop gives up only when the queue is empty");
        client::finish();
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("fifo_steal_queue", {"queue/fifo_steal_queue.hpp"})
        .add<last_item>("last item", {.spurious = 1})
        .add<push_pop_steal>("push2 pop push | steal2", {.spurious = 1})
        .add<round_the_ring>("full, push2 pop push | half2")
        .add<half_against_pop>("pop push pop | half steal")
        .add<nobody_says_empty>("two inside, steal | steal")
        .add<sizes>("push2 pop | size")
        .add<lost_means_taken>("pop | steal | steal")
        .add<half_half_pop>("push pop | half | half")
        .run(argc, argv);
}
