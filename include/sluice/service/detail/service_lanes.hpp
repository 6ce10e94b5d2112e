// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::service_lanes, make_default — bounded queues side by side in front of one executor.
///
/// Thread-safety  that of queued_executor; close: any thread

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/mix64.hpp>
#include <sluice/core/random.hpp>
#include <sluice/executor/queued_executor.hpp>
#include <sluice/executor/task_attributes.hpp>
#include <sluice/flow/load_level.hpp>
#include <sluice/routing/power_of_two_choices.hpp>
#include <sluice/service/service_options.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace sluice::detail {

template <class T>
struct make_default {
    [[nodiscard]] T operator()() const { return T{}; }
};

/// Bounded queues side by side in front of one executor.
template <class Executor, class Discipline, class Clock>
class service_lanes {
public:
    using queue_type = queued_executor<Executor, Discipline, Clock>;

    template <class Make>
    service_lanes(Executor& e, service_options const& options, Make& make_discipline, Clock clock) {
        require_option(options.lanes >= 1 && options.lanes <= (1u << 20), "service_options::lanes (1 to 2^20)", options.lanes);
        lanes_.reserve(options.lanes);
        for (std::size_t i = 0; i < options.lanes; ++i) {
            queued_executor_options q;
            q.capacity = options.capacity;
            q.when_full = overflow::reject;
            q.max_delay = options.max_delay;
            q.expected_service = options.expected_service;
            q.levels = options.levels;
            lanes_.push_back(std::make_unique<lane>(e, std::move(q), make_discipline, clock));
        }
    }

    /// Always the same for a key; without one the shorter of two.
    [[nodiscard]] queue_type& at(task_attributes const& a, splitmix64& random) {
        if (lanes_.size() == 1) return lanes_[0]->queue;
        auto const i = a.key != 0 ? static_cast<std::size_t>(mix64(a.key) % lanes_.size())
                                  : static_cast<std::size_t>(*two_.choose(lanes_, time_point{}, random));
        return lanes_[i]->queue;
    }
    void close() {
        for (auto& l : lanes_) l->queue.close();
    }
    [[nodiscard]] std::size_t count() const noexcept { return lanes_.size(); }
    [[nodiscard]] std::size_t queued() const {
        std::size_t sum = 0;
        for (auto const& l : lanes_) sum += l->queue.size_approx();
        return sum;
    }
    [[nodiscard]] load_level level() const noexcept {
        auto worst = load_level::green;
        for (auto const& l : lanes_) worst = std::max(worst, l->queue.level());
        return worst;
    }

private:
    struct lane {
        template <class Make>
        lane(Executor& e, queued_executor_options o, Make& make, Clock c) : queue(e, std::move(o), make(), c) {}
        [[nodiscard]] std::uint32_t in_flight() const {
            return static_cast<std::uint32_t>(std::min<std::size_t>(queue.size_approx(), UINT32_MAX));
        }
        queue_type queue;
    };

    power_of_two_choices<> two_{};
    std::vector<std::unique_ptr<lane>> lanes_{};
};

}  // namespace sluice::detail
