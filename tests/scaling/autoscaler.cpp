// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/autoscaler.hpp>

#include <sluice/scaling/max_of.hpp>
#include <sluice/scaling/queue_depth.hpp>
#include <sluice/scaling/target_tracking.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::autoscaler;
using sluice::autoscaler_options;
using sluice::duration;
using sluice::feed_forward;
using sluice::recommendation;
using sluice::scaling_decision;
using sluice::scaling_sample;
using sluice::scaling_stage;
using sluice::time_point;

namespace {

double const no_number = std::numeric_limits<double>::quiet_NaN();

/// Wants as many as arrive in a second; nothing if that is not known.
struct obedient {
    recommendation recommend(scaling_sample const& s, time_point) {
        if (!s.arrivals_per_second) return {{}, "obedient: silent", {}};
        return {s.arrivals_per_second, "obedient", {}};
    }
};

struct thrower {
    recommendation recommend(scaling_sample const& s, time_point) {
        if (s.queued) throw std::runtime_error("no");
        return {50.0, "thrower", {}};
    }
};

scaling_sample wants(double n, std::uint32_t provisioned) { return {.provisioned = provisioned, .arrivals_per_second = n}; }

/// No stage does anything.
autoscaler_options free_options() {
    return {.period = 15s,
            .dead_band = {.up = 0, .down = 0},
            .stabilisation = {.down = 0s, .seeded = false},
            .rates = {},
            .busy = {.enabled = false},
            .size = {.min = 0, .max = 1'000'000}};
}

}  // namespace

TEST_CASE("autoscaler: without limits it does what is wanted, rounded up once", "[scaling][autoscaler][unit]") {
    autoscaler a(obedient{}, free_options());
    STATIC_REQUIRE(std::is_same_v<decltype(autoscaler(feed_forward({}))), autoscaler<>>);
    auto const d = a.decide(wants(14.2857, 3), time_point(60s));
    REQUIRE(d == scaling_decision{15, 14.2857, "obedient", scaling_stage::none, time_point(75s)});
    REQUIRE(a.decide(wants(100 * (.88 / .8), 3), time_point(60s)).desired == 110);
    REQUIRE(a.decide(wants(0, 3), time_point(60s)).desired == 0);
    REQUIRE(a.decide(wants(1e30, 3), time_point(60s)).desired == 1'000'000);
}

TEST_CASE("autoscaler: each stage says that it was it", "[scaling][autoscaler][unit]") {
    auto const bound = [](autoscaler_options o, scaling_sample s) { return autoscaler(obedient{}, o).decide(s, time_point{}); };
    auto       o = free_options();
    o.dead_band = {};
    REQUIRE(bound(o, wants(10.5, 10)).limited_by == scaling_stage::dead_band);
    REQUIRE(bound(o, wants(10.5, 10)).desired == 10);
    REQUIRE(bound(o, wants(9.5, 10)).limited_by == scaling_stage::none);  // 10 after all
    o = free_options();
    o.stabilisation = {};
    REQUIRE(bound(o, wants(5, 10)).limited_by == scaling_stage::stabilisation);
    REQUIRE(bound(o, wants(5, 10)).desired == 10);
    REQUIRE(bound(o, wants(5, 10)).next_evaluation == time_point(15s));
    o = free_options();
    o.rates = autoscaler_options{}.rates;
    REQUIRE(bound(o, wants(50, 10)).limited_by == scaling_stage::rate);
    REQUIRE(bound(o, wants(50, 10)).desired == 20);
    REQUIRE(bound(o, wants(50, 2)).desired == 6);
    o = free_options();
    o.cooldown = {.up = 60s, .down = 60s};
    autoscaler paused(obedient{}, o);
    (void)paused.decide(wants(20, 10), time_point{});
    REQUIRE(paused.decide(wants(30, 20), time_point(15s)).limited_by == scaling_stage::cooldown);
    REQUIRE(paused.decide(wants(30, 20), time_point(50s)).next_evaluation == time_point(60s));
    o = free_options();
    o.busy = {};
    auto s = wants(2, 10);
    s.busy = 7;
    REQUIRE(bound(o, s).limited_by == scaling_stage::busy);
    REQUIRE(bound(o, s).desired == 7);
    o = free_options();
    o.size = {.min = 5, .max = 12};
    REQUIRE(bound(o, wants(2, 10)).limited_by == scaling_stage::limits);
    REQUIRE(bound(o, wants(2, 10)).desired == 5);
    REQUIRE(bound(o, wants(20, 10)).desired == 12);
    REQUIRE(bound(o, wants(9, 10)).limited_by == scaling_stage::none);
    for (auto const stage : {scaling_stage::none, scaling_stage::missing_data, scaling_stage::dead_band,
                             scaling_stage::stabilisation, scaling_stage::rate, scaling_stage::cooldown, scaling_stage::busy,
                             scaling_stage::limits, scaling_stage::activation})
        REQUIRE(to_string(stage) != "?");
}

