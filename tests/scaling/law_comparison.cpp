// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/law_comparison.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

using sluice::compare_laws;
using sluice::scaling_law;
using sluice::usl;
using sluice::usl_point;

namespace {

using points = std::vector<usl_point>;

points on(usl const& model) {
    points p;
    for (double n : {1., 2., 4., 8., 12., 16., 24., 32.}) p.push_back({n, model.throughput(n)});
    return p;
}

double part(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace

TEST_CASE("law_comparison: exact data support the law they come from", "[scaling][law_comparison][unit]") {
    REQUIRE(compare_laws(on(usl({0, 0, 7}))).supported == scaling_law::linear);
    REQUIRE(compare_laws(on(usl({.1, 0, 7}))).supported == scaling_law::amdahl);
    REQUIRE(compare_laws(on(usl({.1, .01, 7}))).supported == scaling_law::usl);
    REQUIRE(compare_laws(on(usl({0, .01, 7}))).supported == scaling_law::usl);
}

TEST_CASE("law_comparison: measured machines", "[scaling][law_comparison][unit]") {
    points const specsdm91 = {{1, 64.9},     {18, 995.9},   {36, 1652.4}, {72, 1853.2},
                              {108, 1828.9}, {144, 1775.0}, {216, 1702.2}};
    auto const specs = compare_laws(specsdm91);
    REQUIRE(specs.supported == scaling_law::usl);
    REQUIRE(specs.coherency_p < .05);
    REQUIRE(specs.usl.peak());
    points const raytracer = {{1, 20},  {4, 78},   {8, 130},  {12, 170}, {16, 190}, {20, 200},
                              {24, 210}, {28, 230}, {32, 260}, {48, 280}, {64, 310}};
    auto const rays = compare_laws(raytracer);
    REQUIRE(rays.supported == scaling_law::amdahl);
    REQUIRE(rays.coherency_p == Approx(1));  // on the bound: no better at all
    REQUIRE(rays.contention_p < 1e-4);
    REQUIRE(rays.amdahl_aicc == 0.);
    REQUIRE(rays.usl_aicc > 2.);
    REQUIRE(rays.linear_aicc > 2.);
    REQUIRE(rays.amdahl.serial_fraction == Approx(.0577707806).epsilon(1e-8));
    // By hand: 11 ln(RSS) differs by what one parameter more costs, 8 + 40/6 - (6 + 24/7).
    REQUIRE(*rays.usl_aicc == Approx(8 + 40 / 6. - 6 - 24 / 7.).epsilon(1e-6));
}

TEST_CASE("law_comparison: noise alone is taken for a law about once in twenty", "[scaling][law_comparison][property]") {
    auto const numbers = test::keys(400 * 8 * 12, test::seed());
    std::size_t at = 0;
    int usl_from_amdahl = 0, amdahl_from_line = 0;
    for (int round = 0; round < 400; ++round) {
        bool const line = round % 2 == 0;
        auto data = on(usl({line ? 0. : .08, 0, 20}));
        for (auto& p : data) {
            double normal = -6;
            for (int i = 0; i < 12; ++i) normal += part(numbers[at++]);
            p.throughput += 3 * normal;
            p.throughput = std::max(p.throughput, .1);
        }
        auto const c = compare_laws(data, {.bounds = sluice::fit_bounds::free});
        REQUIRE((c.coherency_p >= 0 && c.coherency_p <= 1 && c.contention_p >= 0 && c.contention_p <= 1));
        if (line) amdahl_from_line += c.contention_p < .05;
        else usl_from_amdahl += c.coherency_p < .05;
    }
    REQUIRE((amdahl_from_line >= 1 && amdahl_from_line <= 22));
    REQUIRE((usl_from_amdahl >= 1 && usl_from_amdahl <= 22));
}

TEST_CASE("law_comparison: few points decide nothing", "[scaling][law_comparison][unit]") {
    points const three = {{1, 10}, {2, 18}, {4, 30}};
    REQUIRE(compare_laws(three).supported == scaling_law::undecided);
    REQUIRE_FALSE(compare_laws(three).linear_aicc);
    points const five = {{1, 10}, {2, 18}, {4, 30}, {8, 40}, {16, 44}};
    auto const c = compare_laws(five);
    REQUIRE(c.linear_aicc);
    REQUIRE(c.amdahl_aicc);
    REQUIRE_FALSE(c.usl_aicc);
    REQUIRE(c.supported != scaling_law::undecided);
    REQUIRE(std::string(sluice::to_string(scaling_law::usl)) == "usl");
    REQUIRE(std::string(sluice::to_string(scaling_law::undecided)) == "undecided");
    points const two = {{1, 10}, {2, 18}, {2, 19}};
    REQUIRE_THROWS_AS(compare_laws(two), std::invalid_argument);
}
