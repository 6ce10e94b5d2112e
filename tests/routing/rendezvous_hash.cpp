// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/rendezvous_hash.hpp>

#include "routing/bucket_laws.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

using sluice::hashed_key;
using sluice::node_index;
using names = sluice::rendezvous_hash<std::string>;

static_assert(sluice::ordered_placement<names> && sluice::ordered_placement<sluice::rendezvous_hash<int>>);

namespace {

/// Ten different values: most nodes and keys collide.
struct ten_buckets {
    std::uint64_t operator()(std::string_view s) const noexcept { return sluice::xxh3()(s) % 10; }
};

/// One more node that takes nothing makes the weights differ.
struct weighted : names {
    weighted() { names::add("almost nothing", 1e-300); }
    std::size_t size() const noexcept { return names::size() - 1; }
    bool contains_index(node_index i) const noexcept { return i > 0 && names::contains_index(i); }
    std::optional<node_index> locate(hashed_key key) const noexcept {
        return size() == 0 ? std::nullopt : names::locate(key);
    }
    template <class Key>
    std::optional<std::string> pick(Key const& key) const {
        return size() == 0 ? std::nullopt : names::pick(key);
    }
};

std::vector<node_index> ranking(names const& p, hashed_key key) {
    std::vector<node_index> result;
    REQUIRE(p.walk(key, [&](node_index i) {
        result.push_back(i);
        return true;
    }));
    return result;
}

}  // namespace

TEST_CASE("rendezvous_hash: is a placement", "[routing][rendezvous_hash][law]") {
    SECTION("of equal weights") {
        test::placement_laws([] { return names(); });
    }
    SECTION("of equal weights, by times") {
        test::placement_laws([] { return weighted(); });
    }
}

TEST_CASE("rendezvous_hash: equal weights and times give the same order", "[routing][rendezvous_hash][law]") {
    names plain, scaled, timed;
    for (int i = 0; i < 50; ++i) {
        plain.add(test::node_name(i));
        scaled.add(test::node_name(i), 1.7e-200);
        timed.add(test::node_name(i), 3);
    }
    timed.add("zero", 1e-300);
    for (auto const key : test::keys(3000, test::seed())) {
        REQUIRE(scaled.locate(hashed_key(key)) == plain.locate(hashed_key(key)));
        REQUIRE(timed.locate(hashed_key(key)) == plain.locate(hashed_key(key)));
    }
}

