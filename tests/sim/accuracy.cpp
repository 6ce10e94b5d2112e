// SPDX-License-Identifier: BSL-1.0
// Simulated queues against theory: mm1, mmc and mg1 of scaling/, over twenty seeds. SLUICE_STRESS makes the runs longer.
#include <sluice/sim/server_pool.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <sluice/core/random.hpp>
#include <sluice/core/units.hpp>
#include <sluice/scaling/mg1.hpp>
#include <sluice/scaling/mm1.hpp>
#include <sluice/scaling/mmc.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/batch_means.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>

#include <cmath>
#include <cstdint>
#include <string>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

namespace {

struct seeds {
    int    missed = 0;         // 95 % intervals that do not hold the theory's wait
    double mean = 0;           // of all seeds' mean waits, in seconds
    double standard_error = 0; // from how they differ
    double waited = 0;         // share of jobs that waited at all
    bool   little = true;      // exact in each run
};

/// Twenty runs of `jobs` jobs.
template <class Service>
seeds run(sluice::rate arrivals, Service service, std::uint32_t servers, double theory, std::uint64_t jobs) {
    constexpr int    n = 20;
    seeds            result;
    double           squares = 0;
    for (std::uint64_t seed = 0; seed < n; ++seed) {
        sim::simulation    s(seed * 1000 + servers);
        sim::batch_means   waits({.skip = jobs / 10, .batches = 10});
        std::uint64_t      positive = 0;
        sim::server_pool<> pool(s, {.servers = servers}, [&](sim::finished_job const& j) {
            waits.add(static_cast<double>(j.wait().count()) / 1e9);
            positive += j.wait() > 0ns;
        });
        auto         work = s.stream(0, "work");
        sim::traffic requests(s, sim::poisson_arrivals(arrivals), s.stream(0, "gaps"), [&] { pool.submit(service(work)); });
        s.run_until(sluice::time_point(arrivals.time_for(jobs)));
        result.missed += !waits.interval(.95).contains(theory);
        result.mean += waits.mean() / n;
        squares += waits.mean() * waits.mean() / n;
        result.waited += static_cast<double>(positive) / static_cast<double>(pool.completed()) / n;
        auto const sums = pool.little();
        result.little = result.little && sums.inside == sums.sojourns;
    }
    result.standard_error = std::sqrt((squares - result.mean * result.mean) / (n - 1));
    return result;
}

void check(seeds const& r, double theory) {
    INFO("theory " << theory << " s, simulated " << r.mean << " +- " << r.standard_error << " s, missed by " << r.missed << " of 20");
    // Binomial(20, .05): more than 5 with probability 3 · 10^-4
    CHECK(r.missed <= 5);
    CHECK(std::abs(r.mean - theory) <= 4 * r.standard_error);
    CHECK(r.standard_error < .15 * theory);  // so that the line above says something
    CHECK(r.little);
}

}  // namespace

TEST_CASE("accuracy: M/M/1", "[sim][accuracy][property]") {
    sluice::mm1 const model(sluice::per_second(8), 100ms);
    double const      theory = model.mean_wait()->count();
    CHECK(theory == Approx(.4));
    auto const r = run(sluice::per_second(8), sim::exponential(100ms), 1, theory, 8'000 * test::stress_factor());
    check(r, theory);
    CHECK(r.waited == Approx(.8).epsilon(.03));
}

TEST_CASE("accuracy: M/M/3", "[sim][accuracy][property]") {
    sluice::mmc const model(sluice::per_second(20), 100ms, 3);
    double const      theory = model.mean_wait()->count();
    CHECK(theory == Approx(.04444444));
    auto const r = run(sluice::per_second(20), sim::exponential(100ms), 3, theory, 8'000 * test::stress_factor());
    check(r, theory);
    CHECK(r.waited == Approx(.44444444).epsilon(.05));
}

TEST_CASE("accuracy: M/D/1 waits half as long as M/M/1", "[sim][accuracy][property]") {
    sluice::mg1 const model(sluice::per_second(8), 100ms, 0);
    double const      theory = model.mean_wait()->count();
    CHECK(theory == Approx(.2));
    check(run(sluice::per_second(8), sim::deterministic(100ms), 1, theory, 6'000 * test::stress_factor()), theory);
}

TEST_CASE("accuracy: M/G/1 with Erlang service", "[sim][accuracy][property]") {
    sluice::mg1 const model(sluice::per_second(8), 100ms, .25);
    double const      theory = model.mean_wait()->count();
    CHECK(theory == Approx(.25));
    check(run(sluice::per_second(8), sim::erlang({.mean = 100ms, .stages = 4}), 1, theory, 6'000 * test::stress_factor()), theory);
}

TEST_CASE("accuracy: M/G/1 where one job in ten takes a hundred times as long", "[sim][accuracy][property]") {
    sim::hyper_exponential const service({{9, 100ms}, {1, 10s}});
    sluice::mg1 const            model(sluice::per_second(.5), 1090ms, service.scv());
    double const                 theory = model.mean_wait()->count();
    CHECK(theory == Approx(10.998901099));
    check(run(sluice::per_second(.5), service, 1, theory, 12'000 * test::stress_factor()), theory);
}
