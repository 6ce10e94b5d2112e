// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/pid_tracking.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::pid_signal;
using sluice::pid_tracking;
using sluice::pid_tracking_options;
using sluice::scaling_sample;
using sluice::time_point;

namespace {

double const no_number = std::numeric_limits<double>::quiet_NaN();

scaling_sample with(std::uint32_t workers, double in_flight) {
    return {.provisioned = workers, .ready = workers, .in_flight = in_flight};
}

/// A fluid pool of workers that do 10 per second each, seen every 15 s; workers start after `delay` periods.
struct outcome {
    std::vector<double> sizes;
    double              late = 0;  // share of the arrivals that meet more than half a second of queue
    int                 reversals = 0;
};

template <class Load>
outcome run(pid_tracking policy, int delay, int seconds, Load load) {
    outcome result;
    double n = 15, ready = 15, queue = 0, arrived = 0, late = 0;
    std::vector<std::pair<int, double>> starting;
    double direction = 0;
    for (int t = 0; t < seconds; ++t) {
        while (!starting.empty() && starting.front().first <= t) {
            ready += starting.front().second;
            starting.erase(starting.begin());
        }
        double const rate = load(t);
        double const capacity = ready * 10;
        double const done = std::min(capacity, queue + rate);
        queue = std::max(0., queue + rate - done);
        arrived += rate;
        if (queue > .5 * capacity) late += rate;
        if (t % 15 != 14) continue;
        auto const answer = policy.recommend({.provisioned = static_cast<std::uint32_t>(n),
                                              .ready = static_cast<std::uint32_t>(ready),
                                              .in_flight = queue + done / 10},
                                             time_point(t * 1s));
        double const wanted = std::ceil(answer.desired.value());
        result.sizes.push_back(wanted);
        if (wanted != n) {
            double const now = wanted > n ? 1 : -1;
            result.reversals += direction != 0 && now != direction;
            direction = now;
        }
        if (wanted > n) starting.emplace_back(t + 15 * delay, wanted - n);
        for (double gone = n - wanted; gone > 0;) {
            double& from = starting.empty() ? ready : starting.back().second;
            double const step = std::min(gone, from);
            from -= step;
            gone -= step;
            if (!starting.empty() && starting.back().second == 0) starting.pop_back();
        }
        n = wanted;
    }
    result.late = late / arrived;
    return result;
}

double step(int t) { return t >= 60 && t < 660 ? 1000 : 100; }

}  // namespace

TEST_CASE("pid_tracking: follows a load up and down and comes to rest", "[scaling][pid_tracking][unit]") {
    STATIC_REQUIRE(sluice::recommender<pid_tracking>);
    auto const at_once = run(pid_tracking({}), 0, 1200, step);
    CAPTURE(at_once.sizes, at_once.late);
    REQUIRE(at_once.sizes[43] == Approx(143).margin(15));
    for (std::size_t k = 12; k < 44; ++k) REQUIRE(at_once.sizes[k] == at_once.sizes[43]);
    for (std::size_t k = 60; k < 80; ++k) REQUIRE(at_once.sizes[k] == 15);
    REQUIRE(at_once.late < .08);
    REQUIRE(at_once.reversals <= 3);
    // Two periods of delay: slower, and no oscillation either.
    auto const later =
        run(pid_tracking({.start_delay = 30s}), 2, 2400, [](int t) { return t >= 60 && t < 1600 ? 1000 : 100; });
    CAPTURE(later.sizes, later.late);
    for (std::size_t k = 70; k < 105; ++k) REQUIRE(later.sizes[k] == Approx(143).margin(16));
    REQUIRE(later.sizes.back() == 15);
    REQUIRE(later.reversals <= 3);
}

TEST_CASE("pid_tracking: gains for the delay unless they are given", "[scaling][pid_tracking][unit]") {
    pid_tracking const derived({.start_delay = 30s, .period = 15s});
    REQUIRE(derived.gains().kp == Approx(.15));
    REQUIRE(derived.gains().integral_time.count() == Approx(.35 * 45));
    pid_tracking const given({.gains = sluice::pid_gains{.kp = .4, .integral_time = 60s}});
    REQUIRE(given.gains().kp == .4);
    // Without a delay the largest error triples the pool, about.
    pid_tracking policy({});
    REQUIRE(policy.recommend(with(10, 1e9), time_point{}).desired == 10);
    auto const first = policy.recommend(with(10, 1e9), time_point(15s)).desired.value();
    REQUIRE(first == Approx(10 * std::pow(16, .15 / .35)));
}

