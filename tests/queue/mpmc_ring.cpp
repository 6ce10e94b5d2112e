// SPDX-License-Identifier: BSL-1.0
#include <sluice/queue/mpmc_ring.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <random>
#include <type_traits>
#include <utility>

namespace {

using word = std::uint64_t;

struct throws_when_copied {
    throws_when_copied() = default;
    throws_when_copied(throws_when_copied const&) {}
    throws_when_copied(throws_when_copied&&) noexcept {}
};
/// An atomic after whose next load something happens.
void (*after_next_load)() = nullptr;
template <class T>
struct watched : std::atomic<T> {
    using std::atomic<T>::atomic;
    T load(std::memory_order order) const noexcept {
        T const value = std::atomic<T>::load(order);
        if (auto* const f = std::exchange(after_next_load, nullptr)) f();
        return value;
    }
};
sluice::mpmc_ring<int, watched>* watched_ring = nullptr;

template <class T>
concept pushes_copies = requires(sluice::mpmc_ring<T>& q, T const& t) { q.try_push(t); };

}  // namespace

static_assert(pushes_copies<int> && !pushes_copies<throws_when_copied> && !pushes_copies<std::unique_ptr<int>>);
static_assert(noexcept(std::declval<sluice::mpmc_ring<std::unique_ptr<int>>&>().try_pop()));
static_assert(!std::is_copy_constructible_v<sluice::mpmc_ring<int>>);

TEST_CASE("mpmc_ring: first in, first out, full and empty", "[queue][mpmc_ring][unit]") {
    for (auto [wanted, is] : {std::pair<std::size_t, std::size_t>{0, 2}, {1, 2}, {2, 2}, {3, 4}, {8, 8}, {9, 16}}) {
        CHECK(sluice::mpmc_ring<int>(wanted).capacity() == is);
        for (word wrap : {word{0}, word{1} << 32, word{1} << 63, word{0} - is}) {
            sluice::mpmc_ring<int> q(wanted, wrap - (wrap == 0 ? 0 : is));
            for (int lap = 0; lap < 4; ++lap) {
                REQUIRE_FALSE(q.try_pop());
                for (int i = 0; i < static_cast<int>(is); ++i) REQUIRE(q.try_push(i));
                REQUIRE_FALSE(q.try_push(-1));
                REQUIRE(q.size_approx() == is);
                for (int i = 0; i < static_cast<int>(is); ++i) REQUIRE(q.try_pop() == i);
                REQUIRE(q.empty_approx());
            }
        }
    }
}

TEST_CASE("mpmc_ring: an approximate size is never above the capacity", "[queue][mpmc_ring][unit]") {
    sluice::mpmc_ring<int, watched> q(4);
    watched_ring = &q;
    for (int i = 0; i < 3; ++i) REQUIRE(q.try_push(i));
    REQUIRE(q.size_approx() == 3);
    after_next_load = [] {  // others pass through between its two looks
        for (int i = 0; i < 10; ++i) REQUIRE((watched_ring->try_pop() && watched_ring->try_push(i)));
    };
    REQUIRE(q.size_approx() == 4);
    REQUIRE(q.size_approx() == 3);
}

TEST_CASE("mpmc_ring: moves from a value only if it goes in, and destroys what is left", "[queue][mpmc_ring][unit]") {
    auto const before = test::live_allocations();
    {
        sluice::mpmc_ring<std::unique_ptr<int>> q(2);
        REQUIRE(q.try_push(std::make_unique<int>(1)));
        REQUIRE(q.try_push(std::make_unique<int>(2)));
        auto third = std::make_unique<int>(3);
        REQUIRE_FALSE(q.try_push(std::move(third)));
        REQUIRE(third);
        REQUIRE(**q.try_pop() == 1);
        REQUIRE(q.try_push(std::move(third)));
        REQUIRE_FALSE(third);
    }
    CHECK(test::live_allocations() == before);
    {
        test::scarce_memory const scarce(0);
        REQUIRE_THROWS_AS(sluice::mpmc_ring<int>(4), std::bad_alloc);
    }
    CHECK(test::live_allocations() == before);
}

TEST_CASE("mpmc_ring: behaves as std::deque does", "[queue][mpmc_ring][property]") {
    std::mt19937_64 random(test::seed());
    sluice::mpmc_ring<int> q(8, ~word{0} - 63);
    std::deque<int>        model;
    for (int next = 0; next < 5000; ++next) {
        if (random() % 16 < (static_cast<unsigned>(next) / 100 % 2 == 0 ? 10U : 6U)) {
            bool const in = q.try_push(next);
            REQUIRE(in == (model.size() < 8));
            if (in) model.push_back(next);
        } else {
            auto const item = q.try_pop();
            REQUIRE(item.has_value() == !model.empty());
            if (item) {
                REQUIRE(*item == model.front());
                model.pop_front();
            }
        }
        REQUIRE(q.size_approx() == model.size());
    }
}
