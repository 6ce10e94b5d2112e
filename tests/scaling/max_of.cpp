// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/max_of.hpp>

#include <sluice/scaling/feed_forward.hpp>
#include <sluice/scaling/min_of.hpp>
#include <sluice/scaling/queue_depth.hpp>
#include <sluice/scaling/usl_cap.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <limits>
#include <optional>

using namespace std::chrono_literals;
using sluice::combine_options;
using sluice::max_of;
using sluice::min_of;
using sluice::recommendation;
using sluice::scaling_sample;
using sluice::time_point;
using sluice::usl_cap;

namespace {

/// Says what it is told to.
struct says {
    recommendation answer;
    int            asked = 0;
    recommendation recommend(scaling_sample const&, time_point) {
        ++asked;
        return answer;
    }
};

says const nothing{{{}, "silent", time_point(5s)}};
says const ten{{10, "ten", {}}};
says const seven{{7, "seven", time_point(9s)}};

scaling_sample const at_nine{.provisioned = 9};

}  // namespace

TEST_CASE("max_of, min_of: the largest, the smallest, and who said it", "[scaling][max_of][min_of][unit]") {
    STATIC_REQUIRE(sluice::recommender<max_of<says, says>>);
    STATIC_REQUIRE(sluice::recommender<max_of<min_of<says>, says>>);
    max_of most(seven, ten, seven);
    REQUIRE(most.recommend(at_nine, {}) == recommendation{10, "ten", time_point(9s)});
    min_of fewest(ten, seven, ten);
    REQUIRE(fewest.recommend(at_nine, {}) == recommendation{7, "seven", time_point(9s)});
    REQUIRE(std::get<2>(fewest.inside()).asked == 1);  // all are asked
    max_of nested(min_of(ten, seven), says{{8, "eight", {}}});
    REQUIRE(nested.recommend(at_nine, {}).desired == 8);
}

TEST_CASE("max_of, min_of: silence is passed over, but does not shrink", "[scaling][max_of][min_of][unit]") {
    REQUIRE(max_of(nothing, ten).recommend(at_nine, {}).desired == 10);
    auto const held = max_of(nothing, seven).recommend(at_nine, {});
    REQUIRE(held.desired == 9);
    REQUIRE(held.reason == "max_of: one has no opinion, not fewer");
    REQUIRE(held.look_again == time_point(5s));
    REQUIRE(max_of(seven, nothing).recommend(at_nine, {}).desired == 9);
    REQUIRE(max_of(combine_options{.silence_blocks_shrinking = false}, nothing, seven).recommend(at_nine, {}).desired == 7);
    REQUIRE(max_of(nothing, seven).recommend({}, {}).desired == 7);  // fewer than what, nobody knows
    REQUIRE(min_of(nothing, seven).recommend(at_nine, {}).desired == 9);
    REQUIRE(min_of(combine_options{.silence_blocks_shrinking = false}, seven, nothing).recommend(at_nine, {}).desired == 7);
    auto const none = max_of(nothing, nothing).recommend(at_nine, {});
    REQUIRE_FALSE(none.desired);
    REQUIRE(none.reason == "silent");
    // What is no number is no opinion.
    for (double const bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -1.}) {
        REQUIRE(max_of(says{{bad, "bad", {}}}, ten).recommend(at_nine, {}).desired == 10);
        REQUIRE(min_of(ten, says{{bad, "bad", {}}}).recommend(at_nine, {}).desired == 10);
    }
}

TEST_CASE("usl_cap: no more workers than are of use", "[scaling][usl_cap][unit]") {
    sluice::usl const law({.contention = .05, .coherency = .001});  // best at 30.8
    usl_cap           capped(says{{100, "a hundred", time_point(3s)}}, law);
    STATIC_REQUIRE(sluice::recommender<usl_cap<says>>);
    REQUIRE(capped.most() == 31);
    auto const answer = capped.recommend({}, {});
    REQUIRE(answer.desired == 31);
    REQUIRE(answer.reason == "usl_cap: more workers would do less");
    REQUIRE(answer.look_again == time_point(3s));
    REQUIRE(usl_cap(says{{31, "just", {}}}, law).recommend({}, {}) == recommendation{31, "just", {}});
    REQUIRE(usl_cap(says{{30.5, "below", {}}}, law).recommend({}, {}) == recommendation{30.5, "below", {}});
    REQUIRE_FALSE(usl_cap(nothing, law).recommend({}, {}).desired);
    usl_cap open(says{{1e6, "many", {}}}, sluice::usl({.contention = .05}));
    REQUIRE_FALSE(open.most());
    REQUIRE(open.recommend({}, {}).desired == 1e6);
    REQUIRE(usl_cap(ten, sluice::usl({.contention = 1})).recommend({}, {}).desired == 1);
}

TEST_CASE("max_of: a forecast beside a rule that reacts", "[scaling][max_of][unit]") {
    max_of rule(sluice::feed_forward({.service_time = 100ms}), sluice::queue_depth({.tasks_per_worker = 50}));
    REQUIRE(rule.recommend({.provisioned = 4, .queued = 1000, .arrivals_per_second = 14}, {}).desired == 22);
    REQUIRE(rule.recommend({.provisioned = 4, .queued = 0, .arrivals_per_second = 14}, {}).desired.value() == Approx(2));
}
