// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// server_failures — lets the servers of a pool break down and come back, each on its own.
///
/// Use it for     asking what a policy does when machines fail: any pool with places(), fail(i) and restart(i)
/// Thread-safety  that of its simulation: one thread
/// Complexity     two events per failure; an allocation when the pool has got more places
/// Errors         std::invalid_argument: scan <= 0, a distribution that draws a negative time. What the pool throws leaves the
///                simulation's run. Times that are always 0 do not let the clock go on: the run ends with run_end::event_limit
/// Units          times to failure count from the moment a server was seen to be there, times to repair until its restart begins
///
/// Each place has random streams of its own, so that a larger pool leaves the failures of the first servers as they were. New
/// places are noticed every `scan`.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

namespace sluice::sim {

template <class P>
concept breakable_pool = requires(P& pool, P const& seen, std::uint32_t i) {
    { seen.places() } -> std::convertible_to<std::uint32_t>;
    { pool.fail(i) } -> std::convertible_to<bool>;
    { pool.restart(i) } -> std::convertible_to<bool>;
};

template <breakable_pool Pool, time_distribution Up, time_distribution Down>
class server_failures {
public:
    /// `entity` tells several of these apart in their random streams.
    server_failures(simulation& sim, Pool& pool, Up up, Down down, std::uint64_t entity = 0, duration scan = std::chrono::seconds(1))
        : sim_(sim), pool_(pool), up_(std::move(up)), down_(std::move(down)), entity_(entity) {
        sluice::detail::require_option(scan.count() > 0, "server_failures: scan (> 0 ns)", scan.count());
        try {
            look();
            scan_ = sim.every(scan, [this] { look(); });
        } catch (...) {
            cancel_all();
            throw;
        }
    }
    server_failures(server_failures const&) = delete;
    server_failures& operator=(server_failures const&) = delete;
    ~server_failures() { cancel_all(); }

    /// Servers that broke down.
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

private:
    struct server {
        xoshiro256ss rng;
        event_handle next{};
    };

    void cancel_all() {
        sim_.cancel(scan_);
        for (auto const& s : servers_) sim_.cancel(s.next);
    }
    void look() {
        while (servers_.size() < pool_.places()) {
            auto const i = static_cast<std::uint32_t>(servers_.size());
            servers_.push_back({sim_.stream((entity_ << 32) | i, "server_failures")});
            wait(i);
        }
    }
    void wait(std::uint32_t i) {
        servers_[i].next = sim_.after(up_(servers_[i].rng), [this, i] { break_down(i); });
    }
    void break_down(std::uint32_t i) {
        servers_[i].next = sim_.after(down_(servers_[i].rng), [this, i] {
            pool_.restart(i);
            wait(i);
        });
        if (pool_.fail(i)) ++count_;
    }

    simulation&         sim_;
    Pool&               pool_;
    Up                  up_;
    Down                down_;
    std::uint64_t       entity_;
    std::vector<server> servers_;
    event_handle        scan_;
    std::uint64_t       count_ = 0;
};

}  // namespace sluice::sim
