// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/usl_fit.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using sluice::fit_bounds;
using sluice::fit_usl;
using sluice::fit_weighting;
using sluice::usl;
using sluice::usl_fit_options;
using sluice::usl_peak_interval;
using sluice::usl_point;

namespace {

using points = std::vector<usl_point>;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

points const specsdm91 = {{1, 64.9}, {18, 995.9}, {36, 1652.4}, {72, 1853.2}, {108, 1828.9}, {144, 1775.0}, {216, 1702.2}};
points const raytracer = {{1, 20},  {4, 78},   {8, 130},  {12, 170}, {16, 190}, {20, 200},
                          {24, 210}, {28, 230}, {32, 260}, {48, 280}, {64, 310}};
points const raytracer_6(raytracer.begin(), raytracer.begin() + 6);
points const pods = {{1, 60}, {2, 120}, {4, 220}, {8, 400}, {12, 440}, {16, 490}};
points const mcd128 = {{1, 81.91}, {2, 144.01}, {4, 239.38}, {6, 285.82}, {8, 286.08}, {10, 258.10}, {12, 239.96}};

points cisco(int last = 32) {
    double const throughput[] = {955.16,   1878.91,  2688.01,  3548.68,  4315.54,  5130.43,  5931.37,  6531.08,
                                 7219.8,   7867.61,  8278.71,  8646.7,   9047.84,  9426.55,  9645.37,  9897.24,
                                 10097.6,  10240.5,  10532.39, 10798.52, 11151.43, 11518.63, 11806,    12089.37,
                                 12075.41, 12177.29, 12211.41, 12158.93, 12155.27, 12118.04, 12140.4,  12074.39};
    points p;
    for (int n = 1; n <= last; ++n) p.push_back({static_cast<double>(n), throughput[n - 1]});
    return p;
}

points exact(usl const& model, double last) {
    points p;
    for (double n = 1; n <= last; n *= 2) p.push_back({n, model.throughput(n)});
    return p;
}

usl_fit_options const anywhere{.bounds = fit_bounds::free};
usl_fit_options const by_ratio{.weighting = fit_weighting::relative};

double part(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

/// Of 12 uniform numbers: near enough to normal.
double noise(std::vector<std::uint64_t> const& numbers, std::size_t& at) {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += part(numbers[at++]);
    return sum;
}

double squares(usl const& model, points const& data, bool relative) {
    double sum = 0;
    for (auto const& p : data) {
        double const residual = (p.throughput - model.throughput(p.n)) / (relative ? p.throughput : 1);
        sum += residual * residual;
    }
    return sum;
}

}  // namespace

TEST_CASE("usl_fit: specsdm91, to every published digit", "[scaling][usl_fit][unit]") {
    auto const fit = fit_usl(specsdm91);
    // Published, to seven digits; then by Gauss-Newton in sixty decimals.
    REQUIRE(fit.model.contention() == Approx(.0277284743).epsilon(1e-7));
    REQUIRE(fit.model.coherency() == Approx(.000104365482).epsilon(1e-7));
    REQUIRE(fit.model.unit_throughput() == Approx(89.9952304).epsilon(1e-7));
    REQUIRE(fit.model.contention() == Approx(.0277284756186344).epsilon(1e-12));
    REQUIRE(fit.model.coherency() == Approx(.000104365483844091).epsilon(1e-12));
    REQUIRE(fit.model.unit_throughput() == Approx(89.9952331043322).epsilon(1e-12));
    REQUIRE(fit.peak()->workers == Approx(96.5195609666094).epsilon(1e-12));
    REQUIRE(fit.peak()->throughput == Approx(1883.899).epsilon(1e-7));
    REQUIRE(fit.residual_sum == Approx(27453.7196).epsilon(1e-8));
    REQUIRE(fit.residual_sd == Approx(82.84582).epsilon(1e-7));
    REQUIRE(fit.standard_errors.contention.value() == Approx(.00912173).epsilon(1e-6));
    REQUIRE(fit.standard_errors.coherency.value() == Approx(1.987527e-5).epsilon(1e-6));
    REQUIRE(fit.standard_errors.unit_throughput.value() == Approx(14.213489).epsilon(1e-7));
    REQUIRE(fit.contention_interval()->lower == Approx(.002402).margin(6e-7));
    REQUIRE(fit.contention_interval()->upper == Approx(.053054).margin(2e-6));
    REQUIRE(fit.model.contention_limit().value() == Approx(3245.589).epsilon(1e-6));
    REQUIRE(fit.degrees_of_freedom == 4);
    REQUIRE_FALSE(fit.warnings.any());

    double const residuals[] = {-25.10, -81.66, 111.09, 3.05, -49.99, -46.60, 56.00};
    double const fitted[] = {90, 1078, 1541, 1850, 1879, 1822, 1646};
    double const efficiencies[] = {.7211, .6148, .5100, .2860, .1882, .1370, .0876};
    for (std::size_t i = 0; i < specsdm91.size(); ++i) {
        CAPTURE(i);
        auto const& p = specsdm91[i];
        REQUIRE(std::abs(p.throughput - fit.model.throughput(p.n) - residuals[i]) <= .005);
        REQUIRE(std::abs(fit.model.throughput(p.n) - fitted[i]) <= .5);
        REQUIRE(std::abs(p.throughput / p.n / fit.model.unit_throughput() - efficiencies[i]) <= .00005);
    }
}

TEST_CASE("usl_fit: raytracer, first six points, to every published digit", "[scaling][usl_fit][unit]") {
    auto const fit = fit_usl(raytracer_6);
    REQUIRE(fit.model.contention() == Approx(.0244440414).epsilon(2e-9));
    REQUIRE(fit.model.coherency() == Approx(.00162680928).epsilon(2e-9));
    REQUIRE(fit.model.unit_throughput() == Approx(20.8560453).epsilon(2e-9));
    REQUIRE(fit.peak()->workers == Approx(24.4882512).epsilon(2e-9));
    REQUIRE(fit.peak()->throughput == Approx(203.48818).epsilon(2e-8));
    REQUIRE(fit.standard_errors.contention.value() == Approx(.00839066).epsilon(1e-6));
    REQUIRE(fit.standard_errors.coherency.value() == Approx(.000261398).epsilon(2e-6));
    REQUIRE(fit.standard_errors.unit_throughput.value() == Approx(.788506).epsilon(1e-6));
    REQUIRE_FALSE(fit.warnings.any());
}

TEST_CASE("usl_fit: bounds are chosen, and what lies on one is said", "[scaling][usl_fit][unit]") {
    auto const bounded = fit_usl(raytracer);
    REQUIRE(bounded.model.contention() == Approx(.0577707806).epsilon(1e-8));
    REQUIRE(bounded.model.coherency() == 0);
    REQUIRE(bounded.model.unit_throughput() == Approx(21.8488428).epsilon(1e-8));
    REQUIRE(bounded.residual_sd == Approx(9.335669).epsilon(1e-6));
    REQUIRE(bounded.model.contention_limit().value() == Approx(378.1989).epsilon(1e-6));
    REQUIRE_FALSE(bounded.peak());
    REQUIRE_FALSE(bounded.standard_errors.coherency);
    REQUIRE_FALSE(bounded.coherency_interval());
    REQUIRE(bounded.standard_errors.contention);
    REQUIRE(bounded.warnings.coherency_at_bound);
    REQUIRE(bounded.warnings.no_finite_peak);
    REQUIRE_FALSE(bounded.warnings.contention_at_bound);

    auto const free = fit_usl(raytracer, anywhere);
    REQUIRE(free.model.contention() == Approx(.0781478484).epsilon(1e-8));
    REQUIRE(free.model.coherency() == Approx(-.000201121285).epsilon(1e-8));
    REQUIRE(free.model.unit_throughput() == Approx(24.7661741).epsilon(1e-8));
    REQUIRE(free.residual_sum == Approx(484.0177).epsilon(1e-7));
    REQUIRE_FALSE(free.peak());
    REQUIRE(free.warnings.no_finite_peak);
    REQUIRE_FALSE(free.warnings.coherency_at_bound);

    auto const superlinear = fit_usl(mcd128, anywhere);
    REQUIRE(superlinear.model.contention() == Approx(-.0122001586).epsilon(1e-6));
    REQUIRE(superlinear.model.coherency() == Approx(.0218340448).epsilon(1e-7));
    REQUIRE(superlinear.model.unit_throughput() == Approx(75.0470892).epsilon(1e-8));
    REQUIRE(superlinear.peak()->workers == Approx(6.808730).epsilon(1e-7));
    REQUIRE(superlinear.peak()->throughput == Approx(285.0358).epsilon(1e-6));
    REQUIRE(superlinear.warnings.superlinear);
    auto const held = fit_usl(mcd128);
    REQUIRE(held.model.contention() == 0);
    REQUIRE(held.warnings.contention_at_bound);
    REQUIRE_FALSE(held.standard_errors.contention);
    REQUIRE(held.residual_sum > superlinear.residual_sum);
}

TEST_CASE("usl_fit: relative weighting is another question", "[scaling][usl_fit][unit]") {
    auto const specs = fit_usl(specsdm91, by_ratio);
    REQUIRE(specs.model.contention() == Approx(.0135152256966589).epsilon(1e-11));
    REQUIRE(specs.model.coherency() == Approx(.000115091174466337).epsilon(1e-11));
    REQUIRE(specs.peak()->workers == Approx(92.6).margin(.05));
    REQUIRE(fit_usl(cisco(), by_ratio).peak()->workers == Approx(33.2).margin(.05));
    auto const rays = fit_usl(raytracer, by_ratio);
    REQUIRE(rays.model.contention() == Approx(.0560540023).epsilon(1e-8));
    REQUIRE(rays.model.coherency() == Approx(1.68832e-6).epsilon(1e-5));
    REQUIRE(rays.model.unit_throughput() == Approx(21.4446936).epsilon(1e-8));
    REQUIRE(rays.peak()->workers == Approx(747.73).epsilon(1e-5));
    REQUIRE(rays.peak()->throughput == Approx(366.09).epsilon(1e-5));
    REQUIRE(rays.warnings.peak_extrapolated);
}

TEST_CASE("usl_fit: more measured machines", "[scaling][usl_fit][unit]") {
    auto const full = fit_usl(cisco());
    REQUIRE(full.model.throughput(1) == Approx(995.6488).epsilon(1e-7));
    REQUIRE(full.model.throughput(20) == Approx(11063.6331).epsilon(1e-8));
    REQUIRE(full.model.throughput(35) == Approx(12341.7457).epsilon(1e-8));
    REQUIRE(full.peak()->whole_workers == 36);
    auto const ten = fit_usl(cisco(10));
    REQUIRE(ten.peak()->throughput == Approx(16052).epsilon(1e-4));  // the machine peaked at 12 211
    REQUIRE(ten.warnings.peak_extrapolated);
    REQUIRE(ten.extrapolates(20.5));
    REQUIRE_FALSE(ten.extrapolates(20));
    REQUIRE(fit_usl(pods).peak()->workers == Approx(16.7).margin(.05));
}

TEST_CASE("usl_fit: the peak's interval by profile likelihood", "[scaling][usl_fit][unit]") {
    auto const specs = usl_peak_interval(specsdm91).value();
    REQUIRE(specs.lower == Approx(77.9).margin(.05));
    REQUIRE(specs.upper == Approx(156.7).margin(.05));
    auto const six = usl_peak_interval(raytracer_6).value();
    REQUIRE(six.lower == Approx(20.4).margin(.05));
    REQUIRE(six.upper == Approx(36.1).margin(.05));
    auto const full = usl_peak_interval(cisco()).value();
    REQUIRE(full.lower == Approx(32.36).margin(.005));
    REQUIRE(full.upper == Approx(40.50).margin(.005));
    auto const ten = usl_peak_interval(cisco(10)).value();
    REQUIRE(ten.lower == Approx(24.6).margin(.05));
    REQUIRE(ten.upper == infinity);
    auto const rays = usl_peak_interval(raytracer, anywhere).value();
    REQUIRE(rays.lower == Approx(152).margin(.5));
    REQUIRE(rays.upper == infinity);
    REQUIRE(usl_peak_interval(raytracer)->upper == infinity);
    // More confidence, wider.
    auto const wide = usl_peak_interval(specsdm91, {.confidence = .99}).value();
    REQUIRE((wide.lower < specs.lower && wide.upper > specs.upper));
    auto const narrow = usl_peak_interval(specsdm91, {.confidence = .5}).value();
    REQUIRE((narrow.lower > specs.lower && narrow.upper < specs.upper));
    REQUIRE((narrow.lower < 96.5 && narrow.upper > 96.5));
    REQUIRE_FALSE(usl_peak_interval(points(specsdm91.begin(), specsdm91.begin() + 3)));
}

TEST_CASE("usl_fit: exact data give the model back", "[scaling][usl_fit][property]") {
    auto const fit = fit_usl(exact(usl({.03, 1e-4, 1000}), 128));
    REQUIRE(fit.model.contention() == Approx(.03).epsilon(1e-12));
    REQUIRE(fit.model.coherency() == Approx(1e-4).epsilon(1e-12));
    REQUIRE(fit.model.unit_throughput() == Approx(1000).epsilon(1e-12));
    auto const interval = usl_peak_interval(exact(usl({.03, 1e-4, 1000}), 128)).value();
    REQUIRE(interval.lower == Approx(98.488578).epsilon(1e-6));
    REQUIRE(interval.upper == Approx(98.488578).epsilon(1e-6));

    auto const numbers = test::keys(1'200, test::seed());
    for (std::size_t i = 0; i + 4 <= numbers.size(); i += 4) {
        usl const model({part(numbers[i]) * .5, std::pow(10, -5 * part(numbers[i + 1])) * .1,
                         std::pow(10, 200 * part(numbers[i + 2]) - 100)});
        CAPTURE(model.contention(), model.coherency(), model.unit_throughput());
        for (auto const& options : {usl_fit_options{}, anywhere, by_ratio}) {
            auto const again = fit_usl(exact(model, 256), options);
            REQUIRE_FALSE(again.warnings.not_converged);
            REQUIRE(again.model.contention() == Approx(model.contention()).epsilon(1e-7).margin(1e-9));
            REQUIRE(again.model.coherency() == Approx(model.coherency()).epsilon(1e-7));
            REQUIRE(again.model.unit_throughput() == Approx(model.unit_throughput()).epsilon(1e-7));
        }
    }
}

TEST_CASE("usl_fit: data on a line have no peak, not one at a billion", "[scaling][usl_fit][property]") {
    for (double slope : {7.0, 1e-30, 1e30}) {
        points line;
        for (double n = 1; n <= 128; n *= 2) line.push_back({n, slope * n});
        for (auto const& options : {usl_fit_options{}, anywhere, by_ratio}) {
            auto const fit = fit_usl(line, options);
            REQUIRE(std::abs(fit.model.contention()) <= 1e-16);
            REQUIRE(std::abs(fit.model.coherency()) <= 1e-16);
            REQUIRE(fit.model.unit_throughput() == Approx(slope).epsilon(1e-12));
            REQUIRE_FALSE(fit.peak());
            REQUIRE(fit.warnings.no_finite_peak);
            REQUIRE(usl_peak_interval(line, options)->upper == infinity);
        }
    }
    auto const amdahl = fit_usl(exact(usl({.1, 0, 50}), 64), anywhere);
    REQUIRE(amdahl.model.contention() == Approx(.1).epsilon(1e-11));
    REQUIRE_FALSE(amdahl.peak());
}

TEST_CASE("usl_fit: units and order do not matter", "[scaling][usl_fit][property]") {
    auto const fit = fit_usl(specsdm91);
    auto mixed = specsdm91;
    std::reverse(mixed.begin(), mixed.end());
    std::swap(mixed[1], mixed[4]);
    REQUIRE(fit_usl(mixed).model.contention() == Approx(fit.model.contention()).epsilon(1e-10));
    for (double scale : {1e-60, 1e-3, 1e60}) {
        auto scaled = specsdm91;
        for (auto& p : scaled) p.throughput *= scale;
        auto const same = fit_usl(scaled);
        REQUIRE(same.model.contention() == Approx(fit.model.contention()).epsilon(1e-10));
        REQUIRE(same.model.unit_throughput() == Approx(fit.model.unit_throughput() * scale).epsilon(1e-10));
        REQUIRE(same.residual_sd == Approx(fit.residual_sd * scale).epsilon(1e-10));
        REQUIRE(usl_peak_interval(scaled)->lower == Approx(usl_peak_interval(specsdm91)->lower).epsilon(1e-6));
    }
    // Each point twice: the same model, smaller errors.
    auto twice = specsdm91;
    twice.insert(twice.end(), specsdm91.begin(), specsdm91.end());
    REQUIRE(fit_usl(twice).model.coherency() == Approx(fit.model.coherency()).epsilon(1e-10));
    REQUIRE(fit_usl(twice).standard_errors.contention < fit.standard_errors.contention);
    // N need not be whole, or begin at 1.
    points db;
    for (double n : {.19, .5, 1.1, 2.3, 3.3, 4.8, 6.4}) db.push_back({n, usl({.1, .05, 30}).throughput(n)});
    REQUIRE(fit_usl(db, anywhere).model.coherency() == Approx(.05).epsilon(1e-9));
    points late;
    for (double n = 100; n <= 1000; n += 100) late.push_back({n, usl({.01, 1e-5, 3}).throughput(n)});
    REQUIRE(fit_usl(late).model.contention() == Approx(.01).epsilon(1e-6));
}

TEST_CASE("usl_fit: no model nearby fits noisy data better", "[scaling][usl_fit][property]") {
    auto const numbers = test::keys(200 * (3 + 12 * 10), test::seed());
    std::size_t at = 0;
    int covered = 0, intervals = 0;
    for (int round = 0; round < 200; ++round) {
        usl const model(
            {part(numbers[at]) * .2, std::pow(10, -4 * part(numbers[at + 1])) * .05, 10 + 100 * part(numbers[at + 2])});
        at += 3;
        points data;
        for (double n : {1., 2., 4., 6., 8., 12., 16., 24., 32., 48.})
            data.push_back({n, model.throughput(n) * std::max(.05, 1 + .04 * noise(numbers, at))});
        for (auto const& options : {usl_fit_options{}, anywhere, by_ratio}) {
            bool const relative = options.weighting == fit_weighting::relative;
            auto const fit = fit_usl(data, options);
            CAPTURE(round, relative, fit.model.contention(), fit.model.coherency(), fit.model.unit_throughput());
            REQUIRE_FALSE(fit.warnings.not_converged);
            REQUIRE(fit.residual_sum == Approx(squares(fit.model, data, relative)).epsilon(1e-9));
            if (options.bounds == fit_bounds::non_negative)
                REQUIRE((fit.model.contention() >= 0 && fit.model.coherency() >= 0));
            for (double da : {-1e-3, 0., 1e-3})
                for (double db : {-1e-5, 0., 1e-5})
                    for (double dg : {-1e-3, 0., 1e-3}) {
                        double const a = fit.model.contention() + da;
                        double const b = fit.model.coherency() + db;
                        if (options.bounds == fit_bounds::non_negative && (a < 0 || b < 0)) continue;
                        usl const other({a, b, fit.model.unit_throughput() * (1 + dg)});
                        REQUIRE(squares(other, data, relative) >= fit.residual_sum * (1 - 1e-12));
                    }
            auto const interval = usl_peak_interval(data, options).value();
            REQUIRE((interval.lower >= 0 && interval.lower <= interval.upper));
            if (fit.peak() && fit.model.contention() < 1) {
                REQUIRE(interval.lower <= fit.peak()->workers * (1 + 1e-9));
                REQUIRE(interval.upper >= fit.peak()->workers * (1 - 1e-9));
            }
            if (relative) {  // the noise is relative: this interval should hold the truth 19 times in 20
                ++intervals;
                covered += interval.lower <= model.peak()->workers && model.peak()->workers <= interval.upper;
            }
        }
    }
    REQUIRE(covered >= intervals * 88 / 100);
}

TEST_CASE("usl_fit: wild data end in a model, never in NaN", "[scaling][usl_fit][property]") {
    auto const numbers = test::keys(300 * 25, test::seed());
    std::size_t at = 0;
    for (int round = 0; round < 300; ++round) {
        points data;
        auto const size = static_cast<std::size_t>(3 + numbers[at++] % 6);
        double const spread = round % 3 == 0 ? 1 : 6;
        for (std::size_t i = 0; i < size; ++i) {
            double const n = std::pow(10, spread * part(numbers[at]) - 1);
            double const x = std::pow(10, spread * part(numbers[at + 1]));
            at += 2;
            data.push_back({n, x});
        }
        CAPTURE(round);
        for (auto const& options : {usl_fit_options{}, anywhere, by_ratio}) {
            auto const fit = fit_usl(data, options);
            REQUIRE(std::isfinite(fit.model.contention() + fit.model.coherency() + fit.model.unit_throughput()));
            REQUIRE(std::isfinite(fit.residual_sum + fit.residual_sd));
            REQUIRE(fit.model.unit_throughput() > 0);
            if (auto const interval = usl_peak_interval(data, options)) {
                REQUIRE(interval->lower >= 0);
                REQUIRE(interval->upper >= interval->lower);
            }
        }
    }
}

TEST_CASE("usl_fit: three points are passed through, without an opinion", "[scaling][usl_fit][unit]") {
    points const three = {{1, 10}, {4, 30}, {16, 60}};
    auto const fit = fit_usl(three);
    for (auto const& p : three) REQUIRE(fit.model.throughput(p.n) == Approx(p.throughput).epsilon(1e-9));
    REQUIRE(fit.degrees_of_freedom == 0);
    REQUIRE(fit.residual_sd == 0);
    REQUIRE_FALSE(fit.standard_errors.contention);
    REQUIRE_FALSE(fit.contention_interval());
    REQUIRE(fit.warnings.few_points);
    REQUIRE(fit_usl(points(specsdm91.begin(), specsdm91.begin() + 5)).warnings.few_points);
}

TEST_CASE("usl_fit: where the second worker already harms, one is best", "[scaling][usl_fit][unit]") {
    points const falling = {{1, 100}, {2, 87}, {3, 81}, {4, 77}, {6, 71}, {8, 65}};
    auto const fit = fit_usl(falling);
    REQUIRE(fit.model.contention() > 1);
    REQUIRE(fit.peak()->whole_workers == 1);
    auto const interval = usl_peak_interval(falling).value();
    REQUIRE(interval.lower == 0);
    REQUIRE(interval.upper >= 1);
}

TEST_CASE("usl_fit: what it cannot work with is refused by name and value", "[scaling][usl_fit][unit]") {
    points const none;
    points const two = {{1, 10}, {2, 20}, {1, 11}, {2, 21}};
    REQUIRE_THROWS_WITH(fit_usl(none), test::contains("fit_usl: distinct n (>= 3) is 0"));
    REQUIRE_THROWS_WITH(fit_usl(two), test::contains("fit_usl: distinct n (>= 3) is 2"));
    REQUIRE_THROWS_WITH(usl_peak_interval(two), test::contains("usl_peak_interval: distinct n (>= 3) is 2"));
    for (double bad : {0., -1., no_number, infinity}) {
        auto data = specsdm91;
        data[2].n = bad;
        REQUIRE_THROWS_WITH(fit_usl(data), test::contains("fit_usl: n (> 0) is"));
        data = specsdm91;
        data[2].throughput = bad;
        REQUIRE_THROWS_WITH(fit_usl(data), test::contains("fit_usl: throughput (> 0) is"));
        REQUIRE_THROWS_AS(usl_peak_interval(data), std::invalid_argument);
    }
    for (double bad : {0., 1., -1., no_number}) {
        REQUIRE_THROWS_WITH(fit_usl(specsdm91, {.confidence = bad}), test::contains("fit: confidence (> 0, < 1)"));
        REQUIRE_THROWS_AS(usl_peak_interval(specsdm91, {.confidence = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(fit_usl(specsdm91).contention_interval(bad), std::invalid_argument);
    }
    points const far_apart = {{1, 1e300}, {2, 1e-300}, {3, 1}};
    REQUIRE_THROWS_AS(fit_usl(far_apart), std::invalid_argument);
}

TEST_CASE("usl_fit: Student's quantiles", "[scaling][usl_fit][unit]") {
    using sluice::detail::student_quantile;
    using sluice::detail::student_within;
    REQUIRE(student_quantile(.95, 1) == Approx(12.7062047362).epsilon(1e-10));
    REQUIRE(student_quantile(.95, 2) == Approx(4.3026527297).epsilon(1e-10));
    REQUIRE(student_quantile(.95, 3) == Approx(3.1824463053).epsilon(1e-10));
    REQUIRE(student_quantile(.95, 4) == Approx(2.7764451052).epsilon(1e-10));
    REQUIRE(student_quantile(.99, 8) == Approx(3.3553873313).epsilon(1e-10));
    REQUIRE(student_quantile(.95, 29) == Approx(2.0452296421).epsilon(1e-10));
    REQUIRE(student_quantile(.95, 1000) == Approx(1.9623390808).epsilon(1e-10));
    REQUIRE(student_quantile(.95, 1001) == Approx(1.9623367).epsilon(1e-6));
    REQUIRE(student_quantile(.95, 100'000'000) == Approx(1.9599640).epsilon(1e-7));
    REQUIRE(student_within(1, 1) == Approx(.5));
    REQUIRE(student_within(0, 5) == 0);
    REQUIRE(student_within(infinity, 5) == 1);
}