TEST_CASE("autoscaler: below the minimum it does not swing", "[scaling][autoscaler][unit]") {
    // One wanted, 15 at least: 15, for ever, whatever was there.
    autoscaler a(obedient{}, {.size = {.min = 15, .max = 20}});
    std::uint32_t n = 1;
    for (int k = 0; k < 300; ++k) {
        n = a.decide(wants(1, n), time_point(k * 1s)).desired;
        REQUIRE(n == 15);
    }
}

TEST_CASE("autoscaler: the defaults on a load that goes up and down", "[scaling][autoscaler][unit]") {
    autoscaler    a(obedient{});
    std::uint32_t n = 1;
    auto const    run = [&](double wanted, int from) { return n = a.decide(wants(wanted, n), time_point(from * 1s)).desired; };
    std::vector<std::uint32_t> growth;
    for (int t = 0; t < 7; ++t) growth.push_back(run(100, t));
    REQUIRE(growth == std::vector<std::uint32_t>{5, 10, 20, 40, 80, 100, 100});
    REQUIRE(run(91, 7) == 100);   // a tenth is nothing
    REQUIRE(run(111, 8) == 111);
    for (int t = 9; t < 68; ++t) REQUIRE(run(20, t) == 111);  // 111 was wanted at 8
    REQUIRE(run(20, 68) == 20);
    // A restart finds 20 and keeps them for a minute.
    autoscaler again(obedient{});
    REQUIRE(again.decide(wants(5, 20), time_point(100s)).desired == 20);
    REQUIRE(again.decide(wants(5, 20), time_point(159s)).desired == 20);
    REQUIRE(again.decide(wants(5, 20), time_point(160s)).desired == 5);
}

TEST_CASE("autoscaler: nobody knows: it holds, then the fallback", "[scaling][autoscaler][unit]") {
    auto o = free_options();
    o.period = 10s;
    o.fallback = 12;
    autoscaler a(obedient{}, o);
    REQUIRE(a.decide(wants(40, 30), time_point(0s)).desired == 40);
    for (int t = 10; t <= 30; t += 10) {
        auto const d = a.decide({.provisioned = 40}, time_point(t * 1s));
        REQUIRE(d.desired == 40);
        REQUIRE(d.limited_by == scaling_stage::missing_data);
        REQUIRE_FALSE(d.recommended);
        REQUIRE(d.reason == "obedient: silent");
    }
    auto const d = a.decide({.provisioned = 40}, time_point(40s));
    REQUIRE(d.desired == 12);
    REQUIRE(d.reason == "autoscaler: fallback");
    REQUIRE(a.decide(wants(40, 12), time_point(50s)).desired == 40);
    REQUIRE(a.decide({.provisioned = 40}, time_point(60s)).desired == 40);  // counts from the beginning again
    // NaN, infinity and less than nothing are no opinion either.
    for (double const bad : {no_number, -1., std::numeric_limits<double>::infinity()})
        REQUIRE(a.decide(wants(bad, 40), time_point(70s)).limited_by == scaling_stage::missing_data);
    // Without a fallback it holds for ever, within its limits.
    autoscaler holds(obedient{}, {.size = {.min = 3, .max = 50}});
    for (int t = 0; t < 1000; t += 7) REQUIRE(holds.decide({.provisioned = 40}, time_point(t * 1s)).desired == 40);
    REQUIRE(holds.decide({.provisioned = 60}, time_point(2000s)).desired == 50);
}

TEST_CASE("autoscaler: part is missing: it may grow, not shrink", "[scaling][autoscaler][unit]") {
    auto       o = free_options();
    auto const rule = [] { return sluice::max_of(sluice::queue_depth({.tasks_per_worker = 10}), sluice::target_tracking({})); };
    autoscaler a(rule(), o);
    REQUIRE(a.decide({.provisioned = 10, .ready = 10, .queued = 300}, time_point(0s)).desired == 30);
    REQUIRE(a.decide({.provisioned = 30, .ready = 30, .queued = 0}, time_point(15s)).desired == 30);
    REQUIRE(a.decide({.provisioned = 30, .ready = 30, .queued = 0, .utilisation = 0}, time_point(30s)).desired == 0);
}

