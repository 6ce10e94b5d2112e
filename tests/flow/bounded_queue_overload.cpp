// SPDX-License-Identifier: BSL-1.0
// The disciplines of bounded_queue in front of one server that does 1000 requests a second, whose clients leave after 100 ms.
// The bands hold the published results of one run, and the mean of a hundred seeds with four standard deviations or more on
// either side; the latter are 3 to 8 per second where nothing else is said.
#include <sluice/flow/bounded_queue.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <sluice/core/random.hpp>
#include <sluice/flow/adaptive_lifo.hpp>
#include <sluice/flow/codel.hpp>
#include <sluice/flow/lifo.hpp>
#include <sluice/flow/rfc_codel.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::time_point;

namespace {

struct outcome {
    double goodput;  ///< finished in time, per second
    double p99;      ///< of the time from arrival to end of what was served, in ms
};

struct setting {
    sluice::bounded_queue_options queue{.capacity = 1'000'000};
    bool                          deadlines = false;  ///< the queue is told when clients leave
    bool                          reports = false;    ///< and how long serving takes
    duration                      length = 60s;
};

duration exponential(sluice::xoshiro256ss& random, double mean_ns) {
    return duration(static_cast<std::int64_t>(-std::log(1 - sluice::uniform_real(random)) * mean_ns));
}

template <class Discipline>
outcome simulate(double offered, setting const& s, Discipline discipline = Discipline{}) {
    using queue_type = sluice::bounded_queue<time_point, Discipline, sluice::manual_clock>;
    constexpr auto       patience = 100ms;
    sluice::xoshiro256ss random(test::seed());
    queue_type           queue(s.queue, std::move(discipline), [](time_point&&, sluice::drop_info const&) {});
    std::vector<duration> times;
    time_point const     end{s.length};
    time_point           server_free{};
    bool                 idle = true;
    std::int64_t         good = 0;
    auto const serve = [&](time_point now) {
        auto const item = queue.try_pop(now);
        if (!item) {
            idle = true;
            return;
        }
        auto const took = exponential(random, 1e6);
        idle = false;
        server_free = now + took;
        if (s.reports) queue.report_service(took);
        times.push_back(server_free - item->value);
        if (times.back() <= patience) ++good;
    };
    for (time_point arrival{exponential(random, 1e9 / offered)}; arrival < end; arrival += exponential(random, 1e9 / offered)) {
        while (!idle && server_free <= arrival) serve(server_free);
        (void)queue.push(arrival, {.deadline = s.deadlines ? arrival + patience : sluice::no_deadline}, arrival);
        if (idle) serve(arrival);
    }
    auto const rank = times.begin() + static_cast<std::ptrdiff_t>(times.size() * 99 / 100);
    std::nth_element(times.begin(), rank, times.end());
    return {static_cast<double>(good) / std::chrono::duration<double>(s.length).count(), static_cast<double>(rank->count()) / 1e6};
}

void require_goodput(outcome const& o, double low, double high) {
    INFO("goodput " << o.goodput << ", p99 " << o.p99 << " ms");
    REQUIRE(o.goodput >= low);
    REQUIRE(o.goodput <= high);
}

}  // namespace

