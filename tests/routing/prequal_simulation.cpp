// SPDX-License-Identifier: BSL-1.0
// prequal and prequal_server against choice at random and in turn, in virtual time: servers that share themselves among their
// requests and whose speed changes. A toy: probes take no time, and one seed is one story; the bands are wide for that.
#include <sluice/routing/prequal.hpp>
#include <sluice/routing/prequal_server.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <queue>
#include <vector>

using sluice::duration;
using sluice::node_index;
using sluice::time_point;

namespace {

constexpr std::size_t servers = 24, clients = 4;
constexpr int         cores = 4;
constexpr double      mean_work = .01;      // seconds of one core at speed 1
constexpr double      redraw_every = 1;     // seconds
constexpr double      speeds[] = {.6, .9, 1.2};

time_point at(double seconds) { return time_point(duration(static_cast<std::int64_t>(seconds * 1e9))); }

struct request {
    double                         ends;  // in the server's own work per request
    double                         arrived;
    sluice::prequal_server::ticket ticket;
    bool operator>(request const& o) const { return ends > o.ends; }
};

struct server {
    std::priority_queue<request, std::vector<request>, std::greater<>> running;
    double                                                             speed = 1;
    double                                                             done = 0;  // work given to each that was here all along
    double                                                             since = 0;
    sluice::prequal_server                                             reports;

    [[nodiscard]] double rate() const {
        return running.empty() ? 0 : speed * std::min(1.0, cores / static_cast<double>(running.size()));
    }
    void proceed(double now) {
        done += rate() * (now - since);
        since = now;
    }
    [[nodiscard]] double next_end() const {
        return running.empty() ? std::numeric_limits<double>::infinity() : since + (running.top().ends - done) / rate();
    }
};

struct nothing {};

struct at_random {
    template <class List, class Source>
    auto choose(List const& nodes, time_point, Source& rng) { return sluice::any_usable(nodes, rng); }
};
struct in_turn {
    node_index next = 0;
    template <class List, class Source>
    std::optional<node_index> choose(List const& nodes, time_point, Source&) {
        return static_cast<node_index>(next++ % nodes.size());
    }
};

struct outcome {
    double p50, p99;
    double probes;  // per request
};

/// `make(client)` gives each client its balancer.
template <class Make>
outcome simulate(double load, int requests, Make make) {
    sluice::xoshiro256ss rng(2024), choices(7);
    std::vector<server>  fleet(servers);
    std::vector<nothing> nodes(servers);
    using balancer = decltype(make(0));
    std::vector<balancer> balancers;
    for (std::size_t c = 0; c < clients; ++c) balancers.push_back(make(static_cast<node_index>(c)));
    auto const exponential = [&](double mean) { return -mean * std::log(1 - sluice::uniform_real(rng)); };
    double const rate = load * .9 * servers * cores / mean_work;

    std::vector<double> took;
    double              probes = 0;
    double              arrival = exponential(1 / rate), redraw = 0;
    for (int sent = 0; sent < requests || std::any_of(fleet.begin(), fleet.end(), [](auto& s) { return !s.running.empty(); });) {
        auto const   first = std::min_element(fleet.begin(), fleet.end(),
                                              [](auto const& a, auto const& b) { return a.next_end() < b.next_end(); });
        double const end = first->next_end();
        if (redraw <= std::min(arrival, end)) {
            for (auto& s : fleet) {
                s.proceed(redraw);
                s.speed = speeds[sluice::uniform_below(rng, 3)];
            }
            redraw += redraw_every;
        } else if (end <= arrival) {
            first->proceed(end);
            auto const r = first->running.top();
            first->running.pop();
            first->done = std::max(first->done, r.ends);
            first->reports.finish(r.ticket, at(end));
            took.push_back(end - r.arrived);
        } else {
            double const now = arrival;
            auto&        b = balancers[static_cast<std::size_t>(sluice::uniform_below(rng, clients))];
            auto const   work = exponential(mean_work);
            auto const   i = b.choose(nodes, at(now), choices).value();
            auto&        s = fleet[i];
            s.proceed(now);
            s.running.push({s.done + work, now, s.reports.start(at(now))});
            if constexpr (requires { b.probes_due(nodes, at(now), choices); })
                for (auto const node : b.probes_due(nodes, at(now), choices)) {
                    auto const answer = fleet[node].reports.load(at(now));
                    b.probe_result(node, answer.rif, answer.latency, at(now));
                    ++probes;
                }
            arrival = ++sent < requests ? now + exponential(1 / rate) : std::numeric_limits<double>::infinity();
        }
    }
    std::sort(took.begin(), took.end());
    auto const quantile = [&](double q) { return took[static_cast<std::size_t>(q * static_cast<double>(took.size() - 1))]; };
    return {quantile(.5), quantile(.99), probes / requests};
}

}  // namespace

TEST_CASE("prequal: its tail is a fraction of random choice's and of turns'", "[routing][prequal][simulation]") {
    constexpr double load = .9;
    constexpr int    requests = 25'000;
    auto const       p = simulate(load, requests, [](node_index) { return sluice::prequal(servers); });
    auto const       r = simulate(load, requests, [](node_index) { return at_random{}; });
    auto const       t = simulate(load, requests, [](node_index c) { return in_turn{c * 5}; });
    INFO("p50 / p99 in ms: prequal " << p.p50 * 1e3 << " / " << p.p99 * 1e3 << ", random " << r.p50 * 1e3 << " / " << r.p99 * 1e3
                                     << ", in turn " << t.p50 * 1e3 << " / " << t.p99 * 1e3);
    CHECK(p.p99 * 2.5 < r.p99);
    CHECK(p.p99 * 2.5 < t.p99);
    CHECK(p.p99 < .5);
    CHECK(p.probes == Approx(3).margin(1e-3));
}