TEST_CASE("autoscaler: nobody there, and work queued", "[scaling][autoscaler][unit]") {
    auto       o = free_options();
    o.cooldown = {.up = 1h, .down = 0s};
    autoscaler a(obedient{}, o);
    REQUIRE(a.decide({.provisioned = 0, .queued = 0}, time_point(0s)).desired == 0);
    auto const d = a.decide({.provisioned = 0, .queued = 1}, time_point(15s));
    REQUIRE(d.desired == 1);
    REQUIRE(d.limited_by == scaling_stage::activation);
    REQUIRE(a.decide({.provisioned = 0, .in_flight = .1}, time_point(30s)).desired == 1);  // also in the pause
    auto s = wants(0, 0);
    s.queued = 7;
    REQUIRE(a.decide(s, time_point(45s)).desired == 1);
    // By a ratio nobody gets away from zero: the pipeline does.
    autoscaler ratio(sluice::target_tracking({}), free_options());
    REQUIRE(ratio.decide({.provisioned = 0, .ready = 0, .queued = 5}, time_point{}).desired == 1);
    // As many as wanted where rates do not forbid it.
    auto with_rates = free_options();
    with_rates.rates = autoscaler_options{}.rates;
    REQUIRE(autoscaler(obedient{}, with_rates).decide(wants(50, 0), time_point{}).desired == 4);
}

TEST_CASE("autoscaler: provisioned is not known", "[scaling][autoscaler][unit]") {
    autoscaler a(obedient{}, {.stabilisation = {.down = 0s, .seeded = false}, .rates = {}});
    REQUIRE(a.decide({.arrivals_per_second = 30}, time_point(0s)).desired == 30);
    REQUIRE(a.decide({.arrivals_per_second = 32}, time_point(1s)).desired == 30);  // the dead band of what was asked
    REQUIRE(a.decide({}, time_point(2s)).desired == 30);
    REQUIRE(autoscaler(obedient{}).decide({}, time_point{}).desired == 1);
}

TEST_CASE("autoscaler: decisions that change nothing prolong no pause", "[scaling][autoscaler][unit]") {
    auto o = free_options();
    o.cooldown = {.up = 60s, .down = 60s};
    autoscaler a(obedient{}, o);
    REQUIRE(a.decide(wants(20, 10), time_point(0s)).desired == 20);
    for (int t = 15; t < 60; t += 15) REQUIRE(a.decide(wants(t < 30 ? 20 : 5, 20), time_point(t * 1s)).desired == 20);
    REQUIRE(a.decide(wants(5, 20), time_point(60s)).desired == 5);
}

TEST_CASE("autoscaler: when to look again", "[scaling][autoscaler][unit]") {
    struct hurried {
        duration       in{};
        recommendation recommend(scaling_sample const&, time_point now) { return {5.0, "hurried", now + in}; }
    };
    auto const next = [](duration in) {
        return autoscaler(hurried{in}, free_options()).decide(wants(1, 5), time_point(100s)).next_evaluation - time_point(100s);
    };
    REQUIRE(next(7s) == 7s);
    REQUIRE(next(20s) == 15s);
    REQUIRE(next(1ns) == 1500ms);  // not so soon that nothing can be measured
    REQUIRE(next(-5s) == 1500ms);
    REQUIRE(autoscaler(obedient{}).decide(wants(1, 1), time_point::max()).next_evaluation == time_point::max());
}

TEST_CASE("autoscaler: a recommender that throws changes nothing", "[scaling][autoscaler][unit]") {
    autoscaler a(thrower{}), twin(thrower{});
    REQUIRE(a.decide({.provisioned = 10}, time_point(0s)) == twin.decide({.provisioned = 10}, time_point(0s)));
    REQUIRE_THROWS_AS((void)a.decide({.provisioned = 20, .queued = 1}, time_point(1s)), std::runtime_error);
    REQUIRE(a.remembered() == 1);
    REQUIRE(a.decide({.provisioned = 20}, time_point(2s)) == twin.decide({.provisioned = 20}, time_point(2s)));
}

TEST_CASE("autoscaler: the last decisions explain themselves", "[scaling][autoscaler][unit]") {
    autoscaler a(obedient{}, {.history = 3});
    REQUIRE(a.remembered() == 0);
    std::uint32_t n = 10;
    for (int t = 0; t < 5; ++t) n = a.decide(wants(100, n), time_point(t * 1500ms)).desired;
    REQUIRE(a.remembered() == 3);
    REQUIRE(a.recent(0).at == time_point(6s));
    REQUIRE(a.recent(2).at == time_point(3s));
    REQUIRE(a.explain(a.recent(2)) == "3.000 s: 40 -> 80, wanted 100 (obedient), limited by rate");
    REQUIRE(a.explain(a.recent(0)) == "6.000 s: 100 -> 100, wanted 100 (obedient)");
    (void)a.decide({.provisioned = 100}, time_point(7s));
    REQUIRE(a.explain(a.recent()) == "7.000 s: 100 -> 100 (obedient: silent), limited by missing data");
}

