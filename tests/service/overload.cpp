// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/random.hpp>
#include <sluice/executor/manual_executor.hpp>
#include <sluice/service/service.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/service_times.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

using namespace sluice;
using namespace std::chrono_literals;

namespace {

struct seen {
    double goodput = 0;  // calls a second that were served in time
    service_metrics metrics{};
    std::size_t waiting = 0;
    std::uint64_t answers = 0;
};

/// 10 s of Poisson arrivals at four workers of 10 ms, exponential or always the same, which make 400 calls a second.
seen run(double times_capacity, bool exponential, std::uint64_t seed, service_options const& options, bool deadlines) {
    manual_executor workers({.workers = 4});
    sim::exponential random_length(10ms);
    xoshiro256ss rng(seed), lengths(seed + 1000);
    seen s;
    std::uint64_t good = 0;
    service app(
        workers, [&](duration& d) { workers.spend(d); }, options, workers.clock());
    sim::poisson_arrivals arrivals(per_second(static_cast<std::uint64_t>(400 * times_capacity)), workers.now());
    auto const end = workers.now() + 10s;
    for (auto t = *arrivals.next(rng); t < end; t = *arrivals.next(rng)) {
        workers.run_until(t);
        auto const length = exponential ? random_length(lengths) : duration(10ms);
        if (!app.submit(length, {.expiry = deadlines ? t + 100ms : no_deadline}, [&](service_result const& r) {
                ++s.answers;
                good += r.end == service_end::served && r.latency <= 100ms ? 1 : 0;
            }))
            ++s.answers;
        s.waiting = std::max(s.waiting, app.queued());
    }
    workers.run_until_idle();
    s.goodput = static_cast<double>(good) / 10;
    s.metrics = app.metrics();
    return s;
}

}  // namespace

TEST_CASE("service: beyond its capacity it serves what it can, in time; unprotected it serves nothing in time", "[service][overload]") {
    for (bool const exponential : {false, true})
        for (std::uint64_t seed = 1; seed <= 2; ++seed)
            for (double const times : {1.5, 3.}) {
                CAPTURE(exponential, seed, times);
                auto const with = run(times, exponential, seed, {.capacity = 200, .max_delay = 40ms, .expected_service = 30ms}, true);
                // 4000 calls of mean 10 ms: the capacity itself varies by a standard deviation of 1.6 %
                CHECK(with.goodput >= .95 * 400);
                CHECK(with.metrics.p99 < 100ms);
                CHECK(with.waiting < 60);
                CHECK(with.answers == with.metrics.offered);
                auto const without = run(times, exponential, seed, {.capacity = 1'000'000}, false);
                CHECK(without.goodput < .1 * 400);
                CHECK(without.waiting > 1500);
                CHECK(without.answers == without.metrics.offered);
            }
}

TEST_CASE("service: at half its capacity it refuses next to nothing", "[service][overload]") {
    auto const s = run(.5, true, 4, {.capacity = 200, .max_delay = 40ms, .expected_service = 30ms}, true);
    CHECK(s.metrics.served + 10 >= s.metrics.offered);  // of 2000
    CHECK(s.metrics.p99 < 60ms);                        // four workers half busy: e^-(t/10 ms) and a little
}

TEST_CASE("service: the same numbers give the same run", "[service][overload]") {
    auto const a = run(1.5, true, 5, {.lanes = 4, .capacity = 50, .seed = 3}, true);
    auto const b = run(1.5, true, 5, {.lanes = 4, .capacity = 50, .seed = 3}, true);
    CHECK(a.metrics.served == b.metrics.served);
    CHECK(a.metrics.rejected == b.metrics.rejected);
    CHECK(a.metrics.p99 == b.metrics.p99);
    CHECK(a.metrics.rejected > 0);
}
