// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of mpsc_inbox.
#include "interleaving/items.hpp"
#include "support/interleave_main.hpp"

#define SLUICE_ASSERT(condition) ::test::sim::require(condition, #condition)
#include <sluice/queue/mpsc_inbox.hpp>

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
    link                  next;
    test::sim::plain<int> content;
};

/// Nodes 2k and 2k + 1 belong to thread k. Who is told that nobody is there consumes at once, until it may leave.
template <int Threads>
struct client {
    static constexpr int                        threads = Threads;
    node                                        nodes[6];
    sluice::mpsc_inbox<node, test::sim::atomic> q;
    test::sim::plain<int>                       count, begun;  // the consumer's: a race if there are two, or one does not
    test::sim::plain<int>                       last[3];     // see what the one before did
    bool                                        taken[6] = {}, pushed[6] = {};

    client() {
        for (auto& l : last) l.set(-1);
    }
    void consume(int most = 1000) {
        for (int rounds = 0;; ++rounds) {
            for (node* n = q.take_all(); n != nullptr; n = n->next) {
                int const i = static_cast<int>(n - nodes);
                require(n->content.get() == 100 + i, "the content of a node is visible to its taker");
                require(!taken[i], "once");
                taken[i] = true;
                count.set(count.get() + 1);
                require(last[i / 2].get() < i, "oldest first");
                last[i / 2].set(i);
            }
            if (rounds >= most || q.try_leave()) return;
        }
    }
    void push(int i) {
        nodes[i].content.set(100 + i);
        pushed[i] = true;
        if (q.push(&nodes[i])) {
            begun.set(begun.get() + 1);  // the work of the last one is seen before anything is taken
            consume();
        }
    }
    void finish() {
        require(q.idle_approx(), "nobody stays");
        int n = 0;
        for (int i = 0; i < 6; ++i) {
            require(taken[i] == pushed[i], "every node is taken exactly once");
            n += pushed[i] ? 1 : 0;
        }
        require(count.get() == n, "consumers come one after the other");
    }
};

struct two : client<2> {
    void thread(int i) { push(2 * i); }
};
struct one_one : client<2> {
    void thread(int i) { push(2 * i), push(2 * i + 1); }
};
struct three : client<3> {
    void thread(int i) { push(2 * i); }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("mpsc_inbox", {"queue/mpsc_inbox.hpp"})
        .add<two>("push | push", {.stale = 3, .spurious = 1})
        .add<one_one>("push2 | push2", {.stale = 1, .preemptions = 5})
        .add<three>("push | push | push", {.stale = 1})
        .run(argc, argv);
}
