// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/memento_hash.hpp>

#include "routing/bucket_laws.hpp"

#include <algorithm>
#include <map>
#include <vector>

using sluice::hashed_key;
using sluice::memento_hash;
using sluice::node_index;

namespace {

/// The working buckets in their positions, kept whole at each removal.
class model {
public:
    explicit model(std::uint32_t buckets) {
        for (std::uint32_t b = 0; b < buckets; ++b) working_.push_back(b);
    }
    std::size_t size() const { return working_.size(); }
    bool        works(node_index b) const { return std::find(working_.begin(), working_.end(), b) != working_.end(); }
    node_index  add() {
        if (removed_.empty()) {
            working_.push_back(static_cast<node_index>(working_.size()));
            return working_.back();
        }
        auto const b = removed_.back().bucket;
        working_ = removed_.back().before;
        removed_.pop_back();
        return b;
    }
    void remove(node_index b) {
        auto const before = working_;
        *std::find(working_.begin(), working_.end(), b) = working_.back();
        working_.pop_back();
        if (!removed_.empty() || b != before.size() - 1) removed_.push_back({b, before, working_});
    }
    std::optional<node_index> locate(hashed_key key) const {
        if (working_.empty()) return std::nullopt;
        auto b = sluice::jump_bucket(key, static_cast<std::uint32_t>(working_.size() + removed_.size()));
        for (bool gone = true; gone;) {
            gone = false;
            for (auto const& r : removed_)
                if (r.bucket == b) {
                    b = r.after[sluice::detail::bucket_draws(key).next(b, static_cast<std::uint32_t>(r.after.size()))];
                    gone = true;
                    break;
                }
        }
        return b;
    }
    std::vector<node_index> removed() const {
        std::vector<node_index> result;
        for (auto const& r : removed_) result.push_back(r.bucket);
        return result;
    }

private:
    struct removal {
        node_index              bucket;
        std::vector<node_index> before, after;
    };
    std::vector<node_index> working_;
    std::vector<removal>    removed_;
};

}  // namespace

TEST_CASE("memento_hash: answers as a model that keeps every working set", "[routing][memento_hash][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (std::uint32_t const start : {0u, 1u, 5u, 40u}) {
        memento_hash buckets(start);
        model        expected(start);
        for (int step = 0; step < 300; ++step) {
            bool const growing = (step / 60) % 2 == 0;
            auto const b = static_cast<node_index>(sluice::uniform_below(rng, 50));
            REQUIRE(buckets.contains_index(b) == expected.works(b));
            if (expected.works(b) && !(growing && sluice::uniform_below(rng, 3) == 0)) {
                buckets.remove(b);
                expected.remove(b);
            } else if (growing) {
                REQUIRE(buckets.add() == expected.add());
            } else {
                REQUIRE_THROWS_AS((buckets.contains_index(b) ? static_cast<void>(buckets.remove(1000)) : buckets.remove(b)),
                                  std::invalid_argument);
            }
            REQUIRE(buckets.size() == expected.size());
            REQUIRE(buckets.state().removed == expected.removed());
            for (int k = 0; k < 20; ++k) {
                hashed_key const key(rng());
                REQUIRE(buckets.locate(key) == expected.locate(key));
            }
            if (step % 10 == 0) {
                auto const copy = memento_hash<>::restore(buckets.state());
                REQUIRE(copy.state() == buckets.state());
                hashed_key const key(rng());
                REQUIRE(copy.locate(key) == buckets.locate(key));
            }
        }
    }
}

TEST_CASE("memento_hash: is a placement", "[routing][memento_hash][law]") {
    test::placement_laws([] { return memento_hash(); }, {.order_is_state = true});
}

TEST_CASE("memento_hash: shares stay equal after many removals", "[routing][memento_hash][law]") {
    sluice::xoshiro256ss rng(12);
    memento_hash         buckets(1000);
    for (std::size_t const left : {900u, 500u, 100u, 3u}) {
        while (buckets.size() > left) {
            auto const b = static_cast<node_index>(sluice::uniform_below(rng, 1000));
            if (buckets.contains_index(b)) buckets.remove(b);
        }
        REQUIRE(test::chi_square(buckets, test::keys(50'000, test::seed())) < test::chi_square_limit(left));
    }
}

TEST_CASE("memento_hash: without removals it is jump_hash, and remembers nothing", "[routing][memento_hash][unit]") {
    memento_hash buckets(10);
    for (auto const key : test::keys(100, test::seed()))
        REQUIRE(buckets.locate(hashed_key(key)) == sluice::jump_hash(10).locate(hashed_key(key)));
    std::int64_t const before = test::live_allocations();
    buckets.remove(9);
    buckets.remove(8);
    REQUIRE(buckets.add() == 8);
    REQUIRE(test::live_allocations() == before);
    REQUIRE(buckets.state() == sluice::memento_hash_state{9, {}});
    buckets.remove(3);
    buckets.remove(8);  // now it is one of the missing
    REQUIRE(buckets.state() == sluice::memento_hash_state{9, {3, 8}});
    REQUIRE(buckets.add() == 8);
    REQUIRE(buckets.add() == 3);
    REQUIRE(buckets.add() == 9);
}

TEST_CASE("memento_hash: impossible changes and states are refused", "[routing][memento_hash][unit]") {
    memento_hash buckets(3);
    REQUIRE_THROWS_WITH(buckets.remove(3), "sluice: memento_hash: bucket to remove (a working one) is 3");
    buckets.remove(1);
    REQUIRE_THROWS_AS(buckets.remove(1), std::invalid_argument);
    buckets.remove(2);
    buckets.remove(0);
    REQUIRE(buckets.size() == 0);
    REQUIRE_THROWS_AS(buckets.remove(0), std::invalid_argument);
    REQUIRE_FALSE(buckets.pick("a").has_value());
    REQUIRE(buckets.add() == 0);
    REQUIRE(buckets.pick("a") == 0u);

    REQUIRE_THROWS_AS(memento_hash<>::restore({3, {2}}), std::invalid_argument);  // it would have shrunk instead
    REQUIRE_THROWS_AS(memento_hash<>::restore({3, {1, 1}}), std::invalid_argument);
    REQUIRE_THROWS_AS(memento_hash<>::restore({3, {3}}), std::invalid_argument);
    REQUIRE(memento_hash<>::restore({3, {1, 2, 0}}).size() == 0);
    memento_hash full(UINT32_MAX);
    REQUIRE_THROWS_AS(full.add(), std::length_error);
}