TEST_CASE("rendezvous_hash: shares follow the weights", "[routing][rendezvous_hash][law]") {
    std::vector<double> const weights = {1, 2, 3, 4, 0.5, 100, 1e-9, 7.25};
    names                     p;
    for (std::size_t i = 0; i < weights.size(); ++i) p.add(test::node_name(static_cast<int>(i)), weights[i]);
    double const             total = std::accumulate(weights.begin(), weights.end(), 0.0), n = 200'000;
    std::vector<std::size_t> count(weights.size());
    for (auto const key : test::keys(200'000, test::seed())) ++count[*p.locate(hashed_key(key))];
    for (std::size_t i = 0; i < weights.size(); ++i) {  // within 5 standard deviations of the sample
        double const share = weights[i] / total;
        REQUIRE(std::abs(static_cast<double>(count[i]) - n * share) <= 5 * std::sqrt(n * share * (1 - share)));
    }
}

TEST_CASE("rendezvous_hash: a change of weight moves keys only to or from that node", "[routing][rendezvous_hash][law]") {
    auto const ks = test::keys(20'000, test::seed());
    names      p;
    for (int i = 0; i < 10; ++i) p.add(test::node_name(i), 1 + i);
    sluice::xoshiro256ss rng(4);
    auto                 before = test::owners(p, ks);
    double               total = 55;
    for (int step = 0; step < 20; ++step) {
        auto const   i = static_cast<node_index>(sluice::uniform_below(rng, 10));
        double const old = p.weight(test::node_name(static_cast<int>(i))), now = 0.1 + 20 * sluice::uniform_real(rng);
        p.set_weight(test::node_name(static_cast<int>(i)), now);
        auto const  after = test::owners(p, ks);
        std::size_t moved = 0;
        for (std::size_t k = 0; k < ks.size(); ++k) {
            if (before[k] == after[k]) continue;
            ++moved;
            REQUIRE((now > old ? after[k] : before[k]) == i);
        }
        double const share = std::abs(now / (total - old + now) - old / total), n = 20'000;
        REQUIRE(std::abs(static_cast<double>(moved) - n * share) <= 5 * std::sqrt(n * share) + 5);
        total += now - old;
        before = after;
    }
    p.set_weight("node-3", 1e308);
    REQUIRE(p.locate(hashed_key(ks[0])) == 3u);
    p.set_weight("node-3", std::numeric_limits<double>::denorm_min());
    for (auto const key : ks) REQUIRE(p.locate(hashed_key(key)) != 3u);
}

TEST_CASE("rendezvous_hash: times are exponential and never fall", "[routing][rendezvous_hash][unit]") {
    using sluice::detail::exponential;
    sluice::xoshiro256ss rng(6);
    auto const real = [](std::uint64_t h) { return -std::log1p(-static_cast<double>(h) * 0x1p-64); };
    for (int i = 0; i < 20'000; ++i) {
        auto const   h = rng() >> (i % 40);  // and the small ones, which win
        double const expected = real(h), actual = static_cast<double>(exponential(h)) * 0x1p-58;
        if (h < UINT64_MAX << 11) REQUIRE(std::abs(actual - expected) <= 2e-6 * expected + 0x1p-57);
        REQUIRE(exponential(h) <= exponential(h + (h < UINT64_MAX ? 1 : 0)));
    }
    for (std::uint64_t i = 1; i < 512; ++i)  // where two lines meet
        REQUIRE(exponential((i << 55) - 1) <= exponential(i << 55));
    for (unsigned k = 1; k < 64; ++k) {  // and where the logarithm gains a whole number
        auto const edge = ~std::uint64_t{0} << (64 - k);
        REQUIRE(exponential(edge - 1) <= exponential(edge));
        REQUIRE(exponential(edge) - exponential(edge - 1) <= (std::uint64_t{1} << k >> 5) + 64);  // one step of h
    }
    REQUIRE(exponential(0) == 0);
    REQUIRE(std::abs(static_cast<double>(exponential(UINT64_MAX)) * 0x1p-58 - 64 * std::log(2)) < 1e-9);

    sluice::detail::race_speed const one(1), two(2), third(1.0 / 3), most(std::numeric_limits<double>::max()),
        least(std::numeric_limits<double>::denorm_min());
    for (int i = 0; i < 1000; ++i) {
        auto const h = rng() | (std::uint64_t{1} << 40);
        REQUIRE(race_time(h, most) < race_time(h, two));
        REQUIRE(race_time(h, two) < race_time(h, one));
        REQUIRE(race_time(h, one) < race_time(h, third));
        REQUIRE(race_time(h, third) < race_time(h, least));
    }
    sluice::detail::race_speed half = least;  // twice the weight is faster, from the least number to the largest
    for (double w = 2 * std::numeric_limits<double>::denorm_min(); w < 1e308; w *= 2) {
        sluice::detail::race_speed const next(w);
        REQUIRE(race_time(std::uint64_t{1} << 50, next) < race_time(std::uint64_t{1} << 50, half));
        half = next;
    }
    sluice::detail::race_speed last = least;
    for (double w = 1e-3; w < 1e3; w = std::nextafter(w * 1.01, 1e9)) {  // more weight is never slower
        sluice::detail::race_speed const next(w);
        for (auto const h : {std::uint64_t{1} << 20, std::uint64_t{1} << 62, UINT64_MAX})
            REQUIRE(race_time(h, next) <= race_time(h, last));
        last = next;
    }
}

TEST_CASE("rendezvous_hash: the order of the nodes for a key", "[routing][rendezvous_hash][law]") {
    for (bool const weighted : {false, true}) {
        names p;
        for (int i = 0; i < 40; ++i) p.add(test::node_name(i), weighted ? 1 + i % 5 : 1);
        auto q = p;
        q.remove(test::node_name(17));
        for (auto const k : test::keys(200, test::seed())) {
            hashed_key const key(k);
            auto             order = ranking(p, key);
            auto             sorted = order;
            std::sort(sorted.begin(), sorted.end());
            for (node_index i = 0; i < 40; ++i) REQUIRE(sorted[i] == i);  // each exactly once
            REQUIRE(order[0] == *p.locate(key));
            for (std::size_t const n : {0u, 1u, 2u, 3u, 17u, 40u, 45u}) {
                std::array<node_index, 45> out{};
                REQUIRE(p.locate_n(key, std::span(out).first(n)) == std::min<std::size_t>(n, 40));
                for (std::size_t i = 0; i < std::min<std::size_t>(n, 40); ++i) REQUIRE(out[i] == order[i]);
            }
            order.erase(std::find(order.begin(), order.end(), 17u));  // others keep their order
            REQUIRE(ranking(q, key) == order);
            for (std::size_t stop = 1; stop < 40; stop += 6) {
                std::size_t visits = 0;
                REQUIRE_FALSE(p.walk(key, [&](node_index) { return ++visits < stop; }));
                REQUIRE(visits == stop);
            }
        }
    }
    REQUIRE(names().walk(hashed_key(1), [](node_index) { return false; }));
    REQUIRE(names().locate_n(hashed_key(1), {}) == 0);
}

TEST_CASE("rendezvous_hash: second choices are equally likely", "[routing][rendezvous_hash][law]") {
    names p;
    for (int i = 0; i < 6; ++i) p.add(test::node_name(i));
    std::array<std::size_t, 36> pairs{};
    for (auto const key : test::keys(60'000, test::seed())) {
        std::array<node_index, 2> out{};
        p.locate_n(hashed_key(key), out);
        ++pairs[out[0] * 6 + out[1]];
    }
    double sum = 0;
    for (std::size_t a = 0; a < 6; ++a)
        for (std::size_t b = 0; b < 6; ++b)
            if (a != b) sum += std::pow(static_cast<double>(pairs[a * 6 + b]) - 2000, 2) / 2000;
    REQUIRE(sum < test::chi_square_limit(30));
}

TEST_CASE("rendezvous_hash: ties go to the smaller node, whoever came first", "[routing][rendezvous_hash][unit]") {
    sluice::rendezvous_hash<std::string, ten_buckets> up, down;
    for (int i = 0; i < 60; ++i) up.add(test::node_name(i));
    for (int i = 60; i-- > 0;) down.add(test::node_name(i));
    up.set_weight("node-5", 2);
    down.set_weight("node-5", 2);
    for (int round = 0; round < 2; ++round) {
        for (int k = 0; k < 500; ++k) {
            auto const key = "key-" + std::to_string(k);
            REQUIRE(up.pick(key) == down.pick(key));
        }
        up.set_weight("node-5", 1);
        down.set_weight("node-5", 1);
    }
    for (auto const k : test::keys(200, test::seed())) {  // the fast way agrees with the ranking
        std::array<node_index, 1> out{};
        up.locate_n(hashed_key(k), out);
        REQUIRE(up.locate(hashed_key(k)) == out[0]);
    }
}

TEST_CASE("rendezvous_hash: the owner is the first of the ranking, however many nodes there are", "[routing][rendezvous_hash][unit]") {
    names                                             p;
    sluice::rendezvous_hash<std::string, ten_buckets> colliding;
    for (int n = 1; n <= 70; ++n) {
        p.add(test::node_name(n));
        colliding.add(test::node_name(n));
        for (auto const k : test::keys(100, test::seed())) {
            std::array<node_index, 1> out{};
            p.locate_n(hashed_key(k), out);
            REQUIRE(p.locate(hashed_key(k)) == out[0]);
            colliding.locate_n(hashed_key(k), out);
            REQUIRE(colliding.locate(hashed_key(k)) == out[0]);
        }
    }
}

TEST_CASE("rendezvous_hash: indices are given again, the lowest first", "[routing][rendezvous_hash][unit]") {
    sluice::rendezvous_hash<int> p;
    for (int const node : {30, 10, 20}) p.add(node);
    p.remove(30);
    REQUIRE_FALSE(p.contains_index(0));
    REQUIRE(p.index_bound() == 3);
    p.add(40);
    REQUIRE(p.node(0) == 40);
    p.remove(20);
    REQUIRE(p.index_bound() == 2);
    REQUIRE(p.contains(10));
    REQUIRE_FALSE(p.contains(20));
}

TEST_CASE("rendezvous_hash: impossible nodes and weights are refused", "[routing][rendezvous_hash][unit]") {
    names p;
    p.add("a", 2.5);
    REQUIRE(p.weight("a") == 2.5);
    REQUIRE_THROWS_WITH(p.add("a"), "sluice: rendezvous_hash: node (not a member yet) is \"a\"");
    REQUIRE_THROWS_WITH(p.remove("b"), "sluice: rendezvous_hash: node (a member) is \"b\"");
    REQUIRE_THROWS_AS(p.set_weight("b", 1), std::invalid_argument);
    REQUIRE_THROWS_AS(p.weight("b"), std::invalid_argument);
    double const inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
    for (double const w : {0.0, -1.0, nan, inf, -inf}) {
        REQUIRE_THROWS_AS(p.add("b", w), std::invalid_argument);
        REQUIRE_THROWS_AS(p.set_weight("a", w), std::invalid_argument);
    }
    REQUIRE_THROWS_WITH(p.add("b", -2), "sluice: rendezvous_hash: weight (> 0, finite) is -2");
    REQUIRE(p.size() == 1);
    REQUIRE(p.weight("a") == 2.5);
}
