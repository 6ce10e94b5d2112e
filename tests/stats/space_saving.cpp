// SPDX-License-Identifier: BSL-1.0
#include <sluice/stats/space_saving.hpp>

#include <sluice/core/random.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using sluice::space_saving;

namespace {

std::vector<std::uint32_t> zipf(std::size_t ids, std::size_t n, double exponent, std::uint64_t seed) {
    std::vector<double> upto(ids);
    double              sum = 0;
    for (std::size_t i = 0; i < ids; ++i) upto[i] = sum += std::pow(static_cast<double>(i + 1), -exponent);
    sluice::xoshiro256ss       rng(seed);
    std::vector<std::uint32_t> order;
    for (std::size_t k = 0; k < n; ++k)
        order.push_back(static_cast<std::uint32_t>(
            std::upper_bound(upto.begin(), upto.end(), sluice::uniform_real(rng) * sum) - upto.begin()));
    return order;
}

/// Every key to one place of the table.
struct one_place {
    std::uint64_t operator()(int) const noexcept { return 7; }
};

/// A key that is copied wherever it could be moved, and cannot be assigned while `locked`.
struct stubborn {
    static inline bool locked = false;
    int                value = 0;

    explicit stubborn(int v) : value(v) {}
    stubborn(stubborn const&) = default;
    stubborn& operator=(stubborn const& other) {
        if (locked) throw std::runtime_error("locked");
        value = other.value;
        return *this;
    }
    bool operator==(stubborn const&) const = default;
};
struct stubborn_hash {
    std::uint64_t operator()(stubborn const& key) const noexcept { return static_cast<std::uint64_t>(key.value); }
};

template <class Sketch, class Truth>
void bounds_hold(Sketch const& s, Truth const& truth) {
    for (auto const& e : s.entries()) {
        auto const t = truth.find(e.key) == truth.end() ? 0 : truth.find(e.key)->second;
        bool const fine = e.count >= t && e.count - e.error <= t && e.error <= s.total() / s.capacity();
        if (!fine) REQUIRE(fine);
    }
    for (auto const& [key, t] : truth)
        if (t > s.floor() && !s.find(key)) REQUIRE(s.find(key).has_value());
}

}  // namespace

TEST_CASE("space_saving: the bounds hold, and every key with more than N / m is kept", "[stats][space_saving][law]") {
    for (double const exponent : {0.9, 1.0, 1.2})
        for (std::size_t const m : {20u, 200u}) {
            space_saving<std::uint32_t>            s(m);
            std::map<std::uint32_t, std::uint64_t> truth;
            for (auto const id : zipf(20'000, 100'000, exponent, 5)) {
                s.add(id);
                ++truth[id];
            }
            REQUIRE(s.total() == 100'000);
            std::uint64_t sum = 0;
            for (auto const& e : s.entries()) sum += e.count;
            REQUIRE(sum == s.total());  // nothing is counted twice, nothing forgotten
            bounds_hold(s, truth);
            std::size_t frequent = 0;
            for (auto const& [key, t] : truth) {
                if (t <= s.total() / m) continue;
                ++frequent;
                REQUIRE(s.find(key));
            }
            REQUIRE(frequent > 0);
            if (m == 200)
                for (std::uint32_t id = 0; id < 15; ++id) REQUIRE(s.find(id));
        }
}

TEST_CASE("space_saving: any stream, small capacities, keys that meet in the table", "[stats][space_saving][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 60; ++round) {
        space_saving<int, one_place>   meet(1 + static_cast<std::size_t>(round) % 7);
        space_saving<int>              s(1 + static_cast<std::size_t>(round) % 7);
        std::map<int, std::uint64_t>   truth;
        for (int k = 0; k < 300; ++k) {
            auto const key = static_cast<int>(sluice::uniform_below(rng, 12));
            auto const n = sluice::uniform_below(rng, 5);
            truth[key] += n;
            auto const a = s.add(key, n);
            auto const b = meet.add(key, n);
            REQUIRE(s[a.slot].key == key);
            REQUIRE((b.slot == a.slot && b.is_new == a.is_new));  // the table decides nothing
            if (k % 100 == 50) {
                s.decay();
                meet.decay();
                for (auto& [_, t] : truth) t /= 2;
            }
            for (auto const& e : s.entries()) {
                auto const t = truth[e.key];
                REQUIRE((e.count >= t && e.count - e.error <= t));
            }
            for (auto const& [kept, t] : truth)
                if (t > s.floor()) REQUIRE(s.find(kept));
        }
    }
}

TEST_CASE("space_saving: a worked stream", "[stats][space_saving][unit]") {
    space_saving<std::string> s(2);
    REQUIRE(s.add("a").is_new);
    REQUIRE(s.add("b").is_new);
    REQUIRE_FALSE(s.add(std::string_view("a")).is_new);
    REQUIRE(s.floor() == 1);
    auto const c = s.add("c");  // in place of b, with b's count
    REQUIRE(c.is_new);
    REQUIRE_FALSE(s.find("b"));
    REQUIRE((s[c.slot].key == "c" && s[c.slot].count == 2 && s[c.slot].error == 1));
    s.add("a", 10);
    auto const top = s.top(5);
    REQUIRE(top.size() == 2);
    REQUIRE((top[0].key == "a" && top[0].count == 12 && top[0].error == 0));
    REQUIRE(s.top(1).size() == 1);
    REQUIRE(s.top(0).empty());
    s.clear();
    REQUIRE((s.size() == 0 && s.total() == 0 && s.floor() == 0 && !s.find("a")));
    REQUIRE(s.add("z").is_new);
}

TEST_CASE("space_saving: decay halves both bounds downward", "[stats][space_saving][unit]") {
    space_saving<int> s(1);
    s.add(1, 4);
    s.add(2, 3);  // count 7, error 4: the truth is 3
    s.decay();
    REQUIRE((s.entries()[0].count == 3 && s.entries()[0].error == 2));  // at least floor(3 / 2)
    REQUIRE(s.total() == 3);
    for (int i = 0; i < 70; ++i) s.decay();
    REQUIRE((s.entries()[0].count == 0 && s.entries()[0].error == 0));
}

TEST_CASE("space_saving: counts stay at the largest number", "[stats][space_saving][unit]") {
    space_saving<int> s(2);
    s.add(1, UINT64_MAX);
    s.add(1, 5);
    REQUIRE(s.entries()[0].count == UINT64_MAX);
    REQUIRE(s.total() == UINT64_MAX);
}

TEST_CASE("space_saving: sizes that cannot be", "[stats][space_saving][unit]") {
    REQUIRE_THROWS_WITH(space_saving<int>(0), test::contains("capacity (1 to 2^30) is 0"));
    REQUIRE_THROWS_AS(space_saving<int>((std::size_t{1} << 30) + 1), std::invalid_argument);
}

TEST_CASE("space_saving: a key that throws when it is assigned leaves everything as it was", "[stats][space_saving][unit]") {
    space_saving<stubborn, stubborn_hash> s(2);
    s.add(stubborn(1));
    s.add(stubborn(2), 2);
    stubborn::locked = true;
    CHECK_THROWS_AS(s.add(stubborn(3)), std::runtime_error);
    stubborn::locked = false;
    CHECK(s.find(stubborn(1)).has_value());
    CHECK(!s.find(stubborn(3)).has_value());
    CHECK(s.total() == 3);
    CHECK(s.add(stubborn(4)).is_new);  // in the place of 1
    CHECK(!s.find(stubborn(1)).has_value());
    auto const top = s.top(2);
    CHECK((top[0].count == 2 && top[1].count == 2));
}
