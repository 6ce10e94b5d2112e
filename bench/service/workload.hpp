// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The service family: an open-loop load test, live. Requests of some 500 µs of work for two workers arrive at 0.5, 1, 1.5 and 3
/// times what the two can do, which is measured first, by the same process: Poisson, and of every hundred forty at once.
///
///   goodput     requests that were answered within 50 ms of when they should have arrived, as a share of the capacity
///   us_p50, us_p99   of those that were served, from when they should have arrived
///   waiting     most requests that waited at once
///
/// The sender never waits for an answer; if it is late it sends at once what is due, and lateness counts as the server's. Each
/// request must be answered once: served, refused, or given up.

#include <support/bench.hpp>
#include <support/quantiles.hpp>

#include <sluice/core/mix64.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/units.hpp>
#include <sluice/sim/arrivals.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

namespace bench::service {

inline constexpr unsigned         workers = 2;
inline constexpr sluice::duration limit = std::chrono::milliseconds(50);

/// Some 500 microseconds.
inline void work() noexcept {
    std::uint64_t x = 1;
    for (int i = 0; i < 120'000; ++i) x = sluice::mix64(x);
    benchmark::DoNotOptimize(x);
}

enum class answer : std::uint8_t { none, served, refused };

struct request {
    std::atomic<std::uint32_t> answers{0};
    answer                     how = answer::none;
    sluice::duration           latency{0};
};

/// Subject(workers): submit(due, f, done): runs f() some time and calls done(bool served) once; waiting().
template <class Subject>
double requests_per_second() {
    Subject                    subject(workers);
    std::atomic<std::uint32_t> ended{0}, served{0};
    constexpr std::uint32_t    n = 2000, ahead = 20;
    auto const                 begin = clock::now();
    for (std::uint32_t i = 0; i < n; ++i) {
        while (i - ended.load() >= ahead) std::this_thread::sleep_for(std::chrono::microseconds(200));
        subject.submit(sluice::steady_clock{}.now(), [] { work(); }, [&](bool done) {
            served.fetch_add(done ? 1 : 0);
            ended.fetch_add(1);
        });
    }
    while (ended.load() < n) std::this_thread::sleep_for(std::chrono::microseconds(200));
    return served.load() / std::chrono::duration<double>(clock::now() - begin).count();
}

template <class Subject>
void load(benchmark::State& state, double times) {
    using namespace std::chrono_literals;
    double const capacity = requests_per_second<Subject>();
    auto const   length = sized<sluice::duration>(2s, 5s);
    double const seconds = std::chrono::duration<double>(length).count();
    std::size_t  most = 0, sent = 0;
    std::vector<request> requests(static_cast<std::size_t>(capacity * times * seconds * 1.3) + 1000);
    {
        Subject                       subject(workers);
        sluice::steady_clock          now;
        sluice::xoshiro256ss          rng(1);
        auto const                    begin = now.now();
        auto const rate = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(capacity * times * .6));  // the bursts are the rest
        sluice::sim::poisson_arrivals arrivals(sluice::per_second(rate), begin);
        auto const send = [&](sluice::time_point due) {
            if (sent == requests.size()) return;
            auto& r = requests[sent++];
            subject.submit(due, [] { work(); }, [&r, due, now](bool served) {
                r.latency = now.now() - due;
                r.how = served ? answer::served : answer::refused;
                r.answers.fetch_add(1, std::memory_order_release);
            });
        };
        for (std::uint64_t i = 1;; ++i) {
            auto const due = *arrivals.next(rng);
            if (due - begin > length) break;
            for (auto t = now.now(); t < due; t = now.now()) std::this_thread::sleep_for(std::min<sluice::duration>(due - t, 1ms));
            send(due);
            if (i % 60 == 0)
                for (int k = 0; k < 40; ++k) send(due);
            most = std::max(most, subject.waiting());
        }
        auto const give_up = clock::now() + 2min;
        for (std::size_t i = 0; i < sent; ++i)
            while (requests[i].answers.load(std::memory_order_acquire) == 0 && clock::now() < give_up) std::this_thread::sleep_for(1ms);
    }
    std::vector<double> served;
    std::uint64_t       good = 0, wrong = 0;
    for (std::size_t i = 0; i < sent; ++i) {
        wrong += requests[i].answers.load() != 1;
        if (requests[i].how != answer::served) continue;
        good += requests[i].latency <= limit;
        served.push_back(std::chrono::duration<double, std::micro>(requests[i].latency).count());
    }
    for (auto _ : state) state.SetIterationTime(1e-3);
    if (wrong != 0 || served.empty()) return state.SkipWithError("a request was lost, or answered twice");
    report_quantiles(state, served);
    state.counters["goodput"] = static_cast<double>(good) / seconds / capacity;
    state.counters["served_share"] = static_cast<double>(served.size()) / static_cast<double>(sent);
    state.counters["waiting"] = static_cast<double>(most);
}

template <class Subject>
void register_subject(std::string const& name) {
    for (double const times : {.5, 1., 1.5, 3.}) {
        char text[16];
        std::snprintf(text, sizeof text, "%g", times);
        add_once("service/load/" + name + "/" + text, [times](benchmark::State& state) { load<Subject>(state, times); });
    }
}

}  // namespace bench::service
