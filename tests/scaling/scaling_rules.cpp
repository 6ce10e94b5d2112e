// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/scaling_rules.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <limits>
#include <optional>
#include <stdexcept>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::scaling_metric;
using sluice::scaling_rule;
using sluice::scaling_rules;
using sluice::scaling_sample;
using sluice::threshold;
using sluice::time_point;

namespace {

std::optional<double> at(scaling_rules& rules, duration t, scaling_sample s) {
    if (!s.provisioned) s.provisioned = 10;
    return rules.recommend(s, time_point(t)).desired;
}

}  // namespace

TEST_CASE("scaling_rules: queue above 100 for two minutes", "[scaling][scaling_rules][unit]") {
    STATIC_REQUIRE(sluice::recommender<scaling_rules>);
    scaling_rules rules{{.metric = scaling_metric::queued, .value = 100, .lasting = 2min, .add = 5}};
    REQUIRE(at(rules, 0s, {.queued = 101}) == 10);
    REQUIRE(at(rules, 119s, {.queued = 500}) == 10);
    REQUIRE(at(rules, 120s, {.queued = 500}) == 15);
    REQUIRE(at(rules, 121s, {.queued = 500}) == 10);  // counts anew
    REQUIRE(at(rules, 240s, {.queued = 101}) == 15);
    REQUIRE(at(rules, 300s, {.queued = 100}) == 10);  // not above: interrupted
    REQUIRE(at(rules, 301s, {.queued = 101}) == 10);
    REQUIRE(at(rules, 420s, {.queued = 101}) == 10);
    REQUIRE(at(rules, 421s, {.queued = 101}) == 15);
    auto const answer = rules.recommend({.provisioned = 10, .queued = 101}, time_point(430s));
    REQUIRE(answer.look_again == time_point(541s));
}

TEST_CASE("scaling_rules: the set that operators write", "[scaling][scaling_rules][unit]") {
    auto const make = [] {
        return scaling_rules{
            {.metric = scaling_metric::queued, .value = 100, .lasting = 2min, .add = 5},
            {.metric = scaling_metric::latency_p99, .value = .5, .add_percent = 10},
            {.metric = scaling_metric::utilisation, .value = .8, .add = 2},
            {.metric = scaling_metric::queued, .side = threshold::below, .value = 20, .lasting = 10min, .remove = 1},
            {.metric = scaling_metric::tasks, .side = threshold::below, .value = 1, .lasting = 5min, .set = 1},
        };
    };
    auto rules = make();
    REQUIRE(at(rules, 0s, {.queued = 50, .utilisation = .5, .latency_p99 = 600ms}) == 11);  // at once
    REQUIRE(at(rules, 1s, {.queued = 50, .utilisation = .9, .latency_p99 = 600ms}) == 12);  // the larger of two
    REQUIRE(at(rules, 2s, {.queued = 50, .utilisation = .8, .latency_p99 = 500ms}) == 10);  // not above
    auto down = make();
    REQUIRE(at(down, 0s, {.busy = 3, .queued = 19, .utilisation = .5}) == 10);
    REQUIRE(at(down, 600s, {.busy = 3, .queued = 19, .utilisation = .5}) == 9);
    REQUIRE(at(down, 601s, {.busy = 0, .queued = 0, .utilisation = .5}) == 10);
    REQUIRE(at(down, 901s, {.busy = 0, .queued = 0, .utilisation = .5}) == 1);
    // Growth wins over shrinking, and of those that shrink the mildest.
    auto both = make();
    REQUIRE(at(both, 0s, {.busy = 0, .queued = 0}) == 10);
    REQUIRE(at(both, 600s, {.busy = 0, .queued = 0}) == 9);
    auto wins = make();
    REQUIRE(at(wins, 0s, {.queued = 0}) == 10);
    REQUIRE(at(wins, 600s, {.queued = 0, .latency_p99 = 1s}) == 11);
}

