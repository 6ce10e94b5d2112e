// SPDX-License-Identifier: BSL-1.0
#include <sluice/queue/injector.hpp>

#include "support/catch.hpp"

#include <vector>

namespace {

struct node {
    node* next = nullptr;
    int   number = 0;
};
struct no_link {};

std::vector<int> numbers(node* n) {
    std::vector<int> v;
    for (; n != nullptr; n = n->next) v.push_back(n->number);
    return v;
}

}  // namespace

static_assert(sluice::linked_node<node> && !sluice::linked_node<no_link>);

TEST_CASE("injector: everything at once, oldest first", "[queue][injector][unit]") {
    sluice::injector<node> q;
    node                   n[6] = {{nullptr, 0}, {nullptr, 1}, {nullptr, 2}, {nullptr, 3}, {nullptr, 4}, {nullptr, 5}};
    CHECK(q.empty_approx());
    CHECK(q.take_all() == nullptr);
    for (int i = 0; i < 3; ++i) REQUIRE(q.push(&n[i]));
    n[5].next = &n[4];
    n[4].next = &n[3];
    REQUIRE(q.push_chain(&n[5], &n[3]));
    CHECK_FALSE(q.empty_approx());
    CHECK(numbers(q.take_all()) == std::vector<int>{0, 1, 2, 3, 4, 5});
    CHECK(q.take_all() == nullptr);
    CHECK(q.empty_approx());
}

TEST_CASE("injector: closed when empty, and then for ever", "[queue][injector][unit]") {
    sluice::injector<node> q;
    node                   n[2];
    REQUIRE(q.push(&n[0]));
    CHECK_FALSE(q.close());
    REQUIRE(q.push(&n[1]));
    CHECK(q.take_all() == &n[0]);
    CHECK(q.close());
    CHECK(q.close());
    CHECK_FALSE(q.push(&n[0]));
    CHECK_FALSE(q.push_chain(&n[1], &n[0]));
    CHECK(q.take_all() == nullptr);
    CHECK(q.empty_approx());
}
