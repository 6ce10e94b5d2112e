// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// round_robin — the nodes take turns.
///
/// Use it for     like nodes and like requests; the baseline for everything else
/// Not for        uneven nodes (weighted_round_robin, edf), uneven requests (least_loaded, power_of_two_choices)
/// Thread-safety  choose: any thread
/// Progress       wait-free while the node whose turn it is can be chosen; otherwise lock-free, and 64 attempts at most
/// Complexity     one atomic addition and a division; O(nodes that cannot be chosen, in a row) reads more for each of those
/// Errors         none; noexcept if reading the list is
/// Units          weights do not count, but for 0 (not chosen)
/// Differs        the turn of a node that cannot be chosen is nobody's: common code gives it to the next in the list, which
///                then has twice its share. After 2^64 turns the nodes still have equal ones
///
/// Many clients that begin together all begin with the first node: give each another `start`, such as a random number.

#include <sluice/core/clock.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace sluice {

struct round_robin_options {
    std::uint64_t start = 0;  ///< the turn that comes first; any number
};

// Ordering
//   (A) ticket   fetch_add, CAS relaxed: a number is given once because it is a read-modify-write; nothing else depends on it.
//                A CAS that loses has met another caller's turn, and its own ticket was one that nobody can use

template <template <class> class Atom = std::atomic>
class round_robin {
public:
    explicit round_robin(round_robin_options options = {}) noexcept : next_(options.start) {}

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point, Source&) {
        std::uint64_t const n = nodes.size();
        if (n == 0) return std::nullopt;
        std::uint64_t const past = 0 - (0 - n) % n;  // 2^64 is no multiple of n: no ticket of the last, incomplete round
        std::uint64_t       found = 0;
        for (int attempt = 0; attempt < attempts; ++attempt) {
            std::uint64_t const ticket = next_.fetch_add(1, std::memory_order_relaxed);  // (A)
            std::uint64_t const turn = ticket % n;
            if (past != 0 && ticket >= past) {
                move(ticket + 1, 0);
                continue;
            }
            if (node_usable(nodes[static_cast<std::size_t>(turn)])) return static_cast<node_index>(turn);
            std::uint64_t ahead = 1;
            while (ahead < n && !node_usable(nodes[static_cast<std::size_t>((turn + ahead) % n)])) ++ahead;
            if (ahead == n) return std::nullopt;
            found = (turn + ahead) % n;
            std::uint64_t const taken = ticket + ahead;
            if (taken < ticket || (past != 0 && taken >= past)) move(ticket + 1, 0);
            else if (move(ticket + 1, taken + 1)) return static_cast<node_index>(found);
        }
        for (std::uint64_t i = 0; i < n; ++i, found = (found + 1) % n)  // 64 times another caller was faster
            if (node_usable(nodes[static_cast<std::size_t>(found)])) return static_cast<node_index>(found);
        return std::nullopt;
    }

private:
    static constexpr int attempts = 64;

    bool move(std::uint64_t from, std::uint64_t to) noexcept {
        return next_.compare_exchange_strong(from, to, std::memory_order_relaxed, std::memory_order_relaxed);  // (A)
    }

    Atom<std::uint64_t> next_;
};

}  // namespace sluice
