// SPDX-License-Identifier: BSL-1.0
// What all the deques have in common, one thread at a time: the same operations on std::deque, the wrap of the indices,
// growth, and memory that runs out.
#include <sluice/queue/bounded_chase_lev_deque.hpp>
#include <sluice/queue/chase_lev_deque.hpp>
#include <sluice/queue/split_deque.hpp>

#include "support/allocation_new.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <deque>
#include <limits>
#include <memory>
#include <random>
#include <type_traits>
#include <vector>

namespace {

using sluice::steal_status;
using word = std::uint64_t;
constexpr word near_the_ends[] = {0, 1, (word{1} << 31) - 3, (word{1} << 32) - 3, (word{1} << 63) - 3, ~word{0} - 2, ~word{0}};

/// One set of words for all three.
struct chase_lev {
    sluice::chase_lev_deque<int> d;
    explicit chase_lev(word first = 0) : d(2, first) {}
    static constexpr bool grows = true;
    bool push(int i) { return d.push(i), true; }
    void show_all() {}
};
struct bounded {
    sluice::bounded_chase_lev_deque<int, 8> d;
    explicit bounded(word first = 0) : d(first) {}
    static constexpr bool grows = false;
    bool push(int i) { return d.try_push(i); }
    void show_all() {}
};
struct split {
    sluice::split_deque<int> d;
    explicit split(word first = 0) : d(2, first) {}
    static constexpr bool grows = true;
    bool push(int i) { return (void)d.push(i), true; }
    void show_all() { (void)d.publish(); }
};

}  // namespace

#define ALL_DEQUES chase_lev, bounded, split

static_assert(!std::is_copy_constructible_v<sluice::chase_lev_deque<int>>);
static_assert(!std::is_move_assignable_v<sluice::chase_lev_deque<int>>);
static_assert(!std::is_copy_constructible_v<sluice::split_deque<int>>);
static_assert(!std::is_move_assignable_v<sluice::split_deque<int>>);
static_assert(noexcept(std::declval<sluice::chase_lev_deque<int>&>().pop()));
static_assert(noexcept(std::declval<sluice::chase_lev_deque<int>&>().steal()));
static_assert(noexcept(std::declval<sluice::split_deque<int>&>().pop()));
static_assert(noexcept(std::declval<sluice::split_deque<int>&>().steal()));
static_assert(noexcept(std::declval<sluice::split_deque<int>&>().publish()));
static_assert(noexcept(std::declval<sluice::bounded_chase_lev_deque<int, 2>&>().try_push(1)));
static_assert(std::is_same_v<decltype(std::declval<sluice::chase_lev_deque<int*>&>().steal()), sluice::steal_result<int*>>);
static_assert(sluice::detail::deque_item<int> && sluice::detail::deque_item<void*>);
static_assert(!sluice::detail::deque_item<std::unique_ptr<int>> && !sluice::detail::deque_item<std::vector<int>>);

TEMPLATE_TEST_CASE("deque: the owner takes the newest, a thief the oldest", "[queue][unit]", ALL_DEQUES) {
    for (word first : near_the_ends) {
        TestType t(first);
        CHECK_FALSE(t.d.pop());
        CHECK(t.d.steal().status == steal_status::empty);
        for (int i = 1; i <= 4; ++i) REQUIRE(t.push(i));
        t.show_all();
        CHECK(t.d.size_approx() == 4);
        auto const stolen = t.d.steal();
        CHECK(stolen.status == steal_status::success);
        CHECK(stolen.value == 1);
        CHECK(t.d.pop() == 4);
        CHECK(*t.d.steal() == 2);
        CHECK(t.d.pop() == 3);
        CHECK_FALSE(t.d.pop());
        CHECK(t.d.steal().status == steal_status::empty);
        CHECK(t.d.empty_approx());
    }
}

