// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/random_choice.hpp>

#include "routing/balancer_laws.hpp"

static_assert(sluice::balancer<sluice::random_choice, std::vector<test::server>>);

TEST_CASE("random_choice: keeps the laws of balancers", "[routing][random_choice][law]") {
    test::balancer_laws([](auto const&) { return std::make_unique<sluice::random_choice>(); }, test::shares::even);
}