TEST_CASE("bounded_queue: what is recommended keeps 95 % of the capacity useful under any overload, and in time",
          "[flow][bounded_queue][law]") {
    // fifo, bounded by half of the clients' patience, with deadlines and measured service times. Nothing is told beforehand.
    setting const s{{.capacity = 10'000, .max_delay = 50ms}, true, true};
    for (double const offered : {1200.0, 1500.0, 3000.0}) {
        auto const o = simulate<sluice::fifo>(offered, s);
        INFO("offered " << offered);
        require_goodput(o, 950, 1030);
        REQUIRE(o.p99 < 100);
    }
    require_goodput(simulate<sluice::fifo>(800, s), 783, 820);
}

TEST_CASE("bounded_queue: fifo without a bound that matters serves nobody in time", "[flow][bounded_queue][law]") {
    for (double const offered : {1200.0, 1500.0, 3000.0}) {
        require_goodput(simulate<sluice::fifo>(offered, {.length = 40s}), 0, 40);  // the first second's
        require_goodput(simulate<sluice::fifo>(offered, {.queue = {.capacity = 1000}, .length = 40s}), 0, 40);
    }
    require_goodput(simulate<sluice::fifo>(800, {}), 783, 820);
}

TEST_CASE("bounded_queue: a fifo of 50 is in time, one of 100 half of the time", "[flow][bounded_queue][law]") {
    double const half[] = {619, 532, 496};
    double const all[] = {995, 997, 1000};
    int          i = 0;
    for (double const offered : {1200.0, 1500.0, 3000.0}) {
        // The standard deviation is 15: a queue of about 100 remembers for long.
        require_goodput(simulate<sluice::fifo>(offered, {.queue = {.capacity = 100}, .length = 120s}), half[i] - 90, half[i] + 90);
        auto const o = simulate<sluice::fifo>(offered, {.queue = {.capacity = 50}, .length = 40s});
        require_goodput(o, all[i] - 30, all[i] + 30);
        REQUIRE(o.p99 < 100);
        ++i;
    }
}

TEST_CASE("bounded_queue: dropping only what has expired is not enough", "[flow][bounded_queue][law]") {
    double const expected[] = {825, 667, 332};
    int          i = 0;
    for (double const offered : {1200.0, 1500.0, 3000.0}) {
        // What push would refuse is accepted here: no estimate of the wait, since nothing but the deadline is at stake at pop.
        struct no_estimate : sluice::fifo {
            using fifo::fifo;
            [[nodiscard]] std::uint64_t cost_ahead(sluice::item_attributes const&, time_point) const noexcept { return 0; }
        };
        setting const s{.deadlines = true, .length = 40s};
        require_goodput(simulate<no_estimate>(offered, s), expected[i] - 50, expected[i] + 50);
        ++i;
    }
}

TEST_CASE("bounded_queue: codel for services keeps nearly all, the RFC's nearly nothing", "[flow][bounded_queue][law]") {
    double const service[] = {988, 994, 1000};
    double const rfc[] = {366, 60, 0};
    double const within[] = {240, 60, 20};  // the standard deviation of the first is 41, even over a longer time
    int          i = 0;
    for (double const offered : {1200.0, 1500.0, 3000.0}) {
        require_goodput(simulate<sluice::codel>(offered, {.length = 20s}), service[i] - 40, service[i] + 40);
        setting const s{.length = i == 0 ? duration(240s) : duration(60s)};
        require_goodput(simulate<sluice::rfc8289_codel>(offered, s), std::max(0.0, rfc[i] - within[i]), rfc[i] + within[i]);
        ++i;
    }
}

TEST_CASE("bounded_queue: lifo and adaptive lifo keep nearly all", "[flow][bounded_queue][law]") {
    double const lifo[] = {992, 997, 1000};
    double const adaptive[] = {958, 975, 997};
    int          i = 0;
    for (double const offered : {1200.0, 1500.0, 3000.0}) {
        require_goodput(simulate<sluice::lifo>(offered, {.length = 20s}), lifo[i] - 40, lifo[i] + 40);
        require_goodput(simulate<sluice::adaptive_lifo>(offered, {.length = 20s}), adaptive[i] - 40, 1040);
        ++i;
    }
}

TEST_CASE("bounded_queue: below the capacity every discipline serves all", "[flow][bounded_queue][law]") {
    require_goodput(simulate<sluice::lifo>(800, {}), 783, 820);
    require_goodput(simulate<sluice::adaptive_lifo>(800, {}), 783, 820);
    require_goodput(simulate<sluice::codel>(800, {}), 783, 820);
    require_goodput(simulate<sluice::rfc8289_codel>(800, {}), 783, 820);
    require_goodput(simulate<sluice::fifo>(800, {.queue = {.capacity = 50}}), 783, 820);
}
