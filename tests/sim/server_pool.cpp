// SPDX-License-Identifier: BSL-1.0
#include <sluice/sim/server_pool.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/sentence.hpp"

#include <sluice/core/random.hpp>
#include <sluice/flow/codel.hpp>
#include <sluice/flow/drr.hpp>
#include <sluice/flow/lifo.hpp>
#include <sluice/routing/least_loaded.hpp>
#include <sluice/scaling/autoscale_step.hpp>
#include <sluice/scaling/autoscaler.hpp>
#include <sluice/scaling/feed_forward.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/traffic.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace sim = sluice::sim;
using sim::job_end;
using sim::run_end;
using sim::server_pool;
using sluice::duration;
using sluice::time_point;
using test::sentence_of;

namespace {

/// What on_end was told, as text: tag, letter of the end, time.
struct diary {
    std::string told;
    auto        writer() {
        return [this](sim::finished_job const& j) {
            told += std::to_string(j.tag) + "dlesx"[static_cast<int>(j.end)] + std::to_string(j.ended.time_since_epoch().count()) + " ";
        };
    }
};

}  // namespace

TEST_CASE("server_pool: two servers, one queue, first come first served", "[sim][server_pool][unit]") {
    sim::simulation s;
    diary           d;
    server_pool<>   pool(s, {.servers = 2}, d.writer());
    for (std::uint64_t i = 0; i < 4; ++i) CHECK(pool.submit(10ns, {}, i));
    CHECK(pool.busy() == 2);
    CHECK(pool.queued() == 2);
    CHECK(pool.in_flight() == 4);
    s.at(time_point(15ns), [&] {
        pool.submit(1ns, {}, 4);
        CHECK(pool.busy_nanoseconds() == 30);  // with the work in hand
    });
    s.run();
    CHECK(d.told == "0d10 1d10 2d20 3d20 4d21 ");
    CHECK(pool.submitted() == 5);
    CHECK(pool.completed() == 5);
    CHECK(pool.busy_nanoseconds() == 41);
    CHECK(pool.in_flight() == 0);
    CHECK(pool.little().inside.low == 10 + 10 + 20 + 20 + 6);
    CHECK(pool.little().sojourns == pool.little().inside);
    CHECK(pool.mean_busy() == Approx(41. / 21));
    CHECK(pool.mean_inside() == Approx(66. / 21));
}

TEST_CASE("server_pool: a full queue refuses, and a discipline's rules hold", "[sim][server_pool][unit]") {
    {
        sim::simulation s;
        diary           d;
        server_pool<>   pool(s, {.capacity = 1}, d.writer());
        CHECK(pool.submit(10ns, {}, 1));
        CHECK(pool.submit(10ns, {.deadline = time_point(5ns)}, 2));
        CHECK_FALSE(pool.submit(10ns, {}, 3));
        CHECK(pool.refusals() == 1);
        s.run_until(time_point(7ns));
        CHECK(pool.submit(10ns, {}, 4));  // instead of the one that is late already
        s.run();
        CHECK(d.told == "2x7 1d10 4d20 ");
    }
    {
        sim::simulation           s;
        diary                     d;
        server_pool<sluice::lifo> pool(s, {}, d.writer());
        for (std::uint64_t i = 0; i < 4; ++i) pool.submit(10ns, {.deadline = time_point(i == 1 ? 30ns : 100ns)}, i);
        s.run();
        CHECK(d.told == "0d10 3d20 2d30 1d40 ");  // its deadline is the moment in which it begins
    }
    {
        sim::simulation s;
        diary           d;
        server_pool<>   pool(s, {}, d.writer());
        pool.submit(10ns, {}, 1);
        pool.submit(10ns, {.deadline = time_point(9ns)}, 2);
        pool.submit(10ns, {}, 3);
        s.run();
        CHECK(d.told == "2e10 1d10 3d20 ");
        CHECK(pool.ended(job_end::expired) == 1);
        CHECK(pool.completed() == 2);
    }
    {  // tenants take turns
        sim::simulation          s;
        diary                    d;
        server_pool<sluice::drr<>> pool(s, {}, d.writer());
        for (std::uint64_t i = 0; i < 4; ++i) pool.submit(10ns, {.tenant = 1}, i);
        for (std::uint64_t i = 7; i < 9; ++i) pool.submit(10ns, {.tenant = 2}, i);
        s.run();
        CHECK(d.told == "0d10 1d20 7d30 2d40 8d50 3d60 ");
    }
    {  // an overloaded queue is shed
        sim::simulation            s;
        server_pool<sluice::codel> pool(s);
        s.every(1ms, [&] { pool.submit(2ms); });
        s.run_until(time_point(2s));
        CHECK(pool.ended(job_end::shed) > 500);
        CHECK(pool.queued() < 100);
        CHECK(pool.little().sojourns == pool.little().inside);
    }
}

