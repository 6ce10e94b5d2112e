// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/recommender.hpp>

#include "support/catch.hpp"

#include <limits>
#include <optional>
#include <type_traits>

using sluice::duration;
using sluice::known;
using sluice::recommendation;
using sluice::scaling_sample;
using sluice::time_point;

namespace {

struct ten {
    recommendation recommend(scaling_sample const&, time_point) noexcept { return {.desired = 10, .reason = "ten"}; }
};
struct timeless {
    recommendation recommend(scaling_sample const&) noexcept { return {}; }
};
struct bare {
    double recommend(scaling_sample const&, time_point) noexcept { return 10; }
};

}  // namespace

TEST_CASE("recommender: who is one", "[scaling][recommender][unit]") {
    STATIC_REQUIRE(sluice::recommender<ten>);
    STATIC_REQUIRE_FALSE(sluice::recommender<timeless>);
    STATIC_REQUIRE_FALSE(sluice::recommender<bare>);
    STATIC_REQUIRE_FALSE(sluice::recommender<int>);
    STATIC_REQUIRE(std::is_trivially_copyable_v<scaling_sample>);
    STATIC_REQUIRE(std::is_trivially_copyable_v<recommendation>);
    REQUIRE(ten{}.recommend({}, time_point{}).desired == 10);
}

TEST_CASE("scaling_sample: nothing is known until somebody says it, and zero is something", "[scaling][recommender][unit]") {
    constexpr scaling_sample nothing;
    STATIC_REQUIRE_FALSE(nothing.provisioned);
    STATIC_REQUIRE_FALSE(nothing.queued);
    STATIC_REQUIRE_FALSE(nothing.arrivals_per_second);
    STATIC_REQUIRE_FALSE(nothing.utilisation);
    STATIC_REQUIRE(nothing != scaling_sample{.queued = 0});
    STATIC_REQUIRE(nothing != scaling_sample{.arrivals_per_second = 0});
    STATIC_REQUIRE(recommendation{} != recommendation{.desired = 0});
}

TEST_CASE("known: a metric that cannot be a number is no data", "[scaling][recommender][unit]") {
    double const nan = std::numeric_limits<double>::quiet_NaN();
    double const infinity = std::numeric_limits<double>::infinity();
    REQUIRE(known(std::optional<double>(0)) == 0);
    REQUIRE(known(std::optional<double>(1e300)) == 1e300);
    REQUIRE_FALSE(known(std::optional<double>()));
    for (double bad : {nan, infinity, -infinity, -1e-300}) REQUIRE_FALSE(known(std::optional<double>(bad)));
    REQUIRE(known(std::optional<duration>(duration(0))) == duration(0));
    REQUIRE(known(std::optional<duration>(duration::max())) == duration::max());
    REQUIRE_FALSE(known(std::optional<duration>()));
    REQUIRE_FALSE(known(std::optional<duration>(duration(-1))));
    REQUIRE_FALSE(known(std::optional<duration>(duration::min())));
}
