// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/panic_threshold.hpp>

#include "routing/around.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <stdexcept>
#include <vector>

using sluice::panic_mode;
using sluice::panic_threshold;

namespace {

/// n nodes, the first `healthy` of them available.
std::vector<test::node> some(std::size_t healthy, std::size_t n) {
    auto list = test::nodes(n);
    for (std::size_t i = healthy; i < n; ++i) list[i].available = false;
    return list;
}

}  // namespace

TEST_CASE("panic_threshold: panic begins below the share, not at it", "[routing][panic_threshold][unit]") {
    struct row {
        std::size_t   healthy, n;
        std::uint32_t percent;
        bool          panic;
    };
    for (auto const& r : {row{5, 10, 50, false}, row{4, 10, 50, true}, row{0, 10, 50, true}, row{0, 1, 1, true},
                          row{1, 2, 50, false}, row{1, 3, 50, true}, row{1, 3, 33, false}, row{1, 3, 34, true},
                          row{10, 10, 100, false}, row{9, 10, 100, true}, row{0, 10, 0, false}, row{0, 0, 50, false}}) {
        CAPTURE(r.healthy, r.n, r.percent);
        panic_threshold<test::random_choice> const p({.percent = r.percent});
        REQUIRE(p.panics(some(r.healthy, r.n)) == r.panic);
    }
}

TEST_CASE("panic_threshold: each mode shows what it says", "[routing][panic_threshold][unit]") {
    sluice::xoshiro256ss rng(test::seed());
    std::vector<bool>    seen;
    auto const           show = [&](panic_mode mode, std::vector<test::node> const& list) {
        seen.clear();
        panic_threshold<test::spy> p({.mode = mode}, test::spy{&seen});
        (void)p.choose(list, {}, rng);
        return seen;
    };
    using bits = std::vector<bool>;
    auto two_of_five = some(2, 5);
    two_of_five[3].weight = 0;  // drained: not even in a panic; leaves 2 of 4, which is enough
    REQUIRE(show(panic_mode::use_all, two_of_five) == bits{true, true, false, false, false});
    two_of_five[1].available = false;
    REQUIRE(show(panic_mode::use_all, two_of_five) == bits{true, true, true, false, true});
    REQUIRE(show(panic_mode::fail, two_of_five).empty());
    REQUIRE(show(panic_mode::last_resort, two_of_five) == bits{true, false, false, false, false});
    two_of_five[0].available = false;
    REQUIRE(show(panic_mode::last_resort, two_of_five) == bits{true, true, true, false, true});
    REQUIRE(show(panic_mode::fail, two_of_five).empty());
}

TEST_CASE("panic_threshold: all nodes down ends, and so does no node", "[routing][panic_threshold][unit]") {
    sluice::xoshiro256ss rng(test::seed());
    for (auto const mode : {panic_mode::use_all, panic_mode::fail, panic_mode::last_resort}) {
        panic_threshold<test::turns> p({.mode = mode});
        REQUIRE(p.choose(some(0, 3), {}, rng).has_value() == (mode != panic_mode::fail));
        REQUIRE_FALSE(p.choose(some(0, 0), {}, rng));
        auto drained = some(3, 3);
        for (auto& n : drained) n.weight = 0;
        REQUIRE_FALSE(p.choose(drained, {}, rng));
    }
    panic_threshold<test::turns> never({.percent = 0});
    REQUIRE_FALSE(never.choose(some(0, 3), {}, rng));
}

TEST_CASE("panic_threshold: more than all is refused", "[routing][panic_threshold][unit]") {
    REQUIRE_THROWS_AS(panic_threshold<test::turns>({.percent = 101}), std::invalid_argument);
    REQUIRE_THROWS_WITH(panic_threshold<test::turns>({.percent = 101}), test::contains("percent (<= 100) is 101"));
}

TEST_CASE("panic_threshold: chooses what a naive model may, without allocation", "[routing][panic_threshold][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 2'000; ++round) {
        auto list = test::nodes(static_cast<std::size_t>(sluice::uniform_below(rng, 8)));
        std::size_t healthy = 0, all = 0;
        for (auto& n : list) {
            n.available = sluice::uniform_below(rng, 2) == 0;
            n.weight = static_cast<std::uint32_t>(sluice::uniform_below(rng, 3));
            all += n.weight > 0;
            healthy += n.weight > 0 && n.available;
        }
        auto const percent = static_cast<std::uint32_t>(sluice::uniform_below(rng, 101));
        panic_threshold<test::random_choice> p({.percent = percent});
        bool const panic = static_cast<double>(healthy) < percent / 100. * static_cast<double>(all) - 1e-9;
        std::optional<sluice::node_index> chosen;
        {
            test::scarce_memory const none(0);
            chosen = p.choose(list, {}, rng);
            REQUIRE(none.allocations() == 0);
        }
        REQUIRE(chosen.has_value() == (panic ? all > 0 : healthy > 0));
        if (chosen) REQUIRE((list[*chosen].weight > 0 && (panic || list[*chosen].available)));
    }
}
