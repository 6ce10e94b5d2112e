// SPDX-License-Identifier: BSL-1.0
#include <sluice/queue/mpsc_inbox.hpp>

#include "support/catch.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <vector>

namespace {

struct node {
    node*       next = nullptr;
    std::size_t producer = 0;
    int         number = 0;
};

}  // namespace

TEST_CASE("mpsc_inbox: idle, called once, taken in order, left when empty", "[queue][mpsc_inbox][unit]") {
    sluice::mpsc_inbox<node> inbox;
    node                     a, b, c;
    CHECK(inbox.idle_approx());
    CHECK(inbox.push(&a));
    CHECK(!inbox.push(&b));
    CHECK(!inbox.idle_approx());
    node* const first = inbox.take_all();
    CHECK(first == &a);
    CHECK(a.next == &b);
    CHECK(b.next == nullptr);
    CHECK(inbox.take_all() == nullptr);
    CHECK(!inbox.push(&c));  // the consumer is still there
    CHECK(!inbox.try_leave());
    CHECK(inbox.take_all() == &c);
    CHECK(inbox.try_leave());
    CHECK(inbox.idle_approx());
    CHECK(inbox.push(&a));
    CHECK(inbox.take_all() == &a);
    CHECK(inbox.try_leave());
}

TEST_CASE("mpsc_inbox: one consumer at a time, every node once and in its producer's order", "[queue][mpsc_inbox][stress]") {
    constexpr std::size_t    producers = 4;
    constexpr int            each = 5000;
    sluice::mpsc_inbox<node> inbox;
    std::vector<node>        nodes(producers * each);
    std::vector<int>         next(producers);  // the consumer's
    bool                     in_order = true;  // likewise
    std::atomic<int>         inside{0};
    std::atomic<bool>        alone{true};
    test::run_threads(producers, [&](std::size_t p) {
        for (int i = 0; i < each; ++i) {
            node& n = nodes[p * each + static_cast<std::size_t>(i)];
            n.producer = p;
            n.number = i;
            if (!inbox.push(&n)) continue;
            if (inside.fetch_add(1) != 0) alone = false;
            for (;;) {
                for (node* t = inbox.take_all(); t != nullptr; t = t->next) in_order = in_order && next[t->producer]++ == t->number;
                inside.fetch_sub(1);
                if (inbox.try_leave()) break;
                inside.fetch_add(1);
            }
        }
    });
    CHECK(alone.load());
    CHECK(in_order);
    CHECK(next == std::vector<int>(producers, each));
    CHECK(inbox.idle_approx());
}
