// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/panic_threshold.hpp>
#include <sluice/routing/retry_exclusion.hpp>

#include "routing/around.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

using sluice::last_chance;
using sluice::node_index;
using sluice::retry_exclusion;

TEST_CASE("retry_exclusion: every usable node once, then the last chance", "[routing][retry_exclusion][unit]") {
    sluice::xoshiro256ss rng(test::seed());
    auto                 list = test::nodes(5);
    list[1].available = false;
    list[4].weight = 0;
    for (auto const rule : {last_chance::again, last_chance::other, last_chance::none}) {
        retry_exclusion<test::random_choice> r(rule);
        std::vector<node_index>              tried;
        for (int attempt = 0; attempt < 3; ++attempt) {
            auto const i = r.choose(list, tried, {}, rng);
            REQUIRE(i);
            REQUIRE(std::find(tried.begin(), tried.end(), *i) == tried.end());
            REQUIRE(sluice::node_usable(list[*i]));
            tried.push_back(*i);
        }
        for (int n = 0; n < 50; ++n) {
            auto const i = r.choose(list, tried, {}, rng);
            REQUIRE(i.has_value() == (rule != last_chance::none));
            if (i) REQUIRE((*i != tried.back() && sluice::node_usable(list[*i])));
        }
    }
}

TEST_CASE("retry_exclusion: one node is all there is", "[routing][retry_exclusion][unit]") {
    sluice::xoshiro256ss            rng(1);
    std::array<node_index, 1> const tried{0};
    auto const                      one = test::nodes(1);
    REQUIRE(retry_exclusion<test::turns>(last_chance::again).choose(one, tried, {}, rng) == 0u);
    REQUIRE_FALSE(retry_exclusion<test::turns>(last_chance::other).choose(one, tried, {}, rng));
    REQUIRE_FALSE(retry_exclusion<test::turns>(last_chance::none).choose(one, tried, {}, rng));
    REQUIRE_FALSE(retry_exclusion<test::turns>().choose(test::nodes(0), tried, {}, rng));
    std::array<node_index, 2> const elsewhere{7, UINT32_MAX};
    REQUIRE(retry_exclusion<test::turns>(last_chance::none).choose(one, elsewhere, {}, rng) == 0u);
}

TEST_CASE("retry_exclusion: retries make no panic, and a panic gives no tried node", "[routing][retry_exclusion][law]") {
    sluice::xoshiro256ss rng(test::seed());
    using around = retry_exclusion<sluice::panic_threshold<test::random_choice>>;
    around r(last_chance::none);
    auto   list = test::nodes(4);
    list[3].available = false;
    std::array<node_index, 2> const two{0, 1};  // 3 of 4 healthy, only one of them untried: still no panic
    for (int n = 0; n < 100; ++n) REQUIRE(r.choose(list, two, {}, rng) == 2u);
    list[2].available = list[1].available = false;  // 1 of 4: a panic; what was tried stays out, also the node that is down
    for (int n = 0; n < 100; ++n) {
        auto const i = r.choose(list, two, {}, rng);
        REQUIRE((i == 2u || i == 3u));
    }
    std::array<node_index, 4> const all{0, 1, 2, 3};
    REQUIRE_FALSE(r.choose(list, all, {}, rng));
}

TEST_CASE("retry_exclusion: agrees with a naive model, without allocation", "[routing][retry_exclusion][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 3'000; ++round) {
        auto const n = static_cast<std::size_t>(sluice::uniform_below(rng, 6));
        auto       list = test::nodes(n);
        for (auto& node : list) node.available = sluice::uniform_below(rng, 3) > 0;
        std::vector<node_index> tried;
        for (auto k = sluice::uniform_below(rng, 6); k > 0; --k)
            tried.push_back(static_cast<node_index>(sluice::uniform_below(rng, 6)));
        bool untried = false, not_last = false, any = false;
        for (node_index i = 0; i < n; ++i) {
            if (!list[i].available) continue;
            any = true;
            untried |= std::find(tried.begin(), tried.end(), i) == tried.end();
            not_last |= tried.empty() || tried.back() != i;
        }
        retry_exclusion<test::random_choice> r;
        std::optional<node_index>            chosen;
        {
            test::scarce_memory const none(0);
            chosen = r.choose(list, tried, {}, rng);
            REQUIRE(none.allocations() == 0);
        }
        REQUIRE(chosen.has_value() == any);
        if (!chosen) continue;
        REQUIRE(list[*chosen].available);
        if (untried) REQUIRE(std::find(tried.begin(), tried.end(), *chosen) == tried.end());
        else if (not_last) REQUIRE(*chosen != tried.back());
    }
}
