// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// traffic — runs an arrival process in a simulation: one call for each arrival.
///
/// Use it for     whatever comes from outside: requests, jobs, messages
/// Thread-safety  that of its simulation: one thread
/// Complexity     one event per arrival; no allocation
/// Errors         what the process or the callback throws leaves the simulation's run; the traffic then goes on
///
///     sluice::sim::traffic requests(sim, sluice::sim::poisson_arrivals(sluice::per_second(800)), sim.stream(0, "gaps"),
///                                   [&] { pool.submit(service(rng)); });
///
/// It does not move, and must not outlive the simulation; the traffic ends with it, or with stop(). Arrivals before the
/// simulation's time (a trace that begins earlier) come at once.

#include <sluice/core/clock.hpp>
#include <sluice/core/random.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/simulation.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <optional>
#include <utility>

namespace sluice::sim {

template <arrival_process Arrivals, std::invocable F>
class traffic {
public:
    traffic(simulation& sim, Arrivals arrivals, xoshiro256ss rng, F f, std::int8_t priority = 0)
        : sim_(sim), arrivals_(std::move(arrivals)), rng_(rng), f_(std::move(f)), priority_(priority) {
        plan();
    }
    traffic(traffic const&) = delete;
    traffic& operator=(traffic const&) = delete;
    ~traffic() { stop(); }

    /// No more arrivals.
    void stop() {
        stopped_ = true;
        sim_.cancel(next_);
    }

    /// Arrivals so far.
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

private:
    void plan() {
        if (stopped_) return;
        if (auto const t = arrivals_.next(rng_)) next_ = sim_.at(std::max(*t, sim_.now()), [this] { arrive(); }, priority_);
    }

    void arrive() {
        ++count_;
        plan();  // first: whatever f does, the next one comes
        f_();
    }

    simulation&   sim_;
    Arrivals      arrivals_;
    xoshiro256ss  rng_;
    F             f_;
    std::int8_t   priority_;
    bool          stopped_ = false;
    std::uint64_t count_ = 0;
    event_handle  next_;
};

}  // namespace sluice::sim
