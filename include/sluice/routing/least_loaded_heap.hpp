// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// least_loaded_heap — the node with the fewest tasks in flight per weight, without looking at all of them.
///
/// Use it for     one dispatcher over many nodes, which hears of every beginning and end
/// Not for        several threads, or loads that change without notice (least_loaded, power_of_two_choices)
/// Thread-safety  one thread at a time
/// Complexity     choose: O(1) and O(nodes that could not be chosen when last looked at); started, finished: O(log n). Nothing
///                allocates after construction and resize
/// Errors         constructor, resize: std::invalid_argument: more than 2^31 nodes; resize may throw std::bad_alloc and then has
///                no effect. started and finished require an index below size(); an end without a beginning counts as none
/// Units          tasks; (in flight + 1) / weight is compared exactly
///
/// The counts are its own: tell it started(i) and finished(i). Weights and availability are the list's, a weight as it was when
/// the node last moved in the heap. Of equals the one comes first that the heap has first; a node that is given work makes way
/// for the others, so an idle fleet is gone through once before anybody has two tasks.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/load_metric.hpp>
#include <sluice/routing/node_index.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sluice {

class least_loaded_heap {
public:
    explicit least_loaded_heap(std::size_t nodes = 0) { resize(nodes); }

    /// Positions 0 … n - 1 of the list; those that are new have nothing in flight, those that go are forgotten.
    void resize(std::size_t n) {
        detail::require_option(n <= std::size_t{1} << 31, "least_loaded_heap: nodes (at most 2^31)", n);
        std::vector<state>         states;
        std::vector<std::uint32_t> heap, aside;
        states.reserve(n);
        heap.reserve(n);
        aside.reserve(n);
        for (std::uint32_t i = 0; i < n; ++i) {
            states.push_back(i < states_.size() ? states_[i] : state{});
            states[i].place = i;
            heap.push_back(i);
        }
        states_.swap(states);
        heap_.swap(heap);
        aside_.swap(aside);
        for (std::size_t at = heap_.size() / 2; at-- > 0;) sift_down(at);
    }

    /// Requires a list of size() nodes.
    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point, Source&) {
        SLUICE_ASSERT(static_cast<std::size_t>(nodes.size()) == states_.size());
        for (std::size_t k = 0; k < aside_.size();) {  // can they be chosen again?
            std::uint32_t const i = aside_[k];
            if (!node_usable(nodes[i])) {
                ++k;
                continue;
            }
            aside_[k] = aside_.back();
            aside_.pop_back();
            heap_.push_back(i);
            states_[i].load.weight = node_weight(nodes[i]);
            put(heap_.size() - 1, i);
            sift_up(heap_.size() - 1);
        }
        while (!heap_.empty()) {
            std::uint32_t const i = heap_[0];
            if (!node_usable(nodes[i])) {
                aside_.push_back(i);
                states_[i].place = nowhere;
                std::uint32_t const last = heap_.back();
                heap_.pop_back();
                if (heap_.empty()) break;
                put(0, last);
                sift_down(0);
                continue;
            }
            std::uint32_t const weight = node_weight(nodes[i]);
            if (weight == states_[i].load.weight) return i;
            states_[i].load.weight = weight;  // another weight may make another one first
            sift_down(0);
            if (heap_[0] == i) return i;
        }
        return std::nullopt;
    }

    /// A task goes to a node, or comes back from it.
    void started(node_index i) noexcept {
        SLUICE_ASSERT(i < states_.size());
        ++states_[i].load.load;
        if (states_[i].place != nowhere) sift_down(states_[i].place);
    }
    void finished(node_index i) noexcept {
        SLUICE_ASSERT(i < states_.size());
        if (states_[i].load.load <= 1) return;
        --states_[i].load.load;
        if (states_[i].place != nowhere) sift_up(states_[i].place);
    }

    [[nodiscard]] std::size_t   size() const noexcept { return states_.size(); }
    [[nodiscard]] std::uint64_t in_flight(node_index i) const noexcept { return states_[i].load.load - 1; }

private:
    static constexpr std::uint32_t nowhere = UINT32_MAX;

    struct state {
        load_per_weight load{1, 1};  // in flight and one
        std::uint32_t   place = nowhere;
    };

    [[nodiscard]] bool less(std::uint32_t a, std::uint32_t b) const noexcept { return states_[a].load < states_[b].load; }
    void put(std::size_t at, std::uint32_t i) noexcept {
        heap_[at] = i;
        states_[i].place = static_cast<std::uint32_t>(at);
    }
    void sift_up(std::size_t at) noexcept {
        std::uint32_t const i = heap_[at];
        for (; at > 0 && less(i, heap_[(at - 1) / 2]); at = (at - 1) / 2) put(at, heap_[(at - 1) / 2]);
        put(at, i);
    }
    void sift_down(std::size_t at) noexcept {
        std::uint32_t const i = heap_[at];
        for (;;) {
            std::size_t child = 2 * at + 1;
            if (child >= heap_.size()) break;
            if (child + 1 < heap_.size() && less(heap_[child + 1], heap_[child])) ++child;
            if (!less(heap_[child], i)) break;
            put(at, heap_[child]);
            at = child;
        }
        put(at, i);
    }

    std::vector<state>         states_;
    std::vector<std::uint32_t> heap_;   // positions, the least loaded first
    std::vector<std::uint32_t> aside_;  // those that could not be chosen
};

}  // namespace sluice