TEMPLATE_TEST_CASE("deque: behaves as std::deque does", "[queue][property]", ALL_DEQUES) {
    std::mt19937_64 random(test::seed());
    for (word first : near_the_ends) {
        TestType        t(first);
        std::deque<int> model;
        int             next = 0;
        for (int phase = 0; phase < 40; ++phase) {
            unsigned const pushes = static_cast<unsigned>(random() % 9) + 1;  // of ten steps
            for (int step = 0; step < 50; ++step) {
                unsigned const r = static_cast<unsigned>(random() % 10);
                if (r < pushes) {
                    bool const in = t.push(next);
                    REQUIRE(in == (TestType::grows || model.size() < 8));
                    if (in) model.push_back(next);
                    ++next;
                } else if (r % 2 == 0) {
                    auto const item = t.d.pop();
                    REQUIRE(item.has_value() == !model.empty());
                    if (item) {
                        REQUIRE(*item == model.back());
                        model.pop_back();
                    }
                } else {
                    if (random() % 2 == 0) t.show_all();
                    auto const item = t.d.steal();
                    REQUIRE(item.status != steal_status::lost);  // nobody else is here
                    if (model.empty()) REQUIRE(item.status == steal_status::empty);
                    if (item) {
                        REQUIRE(item.value == model.front());
                        model.pop_front();
                    }
                }
                REQUIRE(t.d.size_approx() == model.size());
            }
        }
        while (auto const item = t.d.pop()) {
            REQUIRE(*item == model.back());
            model.pop_back();
        }
        REQUIRE(model.empty());
    }
}

TEMPLATE_TEST_CASE("growing deque: capacity is rounded up and doubles", "[queue][unit]", sluice::chase_lev_deque<int>,
                   sluice::split_deque<int>) {
    for (auto [wanted, is] : {std::pair<std::size_t, std::size_t>{0, 2}, {1, 2}, {2, 2}, {3, 4}, {64, 64}, {65, 128}})
        CHECK(TestType(wanted).capacity() == is);
    TestType d(2);
    for (int i = 0; i < 100; ++i) d.push(i);
    CHECK(d.capacity() == 128);
    for (int i = 99; i >= 0; --i) REQUIRE(d.pop() == i);
    CHECK(d.capacity() == 128);
    d.reserve(128);
    CHECK(d.capacity() == 128);
    d.reserve(129);
    CHECK(d.capacity() == 256);
}

TEMPLATE_TEST_CASE("growing deque: does not grow while thieves keep up", "[queue][unit]", sluice::chase_lev_deque<int>,
                   sluice::split_deque<int>) {
    TestType d(4, ~word{0} - 10);
    for (int i = 0; i < 1000; ++i) {
        d.push(2 * i);
        d.push(2 * i + 1);
        REQUIRE(*d.steal() == 2 * i);
        REQUIRE(d.pop() == 2 * i + 1);
    }
    CHECK(d.capacity() == 4);
}

TEMPLATE_TEST_CASE("growing deque: a push that finds no memory changes nothing", "[queue][unit]",
                   sluice::chase_lev_deque<int>, sluice::split_deque<int>) {
    auto const before = test::live_allocations();
    for (word first : near_the_ends) {
        TestType d(4, first);
        for (int i = 0; i < 4; ++i) d.push(i);
        for (std::uint64_t n = 0;; ++n) {
            bool thrown = false, failed = false;
            {
                test::scarce_memory const scarce(n);
                try {
                    d.push(4);
                } catch (std::bad_alloc const&) {
                    thrown = true;
                }
                failed = scarce.failed();
            }
            REQUIRE(thrown == failed);
            if (!thrown) {
                CHECK(n == 2);  // the ring and its slots
                break;
            }
            REQUIRE(d.size_approx() == 4);
            REQUIRE(d.capacity() == 4);
        }
        for (int i = 4; i >= 0; --i) REQUIRE(d.pop() == i);
        REQUIRE_FALSE(d.pop());
        {
            test::scarce_memory const scarce(0);
            REQUIRE_THROWS_AS(d.reserve(1000), std::bad_alloc);
        }
        REQUIRE(d.capacity() == 8);
        REQUIRE_THROWS_AS(d.reserve(std::numeric_limits<std::size_t>::max()), std::bad_alloc);
    }
    CHECK(test::live_allocations() == before);
}

TEMPLATE_TEST_CASE("growing deque: a constructor that finds no memory leaves nothing behind", "[queue][unit]",
                   sluice::chase_lev_deque<int>, sluice::split_deque<int>) {
    auto const before = test::live_allocations();
    for (std::uint64_t n = 0; n < 2; ++n) {
        test::scarce_memory const scarce(n);
        REQUIRE_THROWS_AS(TestType(4), std::bad_alloc);
    }
    CHECK(test::live_allocations() == before);
}

