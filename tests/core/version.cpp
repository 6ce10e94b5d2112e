// SPDX-License-Identifier: BSL-1.0
#include <sluice/version.hpp>

#include "support/catch.hpp"

#include <string_view>

TEST_CASE("version: the header and the build agree", "[core][version][unit]") {
    REQUIRE(std::string_view(sluice::version_string) == SLUICE_TEST_VERSION);
}