TEST_CASE("server_pool: an observer may submit, and what waits comes first", "[sim][server_pool][unit]") {
    sim::simulation s;
    std::string     order;
    server_pool<>*  at = nullptr;
    server_pool<>   pool(s, {}, [&](sim::finished_job const& j) {
        order += std::to_string(j.tag);
        if (j.tag < 3) at->submit(5ns, {}, j.tag + 3);
        if (j.tag == 4) throw std::runtime_error("four");
    });
    at = &pool;
    for (std::uint64_t i = 0; i < 3; ++i) pool.submit(10ns, {}, i);
    CHECK(sentence_of([&] { s.run(); }) == "four");
    s.run();
    CHECK(order == "012345");
    CHECK(pool.in_flight() == 0);
}

TEST_CASE("server_pool: it grows after the start delay and shrinks without losing a job", "[sim][server_pool][unit]") {
    sim::simulation s;
    diary           d;
    server_pool<>   pool(s, {.servers = 2, .max_servers = 5, .start_delay = 100ns}, d.writer());
    auto const      sizes = [&] { return std::array<std::uint32_t, 3>{pool.provisioned(), pool.ready(), pool.busy()}; };
    using is = std::array<std::uint32_t, 3>;
    CHECK(sizes() == is{2, 2, 0});
    for (std::uint64_t i = 0; i < 6; ++i) pool.submit(150ns, {}, i);
    pool.request_size(4);
    CHECK(sizes() == is{4, 2, 2});
    pool.request_size(4);  // the same again is nothing
    pool.request_size(3);  // one that starts is given up
    CHECK(sizes() == is{3, 2, 2});
    s.run_until(time_point(100ns));
    CHECK(sizes() == is{3, 3, 3});
    pool.request_size(1);  // all are busy: two leave when they are done
    CHECK(sizes() == is{3, 1, 3});
    pool.request_size(2);  // one of them stays after all
    CHECK(sizes() == is{3, 2, 3});
    s.run_until(time_point(249ns));
    CHECK(sizes() == is{3, 2, 3});
    s.run_until(time_point(250ns));
    CHECK(sizes() == is{2, 2, 2});
    s.run();
    CHECK(d.told == "0d150 1d150 2d250 3d300 4d300 5d450 ");
    CHECK(sizes() == is{2, 2, 0});
    pool.request_size(0);
    CHECK(sizes() == is{0, 0, 0});
    CHECK_FALSE(pool.available());
    CHECK(pool.submit(1ns, {}, 9));
    pool.request_size(99);
    CHECK(pool.provisioned() == 5);
    s.run();
    CHECK(pool.ready() == 5);
    CHECK(d.told.substr(d.told.size() - 6) == "9d551 ");
    CHECK(pool.places() == 5);
}

TEST_CASE("server_pool: a failure takes the job along or gives it back", "[sim][server_pool][unit]") {
    for (auto const rule : {sim::after_failure::lose, sim::after_failure::requeue}) {
        sim::simulation s;
        diary           d;
        server_pool<>   pool(s, {.servers = 2, .start_delay = 5ns, .on_failure = rule}, d.writer());
        for (std::uint64_t i = 0; i < 3; ++i) pool.submit(10ns, {}, i);
        s.at(time_point(4ns), [&] {
            CHECK(pool.fail(0));
            CHECK_FALSE(pool.fail(0));
            CHECK(pool.provisioned() == 2);
            CHECK(pool.ready() == 1);
        });
        s.at(time_point(12ns), [&] { CHECK(pool.restart(0)); CHECK_FALSE(pool.restart(0)); });
        s.run();
        CHECK(d.told == (rule == sim::after_failure::lose ? "0l4 1d10 2d20 " : "1d10 2d20 0d27 "));
        CHECK(pool.little().sojourns == pool.little().inside);
        CHECK(pool.ready() == 2);
        CHECK(pool.busy_nanoseconds() == (rule == sim::after_failure::lose ? 24 : 34));
    }
    sim::simulation s;
    server_pool<>   pool(s, {.servers = 2, .start_delay = 5ns});
    pool.submit(10ns);
    pool.submit(10ns);
    pool.request_size(1);
    CHECK(pool.fail(1));  // it was about to leave
    CHECK(pool.provisioned() == 1);
    CHECK(pool.fail(0));
    CHECK(pool.restart(0));
    CHECK(pool.fail(0));  // while it starts
    s.run();
    CHECK(pool.ready() == 0);
    pool.request_size(0);
    CHECK(pool.provisioned() == 0);
    CHECK_FALSE(pool.restart(0));
}