TEST_CASE("autoscaler: the same in other units of time", "[scaling][autoscaler][law]") {
    // All durations times seven: the same sizes.
    auto const bits = test::keys(500, test::seed());
    auto const run = [&](int factor) {
        autoscaler a(obedient{}, {.period = 1s * factor,
                                  .stabilisation = {.down = 20s * factor, .up = 3s * factor},
                                  .rates = {.up = {{{sluice::rate_kind::count, 9, 5s * factor}}},
                                            .down = {{{sluice::rate_kind::percent, 30, 10s * factor}}}},
                                  .cooldown = {.up = 2s * factor, .down = 8s * factor},
                                  .fallback = 7});
        std::vector<std::uint32_t> sizes{10};
        for (std::size_t k = 0; k < bits.size(); ++k)
            sizes.push_back(a.decide(bits[k] % 11 < 4 && k % 50 > 40 ? scaling_sample{.provisioned = sizes.back()}
                                                                     : wants(static_cast<double>(bits[k] % 80), sizes.back()),
                                     time_point(static_cast<int>(k) * 1s * factor)).desired);
        return sizes;
    };
    REQUIRE(run(1) == run(7));
}

TEST_CASE("autoscaler: more load, never fewer workers", "[scaling][autoscaler][property]") {
    auto const bits = test::keys(1000, test::seed());
    for (auto const b : bits) {
        auto const n = static_cast<std::uint32_t>(b % 100);
        double const low = static_cast<double>(b >> 32 & 127), high = low + static_cast<double>(b >> 50 & 63);
        REQUIRE(autoscaler(obedient{}).decide(wants(low, n), time_point{}).desired <=
                autoscaler(obedient{}).decide(wants(high, n), time_point{}).desired);
    }
}

TEST_CASE("autoscaler: always an answer within its limits", "[scaling][autoscaler][property]") {
    auto const bits = test::keys(9000, test::seed());
    autoscaler a(feed_forward({.start_delay = 3s}), {.cooldown = {.up = 1s, .down = 5s}, .size = {.min = 2, .max = 77}, .fallback = 9});
    auto       now = time_point{};
    for (std::size_t k = 0; k + 2 < bits.size(); k += 3) {
        now += duration(static_cast<std::int64_t>(bits[k] % 3'000'000'000) - 300'000'000);
        scaling_sample s;
        if (bits[k] % 5 != 0) s.provisioned = static_cast<std::uint32_t>(bits[k + 1] % 3 == 0 ? bits[k + 1] >> 32 : bits[k + 1] % 90);
        if (bits[k] % 7 != 0) s.ready = static_cast<std::uint32_t>(bits[k + 2] % 90);
        if (bits[k] % 3 != 0) s.queued = bits[k + 2] >> (bits[k + 1] % 64);
        if (bits[k] % 11 != 0) s.arrivals_per_second = static_cast<double>(bits[k + 1] % 2000) - 100;
        if (bits[k] % 2 != 0) s.service_time = duration(static_cast<std::int64_t>(bits[k + 2] % 1'000'000'000) - 1000);
        if (bits[k] % 13 == 0) s.arrivals_per_second = no_number;
        auto const d = a.decide(s, now);
        REQUIRE(d.desired >= 2);
        REQUIRE(d.desired <= 77);
        REQUIRE(d.next_evaluation > now);
        if (s.provisioned && *s.provisioned <= 77 && *s.provisioned >= 2 && d.limited_by == scaling_stage::missing_data &&
            d.reason != "autoscaler: fallback")
            REQUIRE(d.desired == *s.provisioned);
    }
}

TEST_CASE("autoscaler: options that cannot work", "[scaling][autoscaler][unit]") {
    auto const refuses = [](autoscaler_options o) { REQUIRE_THROWS_AS(autoscaler(obedient{}, o), std::invalid_argument); };
    refuses({.period = 0s});
    refuses({.period = -1s});
    refuses({.dead_band = {.up = no_number}});
    refuses({.stabilisation = {.down = -1s}});
    refuses({.rates = {.up = {{{sluice::rate_kind::count, 1, -1s}}}}});
    refuses({.cooldown = {.up = -1s}});
    refuses({.size = {.min = 5, .max = 4}});
    refuses({.history = 0});
    refuses({.missing_periods = 2000});
}