TEST_CASE("pid_tracking: the same in every size", "[scaling][pid_tracking][unit]") {
    for (double const ratio : {.3, 1.5, 4.}) {
        std::vector<double> growth;
        for (std::uint32_t const n : {10u, 100u, 1000u}) {
            pid_tracking policy({.target = 2, .max_workers = 100'000});
            (void)policy.recommend(with(n, 2 * n * ratio), time_point{});
            growth.push_back(policy.recommend(with(n, 2 * n * ratio), time_point(15s)).desired.value() / n);
        }
        REQUIRE(growth[0] == Approx(growth[1]));
        REQUIRE(growth[0] == Approx(growth[2]));
        REQUIRE((growth[0] > 1) == (ratio > 1));  // a larger signal wants more workers
    }
}

TEST_CASE("pid_tracking: rests where one worker fewer would be too few", "[scaling][pid_tracking][unit]") {
    // 1.43 workers' worth of load: two, and never one again.
    pid_tracking policy({});
    std::uint32_t n = 1;
    std::vector<std::uint32_t> sizes;
    for (int k = 0; k < 100; ++k) {
        n = static_cast<std::uint32_t>(std::ceil(policy.recommend(with(n, 1), time_point(k * 15s)).desired.value()));
        sizes.push_back(n);
    }
    for (std::size_t k = 2; k < 100; ++k) REQUIRE(sizes[k] == 2);
    for (std::uint32_t const workers : {1u, 2u, 3u, 7u, 50u, 300u}) {
        for (double load = .3; load < 400; load *= 1.1) {
            pid_tracking other({.max_workers = 100'000});
            std::uint32_t now = workers;
            std::vector<std::uint32_t> tail;
            for (int k = 0; k < 200; ++k) {
                now = static_cast<std::uint32_t>(
                    std::ceil(other.recommend(with(now, load), time_point(k * 15s)).desired.value()));
                if (k >= 150) tail.push_back(now);
            }
            CAPTURE(workers, load, tail);
            REQUIRE(*std::min_element(tail.begin(), tail.end()) == *std::max_element(tail.begin(), tail.end()));
            REQUIRE(load / now <= .7 * 1.1 * (1 + 1e-9));
        }
    }
}

TEST_CASE("pid_tracking: whatever holds the pool back winds nothing up", "[scaling][pid_tracking][unit]") {
    // An hour of overload with a pool that stays at 20; then load for 15. The first answer is about 20, not 1000.
    pid_tracking policy({});
    int k = 0;
    for (; k < 240; ++k) {
        auto const wanted = policy.recommend(with(20, 1000), time_point(k * 15s)).desired.value();
        REQUIRE(wanted < 70);
        REQUIRE((k == 0 || wanted > 20));
    }
    auto const after = policy.recommend(with(20, 15 * .7), time_point(k * 15s)).desired.value();
    REQUIRE(after < 20);
    REQUIRE(after > 10);
    // Somebody else makes it 100: that is where it goes on.
    auto const from_100 = policy.recommend(with(100, 1000), time_point((k + 1) * 15s)).desired.value();
    REQUIRE(from_100 > 100);
    // An hour at its own maximum.
    pid_tracking full({.max_workers = 30});
    for (k = 0; k < 240; ++k) (void)full.recommend(with(30, 1e6), time_point(k * 15s));
    REQUIRE(full.recommend(with(30, 5), time_point(k * 15s)).desired.value() < 30);
}

TEST_CASE("pid_tracking: fractions of a worker accumulate", "[scaling][pid_tracking][unit]") {
    // 20 % over the target at 3 workers with slow gains: less than half a worker per period.
    pid_tracking policy({.gains = sluice::pid_gains{.kp = .01, .integral_time = 3s}});
    std::uint32_t n = 3;
    int k = 0;
    for (; n == 3; ++k) {
        REQUIRE(k < 100);
        n = static_cast<std::uint32_t>(
            std::lround(policy.recommend(with(3, 3 * .7 * 1.2), time_point(k * 15s)).desired.value()));
    }
    REQUIRE(k > 5);
    REQUIRE(n == 4);
}

TEST_CASE("pid_tracking: no data is no opinion", "[scaling][pid_tracking][unit]") {
    for (auto const signal : {pid_signal::in_flight, pid_signal::queued, pid_signal::utilisation, pid_signal::latency}) {
        pid_tracking policy({.signal = signal});
        REQUIRE_FALSE(policy.recommend({}, time_point{}).desired);
        REQUIRE_FALSE(policy.recommend({.provisioned = 10, .ready = 10}, time_point{}).desired);
        REQUIRE_FALSE(policy.recommend({.provisioned = 10, .in_flight = no_number, .utilisation = -1, .latency_p99 = -1s},
                                       time_point{}).desired);
        REQUIRE_FALSE(
            policy.recommend({.queued = 10, .in_flight = 10, .utilisation = .5, .latency_p99 = 1s}, time_point{}).desired);
    }
    // In between it changes nothing but the time that passes.
    pid_tracking policy({}), twin({});
    (void)policy.recommend(with(10, 20), time_point{});
    (void)twin.recommend(with(10, 20), time_point{});
    REQUIRE_FALSE(policy.recommend({.provisioned = 10}, time_point(15s)).desired);
    REQUIRE(policy.recommend(with(10, 20), time_point(30s)) == twin.recommend(with(10, 20), time_point(30s)));
    // Longer than three periods: it begins again where the pool is.
    REQUIRE(policy.recommend(with(40, 500), time_point(1000s)).desired.value() == Approx(40).epsilon(.01));
    // A signal of zero is data.
    REQUIRE(policy.recommend(with(40, 0), time_point(1015s)).desired.value() < 40);
}

TEST_CASE("pid_tracking: a time that is not later repeats the answer", "[scaling][pid_tracking][unit]") {
    pid_tracking policy({});
    (void)policy.recommend(with(10, 20), time_point{});
    auto const answer = policy.recommend(with(10, 20), time_point(15s)).desired;
    for (auto const t : {time_point(15s), time_point(1s), time_point::min()})
        for (double const tasks : {900., 7., 0.}) REQUIRE(policy.recommend(with(10, tasks), t).desired == answer);
    REQUIRE(policy.recommend(with(10, 20), time_point(30s)).desired.value() == Approx(*answer));
}

TEST_CASE("pid_tracking: from zero workers", "[scaling][pid_tracking][unit]") {
    pid_tracking tasks({.target = 2});
    REQUIRE(tasks.recommend(with(0, 30), time_point{}).desired == 15);
    REQUIRE(tasks.recommend(with(0, 0), time_point{}).desired == 1);
    pid_tracking latency({.signal = pid_signal::latency, .target = .1});
    REQUIRE(latency.recommend({.provisioned = 0, .latency_p99 = 5s}, time_point{}).desired == 1);
}

TEST_CASE("pid_tracking: the four signals", "[scaling][pid_tracking][unit]") {
    auto const second = [](pid_tracking_options o, scaling_sample const& s) {
        pid_tracking policy(o);
        (void)policy.recommend(s, time_point{});
        return policy.recommend(s, time_point(15s)).desired.value();
    };
    double const doubled = second({.target = 1}, with(10, 20));
    REQUIRE(doubled == Approx(10 * std::pow(2, .15 / .35)));
    REQUIRE(second({.target = 1}, {.provisioned = 10, .busy = 10, .queued = 10}) == Approx(doubled));
    REQUIRE(second({.signal = pid_signal::queued, .target = 1}, {.provisioned = 10, .queued = 20}) == Approx(doubled));
    REQUIRE(second({.signal = pid_signal::latency, .target = .2}, {.provisioned = 10, .latency_p99 = 400ms}) ==
            Approx(doubled));
    REQUIRE(second({.signal = pid_signal::utilisation, .target = .4}, {.provisioned = 10, .ready = 10, .utilisation = .8}) ==
            Approx(doubled));
    REQUIRE(second({.signal = pid_signal::utilisation, .target = .4}, {.provisioned = 10, .ready = 10, .busy = 8}) ==
            Approx(doubled));
    // Half of the pool is still starting: what is busy is the right share already.
    REQUIRE(second({.signal = pid_signal::utilisation, .target = .4}, {.provisioned = 10, .ready = 5, .utilisation = .8}) ==
            10);
}

TEST_CASE("pid_tracking: finite and within its limits whatever it is fed", "[scaling][pid_tracking][property]") {
    auto const bits = test::keys(6000, test::seed());
    pid_tracking policy({.min_workers = 3, .max_workers = 77});
    auto now = time_point{};
    for (std::size_t k = 0; k + 2 < bits.size(); k += 3) {
        now += duration(static_cast<std::int64_t>(bits[k] % 40'000'000'000) - 5'000'000'000);
        double const tasks = std::pow(10, static_cast<double>(bits[k + 1] % 600) - 300);
        auto const n = static_cast<std::uint32_t>(bits[k + 2] % 3 == 0 ? bits[k + 2] >> 32 : bits[k + 2] % 100);
        auto const answer = policy.recommend(with(n, tasks), now);
        REQUIRE(answer.desired.has_value());
        REQUIRE(*answer.desired >= 3);
        REQUIRE(*answer.desired <= 77);
    }
}

TEST_CASE("pid_tracking: options that cannot work", "[scaling][pid_tracking][unit]") {
    auto const refuses = [](pid_tracking_options o) {
        REQUIRE_THROWS_AS(static_cast<void>(pid_tracking(o)), std::invalid_argument);
    };
    for (double const bad : {0., -1., no_number, std::numeric_limits<double>::infinity()}) refuses({.target = bad});
    refuses({.signal = pid_signal::utilisation, .target = 1});
    refuses({.start_delay = -1s});
    refuses({.period = 0s});
    for (double const bad : {-.1, 1., no_number}) refuses({.dead_band = bad});
    refuses({.min_workers = 0});
    refuses({.min_workers = 5, .max_workers = 5});
    refuses({.min_workers = 6, .max_workers = 5});
    refuses({.gains = sluice::pid_gains{.kp = -1}});
}
