// SPDX-License-Identifier: BSL-1.0
#include <sluice/sim/replicate.hpp>

#include "support/catch.hpp"

#include <sluice/core/units.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/batch_means.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

namespace {

struct outcome {
    std::uint64_t events, completed;
    double        mean_wait, half_width;
    friend bool   operator==(outcome const&, outcome const&) = default;  // bit by bit: no number here is NaN
};

outcome experiment(std::uint64_t seed) {
    sim::simulation    s(seed);
    sim::batch_means   waits;
    sim::server_pool<> pool(s, {.servers = 2}, [&](sim::finished_job const& j) { waits.add(static_cast<double>(j.wait().count())); });
    auto               work = s.stream(0, "work");
    sim::traffic       requests(s, sim::poisson_arrivals(sluice::per_second(15)), s.stream(0, "gaps"),
                                [&] { pool.submit(sim::log_normal({80ms, .8})(work)); });
    s.run_until(sluice::time_point(20s + std::chrono::seconds(seed % 7) * 10));
    return {s.events_run(), pool.completed(), waits.mean(), waits.interval().half_width};
}

}  // namespace

TEST_CASE("replicate: parallel runs give what serial ones give, bit by bit", "[sim][replicate][property]") {
    auto const          serial = sim::replicate(40, experiment, 100);
    sluice::thread_pool pool(4);
    for (int i = 0; i < 3; ++i) CHECK(sim::replicate(pool, 40, experiment, 100) == serial);
    CHECK(pool.submit([&] { return sim::replicate(pool, 40, experiment, 100); }).get() == serial);  // from a worker
    CHECK(serial.size() == 40);
    CHECK(serial[3] == experiment(103));
    CHECK_FALSE(serial[0] == serial[7]);
    CHECK(sim::replicate(pool, 0, experiment).empty());
    auto const odd = sim::replicate(pool, 100, [](std::uint64_t seed) { return seed % 2 == 1; });
    for (std::size_t i = 0; i < 100; ++i) CHECK(odd[i] == (i % 2 == 1));
}

TEST_CASE("replicate: an exception leaves it when all that had begun are done", "[sim][replicate][unit]") {
    sluice::thread_pool pool(3);
    std::atomic<int>    inside{0};
    CHECK_THROWS_AS(sim::replicate(pool, 50,
                                   [&](std::uint64_t seed) {
                                       inside.fetch_add(1);
                                       if (seed == 20) {
                                           inside.fetch_sub(1);
                                           throw std::runtime_error("20");
                                       }
                                       inside.fetch_sub(1);
                                       return 1;
                                   }),
                    std::runtime_error);
    CHECK(inside.load() == 0);
    CHECK_THROWS_AS(sim::replicate(3, [](std::uint64_t) -> int { throw std::runtime_error("1"); }), std::runtime_error);
}
