// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/anchor_hash.hpp>

#include "routing/bucket_laws.hpp"

#include <cmath>
#include <utility>
#include <vector>

using sluice::anchor_hash;
using sluice::hashed_key;
using sluice::node_index;

namespace {

/// The published implementation's draws: CRC32C over two words, reduced by %.
class crc32c_draws {
public:
    explicit crc32c_draws(hashed_key key) : a_(key.value * 0x9E3779B97F4A7C15u), b_(key.value), crc_(crc(a_, b_)) {}
    std::uint32_t first(std::uint32_t bound) const { return crc_ % bound; }
    std::uint32_t next(std::uint32_t, std::uint32_t bound) {
        crc_ = crc(a_ - crc_, b_ + crc_);
        return crc_ % bound;
    }

private:
    static std::uint32_t crc(std::uint64_t data, std::uint64_t initial) {
        auto remainder = static_cast<std::uint32_t>(initial);
        for (int byte = 0; byte < 8; ++byte) {
            remainder ^= static_cast<std::uint32_t>((data >> (8 * byte)) & 0xFFu);
            for (int bit = 0; bit < 8; ++bit) remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0x82F63B78u : 0u);
        }
        return remainder;
    }
    std::uint64_t a_, b_;
    std::uint32_t crc_;
};

std::uint64_t hashes_drawn = 0;

class counting_draws : public sluice::detail::bucket_draws {
public:
    using bucket_draws::bucket_draws;
    std::uint32_t first(std::uint32_t bound) const {
        ++hashes_drawn;
        return bucket_draws::first(bound);
    }
    std::uint32_t next(std::uint32_t bucket, std::uint32_t bound) const {
        ++hashes_drawn;
        return bucket_draws::next(bucket, bound);
    }
};

template <class P>
double hashes_per_key(P const& p, std::size_t n) {
    hashes_drawn = 0;
    for (auto const key : test::keys(n, test::seed())) static_cast<void>(p.locate(hashed_key(key)));
    return static_cast<double>(hashes_drawn) / static_cast<double>(n);
}

}  // namespace

TEST_CASE("anchor_hash: the paper's arrays", "[routing][anchor_hash][unit]") {
    anchor_hash buckets({.capacity = 7, .working = 7});
    auto const  arrays = [&] {
        std::vector<std::vector<std::uint32_t>> rows(4);
        for (node_index i = 0; i < 7; ++i) {
            auto const b = buckets.arrays(i);
            rows[0].push_back(b.A);
            rows[1].push_back(b.K);
            rows[2].push_back(b.W);
            rows[3].push_back(b.L);
        }
        return rows;
    };
    using table = std::vector<std::vector<std::uint32_t>>;
    for (node_index const b : {6u, 5u, 1u}) buckets.remove(b);
    table const three_gone = {{0, 4, 0, 0, 0, 5, 6}, {0, 4, 2, 3, 4, 5, 6}, {0, 4, 2, 3, 4, 5, 6}, {0, 1, 2, 3, 1, 5, 6}};
    REQUIRE(arrays() == three_gone);
    buckets.remove(0);
    table const four_gone = {{3, 4, 0, 0, 0, 5, 6}, {3, 4, 2, 3, 4, 5, 6}, {3, 4, 2, 3, 4, 5, 6}, {0, 1, 2, 0, 1, 5, 6}};
    REQUIRE(arrays() == four_gone);
    REQUIRE(buckets.size() == 3);
    REQUIRE(buckets.state().removed == std::vector<node_index>{6, 5, 1, 0});
    REQUIRE(buckets.add() == 0);
    REQUIRE(buckets.add() == 1);
}

