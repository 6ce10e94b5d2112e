// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// network — messages between nodes that take their time, get lost, or meet a partition.
///
/// Use it for     gossip, heartbeats, elections, replies of far servers in a simulation
/// Not for        bandwidth: messages do not wait for each other, and may overtake
/// Thread-safety  that of its simulation: one thread
/// Complexity     send: one event, no allocation. partition, heal: O(1), memory for the highest node that was put into a group
/// Errors         std::invalid_argument: a loss outside 0 … 1000, at_least < 0; send: a latency < 0, be the message lost or not, and
///                what simulation::after throws. It was not sent then, but its random numbers are gone
/// Units          loss in thousandths of the messages
///
/// Who can reach whom is decided when a message is sent: one that is under way arrives though a partition begins. A sender does not
/// learn of a loss, as on a real network. A message to the node itself takes the usual time and is never lost.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sluice::sim {

struct network_options {
    duration      at_least{0};  ///< added to every latency; >= 0
    std::uint32_t loss = 0;     ///< thousandths, 0 to 1000
    std::uint64_t entity = 0;   ///< of its random stream: tells several networks apart
};

template <time_distribution Latency = exponential>
class network {
public:
    network(simulation& sim, Latency latency, network_options options = {})
        : sim_(sim), latency_(std::move(latency)), options_(options), rng_(sim.stream(options.entity, "network")) {
        sluice::detail::require_option(options.at_least.count() >= 0, "network: at_least (>= 0 ns)", options.at_least.count());
        sluice::detail::require_option(options.loss <= 1000, "network: loss (0 to 1000)", options.loss);
    }
    network(network const&) = delete;
    network& operator=(network const&) = delete;

    /// Runs f() when the message arrives, if it does.
    template <class F>
    void send(std::uint32_t from, std::uint32_t to, F&& f) {
        auto const latency = latency_(rng_);
        bool const dropped = uniform_below(rng_, 1000) < options_.loss;  // drawn in any case: a partition shifts nothing
        sluice::detail::require_option(latency.count() >= 0, "network: latency drawn (>= 0 ns)", latency.count());
        if (from != to && (dropped || !reachable(from, to)))
            ++lost_;
        else
            sim_.after(saturating_add(options_.at_least, latency), std::forward<F>(f));
        ++sent_;
    }

    /// Puts a node into a group; all begin in group 0. Only nodes of one group reach each other.
    void partition(std::uint32_t node, std::uint32_t group) {
        if (node >= groups_.size()) {
            if (group == 0) return;
            groups_.resize(std::size_t{node} + 1);
        }
        groups_[node] = group;
    }
    /// Everybody reaches everybody again.
    void heal() noexcept { groups_.clear(); }

    [[nodiscard]] bool reachable(std::uint32_t a, std::uint32_t b) const noexcept { return group_of(a) == group_of(b); }

    [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
    [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }

private:
    [[nodiscard]] std::uint32_t group_of(std::uint32_t node) const noexcept { return node < groups_.size() ? groups_[node] : 0; }

    simulation&                sim_;
    Latency                    latency_;
    network_options            options_;
    xoshiro256ss               rng_;
    std::vector<std::uint32_t> groups_;
    std::uint64_t              sent_ = 0;
    std::uint64_t              lost_ = 0;
};

}  // namespace sluice::sim