TEST_CASE("scaling_rules: without its metric a rule that shrinks begins again, one that grows waits",
          "[scaling][scaling_rules][unit]") {
    scaling_rules rules{{.metric = scaling_metric::queued, .value = 100, .lasting = 2min, .add = 5},
                        {.metric = scaling_metric::queued, .side = threshold::below, .value = 20, .lasting = 2min, .remove = 5}};
    REQUIRE(at(rules, 0s, {.queued = 200}) == 10);
    REQUIRE_FALSE(at(rules, 60s, {}));
    REQUIRE_FALSE(at(rules, 121s, {}));
    REQUIRE(at(rules, 122s, {.queued = 200}) == 15);
    REQUIRE(at(rules, 200s, {.queued = 0}) == 10);
    REQUIRE_FALSE(at(rules, 260s, {}));
    REQUIRE(at(rules, 320s, {.queued = 0}) == 10);
    REQUIRE(at(rules, 440s, {.queued = 0}) == 5);
    REQUIRE_FALSE(rules.recommend({.queued = 0}, time_point(900s)).desired);  // five fewer than what?
    double const no_number = std::numeric_limits<double>::quiet_NaN();
    scaling_rules other{{.metric = scaling_metric::in_flight, .value = 1, .add = 1},
                        {.metric = scaling_metric::arrivals_per_second, .value = 1, .add = 1},
                        {.metric = scaling_metric::backlog_age, .value = 1, .add = 1}};
    REQUIRE_FALSE(at(other, 0s, {.arrivals_per_second = no_number, .in_flight = -1, .backlog_age = -1s}));
    REQUIRE(at(other, 1s, {.backlog_age = 1001ms}) == 11);
    REQUIRE(at(other, 2s, {.in_flight = 1.5}) == 11);
    REQUIRE(at(other, 3s, {.arrivals_per_second = 1.5}) == 11);
}

TEST_CASE("scaling_rules: amounts", "[scaling][scaling_rules][unit]") {
    auto const after = [](scaling_rule r, std::uint32_t n) {
        r.value = -1;
        scaling_rules rules{r};
        return rules.recommend({.provisioned = n, .queued = 0}, time_point{}).desired;
    };
    REQUIRE(after({.add_percent = 1}, 3) == 4);
    REQUIRE(after({.add_percent = 10}, 100) == 110);
    REQUIRE(after({.add_percent = 50}, 0) == 1);
    REQUIRE(after({.add = 5}, UINT32_MAX) == UINT32_MAX);
    REQUIRE(after({.add_percent = UINT32_MAX}, UINT32_MAX) == UINT32_MAX);
    REQUIRE(after({.remove_percent = 80}, 5) == 1);
    REQUIRE(after({.remove_percent = 90}, 10) == 1);
    REQUIRE(after({.remove_percent = 1}, 100) == 99);
    REQUIRE(after({.remove_percent = 1}, 50) == 49);
    REQUIRE(after({.remove_percent = 100}, 7) == 0);
    REQUIRE(after({.remove = 9}, 7) == 0);
    REQUIRE(after({.set = 7}, 3) == 7);
    REQUIRE(after({.set = 7}, 9) == 7);
}

TEST_CASE("scaling_rules: a clock that goes back begins again", "[scaling][scaling_rules][unit]") {
    scaling_rules rules{{.metric = scaling_metric::queued, .value = 100, .lasting = 2min, .add = 5}};
    REQUIRE(at(rules, 1h, {.queued = 101}) == 10);
    REQUIRE(at(rules, 0s, {.queued = 101}) == 10);
    REQUIRE(at(rules, 120s, {.queued = 101}) == 15);
}

TEST_CASE("scaling_rules: rules that cannot work", "[scaling][scaling_rules][unit]") {
    auto const refuses = [](scaling_rule r) { REQUIRE_THROWS_AS(scaling_rules{r}, std::invalid_argument); };
    REQUIRE_THROWS_AS(scaling_rules(std::vector<scaling_rule>{}), std::invalid_argument);
    refuses({});
    refuses({.add = 1, .remove = 1});
    refuses({.lasting = -1s, .add = 1});
    refuses({.remove_percent = 101});
    refuses({.value = std::numeric_limits<double>::quiet_NaN(), .add = 1});
}
