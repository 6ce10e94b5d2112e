// SPDX-License-Identifier: BSL-1.0
#include <sluice/stats/reservoir.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <cstdint>
#include <memory>
#include <new>
#include <set>
#include <stdexcept>
#include <vector>

using sluice::reservoir;

namespace {

/// Whether n equally likely outcomes that were drawn `drawn` times in all are equally frequent: each within 5 standard deviations.
bool even(std::vector<int> const& counts, double each, double chance) {
    for (int const c : counts)
        if (std::abs(c - each) > 5 * std::sqrt(each * (1 - chance))) return false;
    return true;
}

/// Throws at the move number `moves_left` from now on; never where that is negative.
struct fragile {
    static inline int moves_left = -1;
    int               value = 0;

    explicit fragile(int v) : value(v) {}
    fragile(fragile&& other) : value(other.value) { moved(); }
    fragile& operator=(fragile&& other) {
        value = other.value;
        moved();
        return *this;
    }
    static void moved() {
        if (moves_left >= 0 && moves_left-- == 0) throw std::runtime_error("fragile");
    }
};

}  // namespace

TEST_CASE("reservoir: every item of the stream with the same probability", "[stats][reservoir][law]") {
    constexpr std::uint64_t n = 40;
    constexpr int           runs = 4000;
    for (std::size_t const capacity : {1u, 5u, 39u}) {
        std::vector<int>     count(n, 0), merged(n, 0);
        sluice::splitmix64   seeds(7);
        for (int run = 0; run < runs; ++run) {
            reservoir<std::uint64_t> r(capacity, sluice::xoshiro256ss(seeds())), a(capacity, sluice::xoshiro256ss(seeds())),
                b(capacity, sluice::xoshiro256ss(seeds()));
            for (std::uint64_t i = 0; i < n; ++i) {
                r.add(i);
                (i < 13 ? a : b).add(i);
            }
            REQUIRE(r.sample().size() == capacity);
            for (auto const x : r.sample()) ++count[static_cast<std::size_t>(x)];
            a.merge(b);
            REQUIRE(a.sample().size() == capacity);
            REQUIRE(a.seen() == n);
            std::set<std::uint64_t> const different(a.sample().begin(), a.sample().end());
            REQUIRE(different.size() == capacity);
            for (auto const x : a.sample()) ++merged[static_cast<std::size_t>(x)];
        }
        double const chance = static_cast<double>(capacity) / n;
        CHECK(even(count, runs * chance, chance));
        CHECK(even(merged, runs * chance, chance));
    }
}

TEST_CASE("reservoir: short streams, items that only move, what is refused", "[stats][reservoir][unit]") {
    reservoir<std::unique_ptr<int>> r(3);
    CHECK(r.add(std::make_unique<int>(1)));
    CHECK(r.add(std::make_unique<int>(2)));
    CHECK(r.sample().size() == 2);
    CHECK(*r.sample()[0] == 1);
    reservoir<std::unique_ptr<int>> small(1);
    small.add(std::make_unique<int>(3));
    r.merge(std::move(small));  // it has seen no more than it holds
    CHECK(r.sample().size() == 3);
    CHECK(r.seen() == 3);
    reservoir<int> a(5), b(2);
    for (int i = 0; i < 3; ++i) b.add(i);
    CHECK_THROWS_AS(a.merge(b), std::invalid_argument);
    CHECK_THROWS_AS(reservoir<int>(0), std::invalid_argument);
    CHECK_THROWS_AS(reservoir<int>(SIZE_MAX), std::bad_alloc);
    b.clear();
    CHECK((b.seen() == 0 && b.sample().empty() && b.capacity() == 2));
    a.merge(b);
    CHECK(a.sample().empty());
}

TEST_CASE("reservoir: an item that throws has not been seen, and a merge that throws leaves it empty", "[stats][reservoir][unit]") {
    reservoir<fragile> r(2), all(2);
    fragile::moves_left = 0;
    CHECK_THROWS_AS(r.add(fragile(0)), std::runtime_error);
    CHECK((r.seen() == 0 && r.sample().empty()));
    all.merge(std::move(r));  // of nothing
    CHECK((all.seen() == 0 && all.sample().empty()));

    int thrown = 0;
    for (int i = 0; i < 50; ++i) {  // also where an item would take another's place
        auto const seen = all.seen();
        try {
            fragile::moves_left = i % 3 == 2 ? 0 : -1;
            all.add(fragile(i));
            CHECK(all.seen() == seen + 1);
        } catch (std::runtime_error const&) {
            ++thrown;
            CHECK(all.seen() == seen);
        }
    }
    fragile::moves_left = -1;
    CHECK(thrown > 0);

    reservoir<fragile> other(2);
    other.add(fragile(100));
    fragile::moves_left = 1;
    CHECK_THROWS_AS(all.merge(std::move(other)), std::runtime_error);
    fragile::moves_left = -1;
    CHECK((all.seen() == 0 && all.sample().empty()));
    CHECK(all.add(fragile(1)));
}
