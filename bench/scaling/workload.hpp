// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The scaling family: what a decision about the number of workers costs, and the models that are asked before one.
///
/// A subject has some of: fit(points) -> usl_answer, interval(points) -> {lower, upper} of the peak, erlang_c(servers, load),
/// and a type `decider` with decide(sample, now) -> workers. Every answer is checked.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/recommender.hpp>
#include <sluice/scaling/usl.hpp>
#include <sluice/scaling/usl_fit.hpp>

#include <support/bench.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace bench::scaling {

struct usl_answer {
    double contention, coherency, unit_throughput;
};

/// The law that the points are of, up to half a percent.
inline sluice::usl law() { return sluice::usl({.contention = .03, .coherency = .0005, .unit_throughput = 1000}); }

/// n = 1 … 32.
inline std::vector<sluice::usl_point> points() {
    std::vector<sluice::usl_point> all;
    std::uint64_t                  r = 88172645463325252u;
    for (int n = 1; n <= 32; ++n) {
        r ^= r << 13, r ^= r >> 7, r ^= r << 17;
        double const off = 1 + (static_cast<double>(r >> 11) * 0x1p-53 - .5) * .01;
        all.push_back({static_cast<double>(n), law().throughput(n) * off});
    }
    return all;
}

template <class Subject>
void register_fit(std::string const& subject) {
    add("scaling/usl_fit/" + subject + "/points:32", [](benchmark::State& state) {
        auto const  all = points();
        auto const  fits = sized(20, 2000);
        usl_answer  answer{};
        measure(state, "us_per_fit", fits, [&] {
            for (int i = 0; i < fits; ++i) {
                answer = Subject::fit(all);
                benchmark::DoNotOptimize(answer);
            }
        }, [&] {
            return std::abs(answer.contention - .03) < .004 && std::abs(answer.coherency - .0005) < .0002 &&
                   std::abs(answer.unit_throughput - 1000) < 20;
        });
    });
}

template <class Subject>
void register_interval(std::string const& subject) {
    add("scaling/profile_interval/" + subject + "/points:32", [](benchmark::State& state) {
        auto const                all = points();
        auto const                fits = sized(2, 100);
        double const              peak = law().peak()->workers;
        std::pair<double, double> answer{};
        measure(state, "us_per_interval", fits, [&] {
            for (int i = 0; i < fits; ++i) {
                answer = Subject::interval(all);
                benchmark::DoNotOptimize(answer);
            }
        }, [&] { return answer.first < peak && peak < answer.second && answer.second - answer.first < 20; });
    });
}

/// 10^6 servers at the square-root rule's reserve; the answer was computed in two ways that have nothing in common.
template <class Subject>
void register_erlang(std::string const& subject) {
    add("scaling/erlang_c/" + subject + "/servers:1000000", [](benchmark::State& state) {
        double answer = 0;
        measure(state, "us_per_call", 1, [&] {
            answer = Subject::erlang_c(1'000'000, 999'000);
            benchmark::DoNotOptimize(answer);
        }, [&] { return std::abs(answer - 0.22330339029135) < 1e-8; });
    });
}

/// Plateaus of 200 decisions, a second apart; the pool follows at once, and at the end of each has what the load needs and no
/// more than a seventh above.
template <class Subject>
void register_decide(std::string const& subject) {
    add("scaling/decide/" + subject + "/stages:all", [](benchmark::State& state) {
        using namespace std::chrono_literals;
        auto const                           plateaus = sized(20, 2000);
        constexpr std::array<std::uint32_t, 8> erlangs{70, 7, 350, 21, 140, 7, 700, 35};
        bool                                 right = true;
        measure(state, "ns_per_decision", plateaus * 200.0, [&] {
            typename Subject::decider policy;
            std::uint32_t             n = 10;
            auto                      now = sluice::time_point(1s);
            for (int p = 0; p < plateaus; ++p) {
                auto const busy = erlangs[static_cast<std::size_t>(p) % erlangs.size()];
                for (int i = 0; i < 200; ++i, now += 1s) {
                    sluice::scaling_sample const sample{.provisioned = n,
                                                        .ready = n,
                                                        .busy = std::min(n, busy),
                                                        .queued = n < busy ? 10u * (busy - n) : 0u,
                                                        .arrivals_per_second = 10. * busy,
                                                        .in_flight = static_cast<double>(busy),
                                                        .utilisation = std::min(1., static_cast<double>(busy) / n),
                                                        .service_time = 100ms,
                                                        .interval = 1s};
                    n = policy.decide(sample, now);
                }
                auto const need = (busy * 10 + 6) / 7;
                right = right && n >= need * 9 / 10 && n <= need * 8 / 7 + 1;
            }
        }, [&] { return right; });
    });
}

}  // namespace bench::scaling
