// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/forecaster.hpp>
#include <sluice/scaling/holt_winters.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <optional>

namespace {

struct last_value {
    void update(std::optional<double> y) noexcept {
        if (y) last = y;
    }
    void skip(std::uint64_t) noexcept {}
    std::optional<double> forecast(std::uint64_t) const noexcept { return last; }
    std::optional<double> last;
};
struct blind {
    void update(std::optional<double>) noexcept {}
    std::optional<double> forecast(std::uint64_t) const noexcept { return 1; }
};

}  // namespace

TEST_CASE("forecaster: who is one", "[scaling][forecaster][unit]") {
    STATIC_REQUIRE(sluice::forecaster<last_value>);
    STATIC_REQUIRE(sluice::forecaster<sluice::holt_winters>);
    STATIC_REQUIRE_FALSE(sluice::forecaster<blind>);
    STATIC_REQUIRE_FALSE(sluice::forecaster<int>);
}
