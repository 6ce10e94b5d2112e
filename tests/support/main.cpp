// SPDX-License-Identifier: BSL-1.0
#define CATCH_CONFIG_RUNNER
#include "support/catch.hpp"
#include "support/random.hpp"

#include <cinttypes>
#include <cstdio>

int main(int argc, char** argv) {
    std::printf("SLUICE_SEED=%" PRIu64 " SLUICE_STRESS=%" PRIu64 "\n", test::seed(), test::stress_factor());
    std::fflush(stdout);
    return Catch::Session().run(argc, argv);
}