TEST_CASE("anchor_hash: the published implementation's look-ups", "[routing][anchor_hash][unit]") {
    anchor_hash<sluice::xxh3, crc32c_draws> buckets({.capacity = 16, .working = 10});
    auto const                              look_up = [&] {
        std::vector<node_index> result;
        for (std::uint64_t k = 0; k < 16; ++k) result.push_back(*buckets.locate(hashed_key(k)));
        return result;
    };
    std::vector<node_index> expected = {0, 0, 5, 4, 4, 0, 9, 5, 4, 1, 0, 5, 3, 2, 1, 8};
    REQUIRE(look_up() == expected);
    buckets.remove(3);
    buckets.remove(7);
    expected[12] = 5;
    REQUIRE(look_up() == expected);
    REQUIRE(buckets.add() == 7);
}

TEST_CASE("anchor_hash: is a placement", "[routing][anchor_hash][law]") {
    SECTION("with room") {
        test::placement_laws([] { return anchor_hash({.capacity = 100}); }, {.order_is_state = true});
    }
    SECTION("with much room") {
        test::placement_laws([] { return anchor_hash({.capacity = 5000}); }, {.order_is_state = true});
    }
}

TEST_CASE("anchor_hash: a look-up takes 1 + ln(capacity / size) hashes", "[routing][anchor_hash][law]") {
    // The standard deviation of one look-up is sqrt(ln(a/w)) <= 1.2, that of the mean of 20 000 below 0.009.
    struct row {
        std::uint32_t capacity, working;
        double        hashes;
    };
    for (auto const& r : {row{1000, 1000, 1}, {1100, 1000, 1.0953}, {2000, 1000, 1.6931}, {4000, 1000, 2.3863}}) {
        anchor_hash<sluice::xxh3, counting_draws> const buckets({.capacity = r.capacity, .working = r.working});
        REQUIRE(std::abs(hashes_per_key(buckets, 20'000) - r.hashes) < 0.04);
    }
    // The same after removals anywhere, where the shares stay equal too.
    sluice::xoshiro256ss                      rng(11);
    anchor_hash<sluice::xxh3, counting_draws> buckets({.capacity = 1000, .working = 1000});
    for (auto const& [left, hashes] : std::vector<std::pair<std::size_t, double>>{{900, 1.105}, {500, 1.693}, {100, 3.303}}) {
        while (buckets.size() > left) {
            auto const b = static_cast<node_index>(sluice::uniform_below(rng, 1000));
            if (buckets.contains_index(b)) buckets.remove(b);
        }
        REQUIRE(std::abs(hashes_per_key(buckets, 20'000) - hashes) < 0.06);
        REQUIRE(test::chi_square(buckets, test::keys(100'000, test::seed())) < test::chi_square_limit(left));
    }
}

TEST_CASE("anchor_hash: many keys at once go where each of them goes", "[routing][anchor_hash][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (std::uint32_t const capacity : {1u, 2u, 7u, 100u, 1000u}) {
        anchor_hash<> buckets({.capacity = capacity, .working = capacity});
        for (std::uint32_t working = capacity; working > 0; --working) {
            if (working == capacity || working == 1 || working % 37 == 0) {
                std::vector<hashed_key> keys;
                for (auto n = sluice::uniform_below(rng, 400); keys.size() < n;) keys.emplace_back(rng());
                std::vector<node_index> found(keys.size() + 1, capacity);
                REQUIRE(buckets.locate_each(keys, found));
                for (std::size_t i = 0; i < keys.size(); ++i) REQUIRE(found[i] == *buckets.locate(keys[i]));
                REQUIRE(found.back() == capacity);  // no further than asked
            }
            for (;;) {
                auto const b = static_cast<node_index>(sluice::uniform_below(rng, capacity));
                if (!buckets.contains_index(b)) continue;
                buckets.remove(b);
                break;
            }
        }
        node_index untouched = 77;
        REQUIRE_FALSE(buckets.locate_each(std::vector{hashed_key(1)}, {&untouched, 1}));
        REQUIRE(untouched == 77);
    }
}

TEST_CASE("anchor_hash: a state carries over and answers alike", "[routing][anchor_hash][unit]") {
    anchor_hash          buckets({.capacity = 64, .working = 40});
    sluice::xoshiro256ss rng(3);
    for (int i = 0; i < 200; ++i) {
        auto const b = static_cast<node_index>(sluice::uniform_below(rng, 64));
        if (buckets.contains_index(b) && buckets.size() > 1) buckets.remove(b);
        else if (buckets.size() < 64) buckets.add();
        auto const copy = anchor_hash<>::restore(buckets.state());
        REQUIRE(copy.state() == buckets.state());
        for (auto const key : test::keys(50, static_cast<std::uint64_t>(i)))
            REQUIRE(copy.locate(hashed_key(key)) == buckets.locate(hashed_key(key)));
    }
    REQUIRE(anchor_hash<>::restore({.capacity = 2, .removed = {1, 0}}).locate(hashed_key(1)) == std::nullopt);
    REQUIRE_THROWS_WITH(anchor_hash<>::restore({.capacity = 4, .removed = {2, 2}}),
                        "sluice: anchor_hash: state: removed (each a working bucket, once) is 2");
    REQUIRE_THROWS_AS(anchor_hash<>::restore({.capacity = 4, .removed = {4}}), std::invalid_argument);
    REQUIRE_THROWS_AS(anchor_hash<>::restore({.capacity = 1, .removed = {0, 0}}), std::invalid_argument);
    REQUIRE_THROWS_AS(anchor_hash<>::restore({}), std::invalid_argument);
}

TEST_CASE("anchor_hash: an add restores every array as it was before the removal", "[routing][anchor_hash][property]") {
    anchor_hash                                         buckets({.capacity = 50, .working = 50});
    sluice::xoshiro256ss                                rng(5);
    std::vector<std::vector<sluice::anchor_hash_bucket>> history;
    auto const arrays = [&] {
        std::vector<sluice::anchor_hash_bucket> all;
        for (node_index i = 0; i < 50; ++i) all.push_back(buckets.arrays(i));
        return all;
    };
    for (int i = 0; i < 2000; ++i) {
        auto const b = static_cast<node_index>(sluice::uniform_below(rng, 50));
        if (buckets.contains_index(b)) {
            history.push_back(arrays());
            buckets.remove(b);
        } else {
            buckets.add();
            REQUIRE(arrays() == history.back());
            history.pop_back();
        }
    }
}

TEST_CASE("anchor_hash: the order of removals is state", "[routing][anchor_hash][unit]") {
    auto const one = anchor_hash<>::restore({.capacity = 10, .removed = {2, 5, 7}});
    auto const two = anchor_hash<>::restore({.capacity = 10, .removed = {7, 5, 2}});
    std::size_t differ = 0;
    for (auto const key : test::keys(1000, test::seed())) differ += one.locate(hashed_key(key)) != two.locate(hashed_key(key));
    REQUIRE(differ > 50);
}

TEST_CASE("anchor_hash: impossible parameters and changes are refused", "[routing][anchor_hash][unit]") {
    REQUIRE_THROWS_WITH(anchor_hash({.capacity = 0}), "sluice: anchor_hash: capacity (> 0) is 0");
    REQUIRE_THROWS_WITH(anchor_hash({.capacity = 3, .working = 4}), "sluice: anchor_hash: working (<= capacity) is 4");
    anchor_hash buckets({.capacity = 3, .working = 3});
    REQUIRE_THROWS_AS(buckets.add(), std::length_error);
    REQUIRE_THROWS_WITH(buckets.remove(3), "sluice: anchor_hash: bucket to remove (a working one) is 3");
    buckets.remove(1);
    REQUIRE_THROWS_AS(buckets.remove(1), std::invalid_argument);
    buckets.remove(0);
    buckets.remove(2);
    for (node_index b = 0; b < 3; ++b) REQUIRE_THROWS_AS(buckets.remove(b), std::invalid_argument);
    REQUIRE(buckets.add() == 2);
    REQUIRE(buckets.locate(hashed_key(5)) == 2u);

    anchor_hash one({.capacity = 1});
    REQUIRE_FALSE(one.pick("a").has_value());
    REQUIRE(one.add() == 0);
    REQUIRE(one.pick("a") == 0u);
}
