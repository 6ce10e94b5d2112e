// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of injector.
#include "interleaving/items.hpp"
#include "support/interleave_main.hpp"

#define SLUICE_ASSERT(condition) ::test::sim::require(condition, #condition)
#include <sluice/queue/injector.hpp>

namespace {

using test::sim::require;

struct node;

/// A link whose accesses are checked for races.
class link {
public:
    link& operator=(node* n) {
        to_.set(n);
        return *this;
    }
    operator node*() const { return to_.get(); }

private:
    test::sim::plain<node*> to_;
};
struct node {
    link                   next;
    test::sim::plain<int> content, taken;
};

/// Nodes 2k and 2k + 1 belong to thread k; each thread's come out in the order in which they went in.
template <int Threads>
struct client {
    static constexpr int threads = Threads;
    node                                             nodes[8];
    bool                                             in[8] = {};
    sluice::injector<node, test::sim::atomic> q;

    node* prepare(int i) {
        nodes[i].content.set(100 + i);
        return &nodes[i];
    }
    bool push(int i) { return in[i] = q.push(prepare(i)); }
    bool push_chain(int older, int newer) {
        node* const o = prepare(older);
        node* const n = prepare(newer);
        n->next = o;
        return in[older] = in[newer] = q.push_chain(n, o);
    }
    bool take_all() {
        node* n = q.take_all();
        bool const some = n != nullptr;
        int last[4] = {-1, -1, -1, -1};
        for (int count = 0; n != nullptr; n = n->next) {
            require(++count <= 8, "the chain has an end");
            int const i = static_cast<int>(n - nodes);
            require(n->content.get() == 100 + i, "the content of a node is visible to its taker");
            n->taken.set(n->taken.get() + 1);
            require(last[i / 2] < i, "oldest first");
            last[i / 2] = i;
        }
        return some;
    }
    void finish() {
        take_all();
        require(q.empty_approx(), "nothing is left");
        for (int i = 0; i < 8; ++i) require(nodes[i].taken.get() == (in[i] ? 1 : 0), "every node is taken exactly once");
    }
};

struct one_one : client<2> {
    void thread(int i) {
        if (i == 1) return (void)take_all(), (void)take_all();
        push(0);
        push(1);
    }
};
struct two_one : client<3> {
    void thread(int i) { i < 2 ? (void)push(2 * i) : (void)(take_all(), take_all()); }
};
/// Closed for ever once it was empty: what was pushed before was taken, what comes after is refused.
struct closing : client<3> {
    bool                         closed = false, refused[2] = {};
    test::sim::plain<int> last_will;
    void thread(int i) {
        if (i < 2) {
            refused[i] = !push(2 * i);
            return;
        }
        take_all();
        last_will.set(1);
        closed = q.close();
    }
    void finish() {
        require(closed || (in[0] || in[2]), "an empty injector can be closed");
        if (closed) require(!take_all(), "closed means nothing is left");
        if (!closed) require(!refused[0] && !refused[1], "an open injector refuses nothing");
        client::finish();
    }
};
/// Whoever finds it closed already sees what the closer did before. (A refused push does not: it has nothing to look at.)
struct closed_sees : client<2> {
    test::sim::plain<int> last_will;
    void thread(int i) {
        if (i == 0) {
            last_will.set(1);
            (void)q.close();
        } else if (!push(0)) {
            require(q.close(), "closed is closed");
            require(last_will.get() == 1, "the closer's last will is visible");
        } else {
            take_all();
        }
    }
};
/// Whoever sees it empty after its own push sees what the taker did before it took.
struct empty_sees : client<2> {
    test::sim::plain<int> before;
    empty_sees() { push(0); }
    void thread(int i) {
        if (i == 0) {
            before.set(1);
            take_all();
        } else if (q.empty_approx()) {
            require(before.get() == 1, "what the taker did before it took is visible");
        }
    }
};
/// "Push, then look for sleepers" against "announce sleep, then look for nodes": not both miss the other.
struct push_or_sleep : client<2> {
    test::sim::atomic<int> sleepers{0};
    bool                   nobody = false, nothing = false;
    void thread(int i) {
        if (i == 0) {
            push(0);
            nobody = sleepers.load(std::memory_order_seq_cst) == 0;
        } else {
            (void)sleepers.fetch_add(1, std::memory_order_seq_cst);
            nothing = q.empty_approx();
        }
    }
    void finish() {
        require(!(nobody && nothing), "a node is inside, a taker sleeps, and neither has seen the other");
        client::finish();
    }
};
struct two_closers : client<3> {
    bool closed[2] = {};
    void thread(int i) { i < 2 ? (void)(closed[i] = q.close()) : (void)push(0); }
    void finish() {
        require(closed[0] == closed[1] || in[0], "closed is closed for everybody");
        client::finish();
    }
};
struct chains : client<3> {
    void thread(int i) {
        if (i == 0) push_chain(0, 1);
        if (i == 1) push(2);
        if (i == 2) take_all();
    }
};
struct two_takers : client<3> {
    void thread(int i) {
        if (i == 0) return (void)push(0), (void)push(1);
        take_all();
    }
};
/// An acquire of the newest node must cover the older ones, which other threads pushed.
struct two_two : client<4> {
    void thread(int i) { i < 2 ? (void)push(2 * i) : (void)take_all(); }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("injector", {"queue/injector.hpp"})
        .add<one_one>("push2 | take2", {.stale = 3, .spurious = 1})
        .add<chains>("chain | push | take", {.stale = 3, .spurious = 1})
        .add<two_takers>("push2 | take | take", {.stale = 3})
        .add<two_one>("push | push | take2", {.stale = 2})
        .add<closing>("push | push | take close", {.stale = 2})
        .add<closed_sees>("close | push close", {.stale = 2, .spurious = 1})
        .add<empty_sees>("one inside, take | empty", {.stale = 2})
        .add<push_or_sleep>("push look | sleep look", {.stale = 2, .spurious = 1})
        .add<two_closers>("close | close | push", {.stale = 2})
        .add<two_two>("push | push | take | take", {.stale = 1})
        .run(argc, argv);
}