TEST_CASE("server_pool: with all servers down, or none, jobs wait and the run says that nothing is left", "[sim][server_pool][unit]") {
    for (bool const none : {false, true}) {
        sim::simulation s;
        diary           d;
        server_pool<>   pool(s, {.servers = none ? 0u : 2u, .capacity = 5, .on_failure = sim::after_failure::requeue}, d.writer());
        for (std::uint64_t i = 0; i < 4; ++i) pool.submit(10ns, {.deadline = time_point(i == 3 ? 20ns : 1h)}, i);
        if (!none) {
            pool.fail(0);
            pool.fail(1);
        }
        CHECK(pool.submit(10ns, {}, 4));
        CHECK_FALSE(pool.submit(10ns, {}, 5));  // the queue is full
        CHECK_FALSE(pool.available());
        CHECK(s.run().end == run_end::drained);  // nothing will happen by itself: nobody waits for ever
        CHECK(s.run_until(time_point(100ns)).end == run_end::drained);
        CHECK(d.told.empty());
        CHECK(pool.in_flight() == 5);
        CHECK(pool.queued() == 5);
        CHECK(pool.little().sojourns == pool.little().inside);
        none ? pool.request_size(1) : static_cast<void>(pool.restart(0));
        s.run();
        CHECK(std::count(d.told.begin(), d.told.end(), 'd') == 4);
        CHECK(d.told.find("3e") != std::string::npos);
        CHECK(pool.in_flight() == 0);
        CHECK(pool.little().sojourns == pool.little().inside);
    }
}

TEST_CASE("server_pool: a slow server takes longer from its next job on", "[sim][server_pool][unit]") {
    sim::simulation s;
    diary           d;
    server_pool<>   pool(s, {}, d.writer());
    for (std::uint64_t i = 0; i < 4; ++i) pool.submit(10ns, {}, i);
    pool.set_speed(0, 500);
    s.run_until(time_point(10ns));
    pool.set_speed(0, 3000);
    s.run();
    CHECK(d.told == "0d10 1d30 2d34 3d38 ");
}

TEST_CASE("server_pool: impossible parameters are named", "[sim][server_pool][unit]") {
    sim::simulation s;
    CHECK(sentence_of([&] { server_pool<>(s, {.max_servers = 0}); }) == "sluice: server_pool: max_servers (> 0) is 0");
    CHECK(sentence_of([&] { server_pool<>(s, {.servers = 3, .max_servers = 2}); }) ==
          "sluice: server_pool: servers (<= max_servers) is 3");
    CHECK(sentence_of([&] { server_pool<>(s, {.start_delay = -1ns}); }) == "sluice: server_pool: start_delay (>= 0 ns) is -1");
    server_pool<> pool(s, {.servers = 0});
    CHECK(sentence_of([&] { pool.submit(-1ns); }) == "sluice: server_pool: work (>= 0 ns) is -1");
    CHECK(sentence_of([&] { pool.fail(0); }) == "sluice: server_pool: server (below 0) is 0");
    pool.request_size(1);
    CHECK(sentence_of([&] { pool.set_speed(0, 0); }) == "sluice: server_pool: speed (> 0) is 0");
    CHECK(pool.in_flight() == 0);
    CHECK(pool.submit(0ns));  // no work at all is done at once, when its server is there
    s.run();
    CHECK(pool.completed() == 1);
}

