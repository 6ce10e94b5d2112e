// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// worker_placement, place_workers, nearest_victims — which CPU each worker gets, and whom it steals from first.
///
/// Use it for     thread_pool on machines with several caches, memory nodes or kinds of cores
/// Not for        pools smaller than one cache's cores on a busy machine: a pinned worker waits for its CPU
/// Thread-safety  pure functions
/// Complexity     O(n log n) in CPUs; nearest_victims O(w² log w) in workers
/// Errors         std::invalid_argument for a list that is empty or names a CPU that may not be used; std::bad_alloc
/// Units          CPUs as the system numbers them, one for each worker
///
///     auto const machine = sluice::read_cpu_topology();
///     auto const cpus = sluice::place_workers(machine, {.rule = sluice::placement_rule::spread}, workers);
///     auto const ranks = sluice::nearest_victims(machine, cpus);  // outlives the pool
///     sluice::victim_options const victims{.policy = sluice::victim_policy::nearest, .ranks = ranks.get()};

#include <sluice/core/detail/invalid.hpp>
#include <sluice/executor/cpu_topology.hpp>
#include <sluice/executor/victim_policy.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace sluice {

enum class placement_rule : std::uint8_t {
    none,     ///< the system chooses
    spread,   ///< far apart: a node, a cache, a core each as long as there are any; second hardware threads come last
    compact,  ///< close together: neighbours share a core, then a cache, then a node
    list,     ///< the CPUs that are given, in turn
};

struct worker_placement {
    placement_rule        rule = placement_rule::none;
    std::vector<unsigned> cpus{};  ///< for placement_rule::list
};

/// The CPU of each worker; empty for none. With more workers than CPUs it begins again. Both rules take fast cores before
/// slow ones; spread takes a slow core before the second thread of a fast one.
[[nodiscard]] inline std::vector<unsigned> place_workers(cpu_topology const& t, worker_placement const& p, std::size_t workers) {
    std::vector<unsigned> order;
    if (p.rule == placement_rule::none) return order;
    if (p.rule == placement_rule::list) {
        detail::require_option(!p.cpus.empty(), "worker_placement::cpus (at least one): their number", p.cpus.size());
        for (unsigned const cpu : p.cpus) detail::require_option(t.find(cpu) != nullptr, "worker_placement::cpus (allowed CPUs): one", cpu);
        order = p.cpus;
    } else {
        std::vector<cpu_info> cpus = t.cpus;
        auto const slow = [](cpu_info const& c) { return ~c.capacity; };
        std::sort(cpus.begin(), cpus.end(), [&](cpu_info const& a, cpu_info const& b) {
            auto const key = [&](cpu_info const& c) {
                return std::tuple(slow(c), c.node, c.package, c.far_cache, c.near_cache, c.core, c.id);
            };
            return key(a) < key(b);
        });
        for (auto const& c : cpus) order.push_back(c.id);
        if (p.rule == placement_rule::spread) {
            // Threads of a core, cores of a near cache, near caches of a far one, far ones of a node: numbered in this order, each
            // from 0. Second threads come after all first ones, slow cores after fast ones, and so on downwards.
            using group = std::pair<unsigned, unsigned>;  // of which, and which
            std::map<group, unsigned>    number;
            std::map<unsigned, unsigned> threads, cores, near_caches, far_caches;  // counted so far
            auto const number_of = [&number](unsigned kind, unsigned name, unsigned& counted) {
                auto const at = number.try_emplace({kind, name}, 0);
                if (at.second) at.first->second = counted++;
                return at.first->second;
            };
            using place = std::tuple<unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned>;
            std::vector<place> places;
            for (auto const& c : cpus) {
                auto const far_cache = number_of(0, c.far_cache, far_caches[c.node]);
                auto const near_cache = number_of(1, c.near_cache, near_caches[c.far_cache]);
                auto const core = number_of(2, c.core, cores[c.near_cache]);
                places.emplace_back(threads[c.core]++, slow(c), core, near_cache, far_cache, c.node, c.id);
            }
            std::sort(places.begin(), places.end());
            for (std::size_t i = 0; i < places.size(); ++i) order[i] = std::get<6>(places[i]);
        }
    }
    std::vector<unsigned> result(workers);
    for (std::size_t i = 0; i < workers && !order.empty(); ++i) result[i] = order[i % order.size()];
    return result;
}

/// For victim_options::ranks: each worker asks those first whose CPU shares the most with its own.
[[nodiscard]] inline std::shared_ptr<victim_ranks const> nearest_victims(cpu_topology const& t, std::span<unsigned const> cpu_of_worker) {
    return std::make_shared<victim_ranks const>(cpu_of_worker.size(), [&](std::size_t a, std::size_t b) {
        return cpu_distance(t, cpu_of_worker[a], cpu_of_worker[b]);
    });
}

}  // namespace sluice