TEST_CASE("chase_lev_deque: push_bulk is all or nothing", "[queue][chase_lev_deque][unit]") {
    struct row {
        std::size_t before, n, capacity;
    };
    int const items[] = {10, 11, 12, 13, 14, 15, 16, 17, 18};
    for (row const r : {row{0, 0, 4}, row{4, 0, 4}, row{1, 2, 4}, row{1, 3, 4}, row{1, 4, 8}, row{4, 9, 16}}) {
        sluice::chase_lev_deque<int> d(4, ~word{0} - 1);
        for (std::size_t i = 0; i < r.before; ++i) d.push(static_cast<int>(i));
        if (r.capacity > 4) {
            test::scarce_memory const scarce(1);
            REQUIRE_THROWS_AS(d.push_bulk(items, r.n), std::bad_alloc);
            REQUIRE(d.size_approx() == r.before);
        }
        d.push_bulk(items, r.n);
        CHECK(d.capacity() == r.capacity);
        REQUIRE(d.size_approx() == r.before + r.n);
        for (std::size_t i = r.n; i-- > 0;) REQUIRE(d.pop() == items[i]);
        for (std::size_t i = r.before; i-- > 0;) REQUIRE(d.pop() == static_cast<int>(i));
        REQUIRE_FALSE(d.pop());
    }
    // An iterator that throws half-way: nothing is visible.
    struct bad_iterator {
        int i = 0;
        int operator*() const { return i == 2 ? throw 7 : i; }
        bad_iterator& operator++() { return ++i, *this; }
    };
    sluice::chase_lev_deque<int> d(2);
    d.push(1);
    CHECK_THROWS_AS(d.push_bulk(bad_iterator{}, 5), int);
    CHECK(d.size_approx() == 1);
    CHECK(d.pop() == 1);
}

TEST_CASE("bounded_chase_lev_deque: full says no, until a thief or the owner makes room",
          "[queue][bounded_chase_lev_deque][unit]") {
    for (word first : near_the_ends) {
        sluice::bounded_chase_lev_deque<int, 4> d(first);
        CHECK(d.capacity() == 4);
        for (int i = 0; i < 4; ++i) REQUIRE(d.try_push(i));
        REQUIRE_FALSE(d.try_push(4));
        REQUIRE(*d.steal() == 0);
        REQUIRE(d.try_push(4));
        REQUIRE_FALSE(d.try_push(5));
        REQUIRE(d.pop() == 4);
        REQUIRE(d.try_push(5));
        for (int i : {5, 3, 2, 1}) REQUIRE(d.pop() == i);
    }
}

TEST_CASE("split_deque: what a thief can count on", "[queue][split_deque][unit]") {
    for (word first : near_the_ends) {
        sluice::split_deque<int> d(64, first);
        SECTION("while the owner only pushes, all but the newest are public") {
            for (int i = 0; i < 40; ++i) (void)d.push(i);
            for (int i = 0; i < 39; ++i) REQUIRE(*d.steal() == i);
            REQUIRE(d.steal().status == steal_status::empty);
            REQUIRE(d.pop() == 39);
        }
        SECTION("after each push, if two or more are inside, the oldest is public") {
            std::mt19937_64 random(test::seed());
            int             next = 0, inside = 0;
            for (int step = 0; step < 2000; ++step) {
                switch (random() % 5) {
                case 0:
                case 1:
                    (void)d.push(next++);
                    if (++inside >= 2) REQUIRE_FALSE(d.public_empty_approx());
                    break;
                case 2: inside -= d.pop().has_value(); break;
                case 3: inside -= bool(d.steal()); break;
                default: inside -= bool(d.steal()), inside -= d.pop().has_value(); break;
                }
            }
        }
        SECTION("the answer of push and publish: there is something new to see") {
            REQUIRE_FALSE(d.push(0));
            REQUIRE(d.push(1));
            REQUIRE(d.publish());
            REQUIRE_FALSE(d.publish());
            REQUIRE(*d.steal() == 0);
            REQUIRE(*d.steal() == 1);
            REQUIRE(d.push_public(2));
            REQUIRE_FALSE(d.push_public(3));
            REQUIRE(*d.steal() == 2);
            REQUIRE(d.pop() == 3);
        }
        SECTION("a quarter stays public while the owner pops and nobody steals") {
            for (int i = 0; i < 64; ++i) (void)d.push(i);
            (void)d.publish();
            for (int inside = 63; inside >= 4; --inside) {
                REQUIRE(d.pop() == inside);
                REQUIRE_FALSE(d.public_empty_approx());
            }
        }
        SECTION("steal_if names an item by its index") {
            auto const index = d.next_index();
            CHECK(index == first);
            (void)d.push_public(7);
            CHECK(d.steal_if([](word) { return false; }).status == steal_status::empty);
            CHECK(d.steal_if([index](word i) { return i == index; }).value == 7);
        }
    }
}