TEST_CASE("server_pool: whatever happens, every job ends once and Little's law holds to the nanosecond", "[sim][server_pool][property]") {
    for (std::uint64_t round = 0; round < 8; ++round) {
        INFO("seed " << test::seed() << " round " << round);
        sim::simulation                    s(test::seed() + round, {.ties = sim::tie_order::shuffled});
        auto                               rng = s.stream(0, "test");
        std::map<std::uint64_t, int>       ends;
        std::uint64_t                      taken = 0, offered = 0;
        duration                           sojourns{0};
        server_pool<>                      pool(s,
                                                {.servers = 3,
                                                 .max_servers = 10,
                                                 .capacity = round % 2 == 0 ? SIZE_MAX : 5,
                                                 .start_delay = 300us,
                                                 .on_failure = round % 3 == 0 ? sim::after_failure::lose : sim::after_failure::requeue},
                                                [&](sim::finished_job const& j) {
                               ++ends[j.tag];
                               sojourns += j.sojourn();
                               if (j.end != job_end::lost && j.end != job_end::done) return;
                               if (j.wait() < 0ns || j.began > j.ended) ++ends[j.tag];
                           });
        sim::exponential service(1ms);
        auto const       below = [&](std::uint64_t n) { return static_cast<std::uint32_t>(sluice::uniform_below(rng, n)); };
        sim::traffic     requests(s, sim::poisson_arrivals(sluice::per_second(3000)), s.stream(1, "gaps"), [&] {
            ++offered;
            auto const deadline = below(3) == 0 ? s.now() + 2ms : sluice::no_deadline;
            taken += pool.submit(service(rng), {.deadline = deadline}, taken);
        });
        s.every(700us, [&] { pool.request_size(below(12)); });
        s.every(500us, [&] {
            if (pool.places() == 0) return;
            auto const i = below(pool.places());
            if (!pool.restart(i)) pool.fail(i);
        });
        for (int i = 1; i <= 20; ++i) {
            s.run_until(time_point(i * 20ms));
            auto const sums = pool.little();
            REQUIRE(sums.inside == sums.sojourns);
        }
        requests.stop();
        CHECK(taken + pool.refusals() == offered);
        CHECK(pool.submitted() == taken);
        std::uint64_t ended = 0;
        for (auto const how : {job_end::done, job_end::lost, job_end::expired, job_end::shed, job_end::displaced}) ended += pool.ended(how);
        CHECK(ended == ends.size());
        CHECK(taken - ended == pool.in_flight());
        for (auto const& [tag, n] : ends) REQUIRE(n == 1);
        if (pool.in_flight() == 0) CHECK(static_cast<std::uint64_t>(sojourns.count()) == pool.little().inside.low);
        CHECK(pool.ended(job_end::done) > 100);
    }
}

TEST_CASE("server_pool: a production autoscaler drives it unchanged", "[sim][server_pool][unit]") {
    sim::simulation      s(5);
    server_pool<>        pool(s, {.servers = 2, .start_delay = 1s});
    sluice::autoscaler<> policy(sluice::feed_forward({.start_delay = 1s}), {.rates = {}, .size = {.min = 2, .max = 100}});
    auto                 work = s.stream(0, "work");
    sim::exponential     service(50ms);
    s.every(1s, [&] { sluice::autoscale_step(policy, pool, s.now()); });
    auto const submit = [&] { pool.submit(service(work)); };
    std::uint32_t high = 0;
    {
        sim::traffic storm(s, sim::poisson_arrivals(sluice::per_second(400)), s.stream(1), submit);  // 20 erlangs
        s.run_for(200s);
        high = pool.ready();
    }
    CHECK(high >= 22);
    CHECK(high <= 45);
    CHECK(pool.queued() < 100);
    sim::traffic calm(s, sim::poisson_arrivals(sluice::per_second(20), s.now()), s.stream(2), submit);
    s.run_for(600s);
    CHECK(pool.ready() >= 2);
    CHECK(pool.ready() <= 5);
    CHECK(pool.little().inside == pool.little().sojourns);
}

TEST_CASE("server_pool: pools are nodes of a production balancer", "[sim][server_pool][unit]") {
    sim::simulation                             s;
    std::vector<std::unique_ptr<server_pool<>>> fleet;
    for (int i = 0; i < 3; ++i) fleet.push_back(std::make_unique<server_pool<>>(s));
    sluice::least_loaded<> balancer;
    auto                   rng = s.stream(0);
    fleet[1]->fail(0);
    for (int i = 0; i < 10; ++i) fleet[*balancer.choose(fleet, s.now(), rng)]->submit(10ns);
    CHECK(fleet[0]->in_flight() == 5);
    CHECK(fleet[1]->in_flight() == 0);
    CHECK(fleet[2]->in_flight() == 5);
}

TEST_CASE("server_pool: no allocation once as many jobs have been inside before", "[sim][server_pool][unit]") {
    sim::simulation s(3);
    server_pool<>   pool(s, {.servers = 4});
    for (int i = 0; i < 500; ++i) pool.submit(1us);
    s.run();
    auto         work = s.stream(0, "work");
    sim::traffic t(s, sim::poisson_arrivals(sluice::per_second(3'000'000), s.now()), s.stream(1),
                   [&] { pool.submit(sim::exponential(1us)(work)); });
    auto const before = test::allocations::total();
    s.run_for(1ms);
    CHECK(test::allocations::total() == before);
    CHECK(pool.completed() > 3000);
}
