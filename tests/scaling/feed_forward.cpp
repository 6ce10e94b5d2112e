// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/feed_forward.hpp>

#include <sluice/scaling/detail/round_up.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::drain_from;
using sluice::duration;
using sluice::feed_forward;
using sluice::feed_forward_options;
using sluice::scaling_sample;
using sluice::time_point;
using sluice::detail::round_up;

namespace {

double const no_number = std::numeric_limits<double>::quiet_NaN();

scaling_sample loaded(double rate, std::uint64_t queued, std::uint32_t provisioned = 15, std::uint32_t ready = 15) {
    return {.provisioned = provisioned, .ready = ready, .queued = queued, .arrivals_per_second = rate};
}

std::uint32_t asks(feed_forward_options o, scaling_sample const& s) {
    return round_up(feed_forward(o).recommend(s, time_point{}).desired.value());
}

}  // namespace

TEST_CASE("feed_forward: what arrives and what has piled up", "[scaling][feed_forward][unit]") {
    STATIC_REQUIRE(sluice::recommender<feed_forward>);
    REQUIRE(asks({.service_time = 100ms}, loaded(1000, 0)) == 143);
    REQUIRE(asks({.service_time = 70ms}, loaded(600, 0)) == 60);
    REQUIRE(asks({.target = 1, .service_time = 100ms}, loaded(1000, 0)) == 100);
    REQUIRE(asks({.service_time = 100ms, .drain = 45s}, loaded(1000, 12'750)) == 172);  // 142.86 + 28.33
    REQUIRE(asks({.service_time = 100ms, .drain = {}}, loaded(1000, 12'750)) == 143);
    REQUIRE(asks({.service_time = 100ms}, loaded(0, 0)) == 0);
    REQUIRE(asks({.service_time = 100ms}, loaded(0, 1)) == 1);
    REQUIRE(asks({}, loaded(0, 0)) == 0);  // nobody comes, whatever one takes
}

TEST_CASE("feed_forward: not faster than is stable", "[scaling][feed_forward][unit]") {
    auto const drain = [](feed_forward_options o) { return Approx(feed_forward(o).drain().count()); };
    REQUIRE(drain({}) == 5);
    REQUIRE(drain({.drain = 1s, .period = 15s}) == 15);
    REQUIRE(drain({.drain = 20s, .period = 15s}) == 20);
    double const periods[] = {1, 4, 6.75, 9.481481481481481, 12.20703125, 14.92992, 17.6513846};
    for (int d = 0; d <= 6; ++d) {
        auto const o = feed_forward_options{.drain = 1s, .backlog = drain_from::present, .start_delay = d * 15s, .period = 15s};
        REQUIRE(feed_forward(o).drain().count() == Approx(15 * periods[d]).epsilon(1e-5));
        REQUIRE(drain({.drain = 1s, .start_delay = d * 15s, .period = 15s}) == 15);  // looks ahead instead
    }
    // Started periods count.
    REQUIRE(drain({.drain = 1s, .backlog = drain_from::present, .start_delay = 16s, .period = 15s}) == 15 * 6.75);
}

TEST_CASE("feed_forward: the backlog of when the workers ordered now begin", "[scaling][feed_forward][unit]") {
    feed_forward rule({.service_time = 100ms, .drain = 15s, .start_delay = 30s, .period = 15s});
    auto const at = [&](duration t, scaling_sample const& s) { return rule.recommend(s, time_point(t)).desired.value(); };
    (void)at(60s, loaded(100, 0));
    // 12 750 now, 850 more each second until then.
    double const first = at(75s, loaded(1000, 12'750));
    REQUIRE(first == Approx(1000 / 7. + (12'750 + 30 * 850) * .1 / 15));
    auto const n = round_up(first);
    // They begin at 105 s, and have 15 s of the next horizon.
    double const rest = std::max(0., 25'500 + 15 * 850 + 15 * (1000 - n * 10.));
    REQUIRE(rest == 0);
    // None is needed beyond those, and all of those, until they have done it.
    REQUIRE(at(90s, loaded(1000, 25'500, n, 15)) == Approx(n).margin(1));
    REQUIRE(at(120s, loaded(1000, 0, n, n)) == Approx(1000 / 7.));
    // Only 200 of them were made, say: then those are counted.
    feed_forward fewer({.service_time = 100ms, .drain = 15s, .start_delay = 30s, .period = 15s});
    (void)fewer.recommend(loaded(100, 0), time_point(60s));
    (void)fewer.recommend(loaded(1000, 12'750), time_point(75s));
    REQUIRE(fewer.recommend(loaded(1000, 25'500, 200, 15), time_point(90s)).desired.value() ==
            Approx(1000 / 7. + std::max((25'500 + 15 * 850 - 15 * 1000) * .1 / 15, 200 - 1000 / 7.)));
    // Ten of them are dismissed again: the rest still comes.
    REQUIRE(fewer.recommend(loaded(1000, 30'000, 190, 15), time_point(95s)).desired.value() ==
            Approx(1000 / 7. + (30'000 + 10 * 850 - 20 * 900) * .1 / 15));
    // Late starters are not counted before they are there.
    REQUIRE(fewer.recommend(loaded(1000, 40'000, 190, 15), time_point(120s)).desired.value() ==
            Approx(1000 / 7. + (40'000 + 30 * 850) * .1 / 15));
}

TEST_CASE("feed_forward: with a delay it does not swing", "[scaling][feed_forward][law]") {
    // A step from 100/s to 1000/s; the answer is applied as it is, without any limiter behind it. With the projection, the
    // pool overshoots once, to take the backlog away, and then rests; from the present backlog it creeps.
    for (auto const backlog : {drain_from::projected, drain_from::present})
        for (int const d : {0, 1, 2, 4}) {
            feed_forward rule({.service_time = 100ms, .drain = 15s, .backlog = backlog, .start_delay = d * 15s, .period = 15s});
            std::deque<std::uint32_t> starting(static_cast<std::size_t>(d), 0u);  // oldest first, one entry per period
            std::uint32_t             ready = 15, n = 15;
            double                    queue = 0;
            int                       turns = 0, direction = 0;
            std::vector<std::uint32_t> sizes;
            for (int k = 0; k < 200; ++k) {
                auto const wanted = round_up(
                    rule.recommend(loaded(k < 4 ? 100 : 1000, static_cast<std::uint64_t>(queue), n, ready), time_point(k * 15s))
                        .desired.value());
                if (wanted != n) {
                    int const now = wanted > n ? 1 : -1;
                    turns += direction != 0 && now != direction;
                    direction = now;
                }
                starting.push_back(wanted > n ? wanted - n : 0);
                for (auto gone = wanted < n ? n - wanted : 0; gone > 0;) {
                    auto it = std::find_if(starting.rbegin(), starting.rend(), [](auto x) { return x > 0; });
                    auto& from = it == starting.rend() ? ready : *it;
                    auto const some = std::min(gone, from);
                    from -= some;
                    gone -= some;
                }
                n = wanted;
                ready += starting.front();
                starting.pop_front();
                sizes.push_back(n);
                queue = std::max(0., queue + 15 * ((k < 3 ? 100 : 1000) - ready * 10.));
            }
            CAPTURE(d, turns, sizes);
            REQUIRE(turns <= 1);
            REQUIRE(sizes.back() == 143);
            REQUIRE(queue == 0);
        }
}

TEST_CASE("feed_forward: a service time that is measured", "[scaling][feed_forward][unit]") {
    feed_forward rule({.weight = .5, .drain = 10s});
    auto const   at = [&](scaling_sample s) { return rule.recommend(s, time_point{}).desired.value(); };
    auto         s = loaded(700, 0, 5, 4);
    s.utilisation = 1;
    s.busy = 4;
    REQUIRE(at(s) == Approx(4 / .7));  // not known yet: what is busy
    s.queued = 1'000'000;
    REQUIRE(at(s) == Approx(4 / .7));
    s.utilisation.reset();
    s.busy = 3;
    REQUIRE(at(s) == Approx(3 / .7));
    s.queued = 0;
    s.service_time = 100ms;
    REQUIRE(at(s) == Approx(100));
    s.service_time = 200ms;
    REQUIRE(at(s) == Approx(150));
    for (duration const nothing : {0ns, -5ns}) {
        s.service_time = nothing;
        REQUIRE(at(s) == Approx(150));
    }
    s.service_time.reset();
    REQUIRE(at(s) == Approx(150));
    REQUIRE(rule.service_time().value().count() == Approx(.15));
    // The rate is not known: what is busy, and the backlog by the service time.
    s.arrivals_per_second = no_number;
    s.queued = 1000;
    REQUIRE(at(s) == Approx(3 / .7 + 1000 * .15 / 10));
}

TEST_CASE("feed_forward: an unknown backlog keeps the pool from shrinking", "[scaling][feed_forward][unit]") {
    scaling_sample const s{.provisioned = 50, .ready = 50, .arrivals_per_second = 100};
    REQUIRE(asks({.service_time = 100ms}, s) == 50);
    REQUIRE(asks({.service_time = 1s}, s) == 143);
    REQUIRE(asks({.service_time = 100ms, .drain = {}}, s) == 15);
    REQUIRE_FALSE(feed_forward({.service_time = 100ms}).recommend({}, time_point{}).desired);
    REQUIRE_FALSE(feed_forward({.service_time = 100ms}).recommend({.provisioned = 4, .queued = 100}, time_point{}).desired);
    REQUIRE_FALSE(feed_forward({}).recommend({.arrivals_per_second = 5}, time_point{}).desired);
}

TEST_CASE("feed_forward: finite whatever it is fed", "[scaling][feed_forward][property]") {
    auto const   bits = test::keys(8000, test::seed());
    feed_forward rule({.start_delay = 20s, .period = 1s});
    auto         now = time_point{};
    for (std::size_t k = 0; k + 3 < bits.size(); k += 4) {
        now += duration(static_cast<std::int64_t>(bits[k] % 3'000'000'000) - 500'000'000);
        scaling_sample s{.provisioned = static_cast<std::uint32_t>(bits[k + 1] % 1000), .ready = static_cast<std::uint32_t>(bits[k + 2])};
        s.queued = bits[k + 3] >> (bits[k] % 64);
        s.arrivals_per_second = std::pow(10, static_cast<double>(bits[k + 1] >> 33) / 4e6 - 300);
        s.service_time = duration(static_cast<std::int64_t>(bits[k + 2] >> (bits[k] % 63)));
        auto const answer = rule.recommend(s, now);
        REQUIRE(answer.desired.has_value());
        REQUIRE(*answer.desired >= 0);
        REQUIRE(*answer.desired <= 1e18);
    }
}

TEST_CASE("feed_forward: options that cannot work", "[scaling][feed_forward][unit]") {
    auto const refuses = [](feed_forward_options o) {
        REQUIRE_THROWS_AS(static_cast<void>(feed_forward(o)), std::invalid_argument);
    };
    for (double const bad : {0., -1., 1.01, no_number}) {
        refuses({.target = bad});
        refuses({.weight = bad});
    }
    refuses({.service_time = 0s});
    refuses({.service_time = -1s});
    refuses({.drain = 0s});
    refuses({.drain = -1s});
    refuses({.start_delay = -1s});
    refuses({.period = 0s});
}
