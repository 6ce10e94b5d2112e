// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::wait_estimate — whether an item would be served soon enough, as far as the pops and services so far tell.
///
/// Thread-safety  one thread at a time
/// Complexity     O(1), no allocation
/// Errors         none; sums beyond the range stay at its end
/// Units          nanoseconds of the queue's time

#include <sluice/core/clock.hpp>
#include <sluice/flow/detail/drain_estimate.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <algorithm>
#include <cstdint>

namespace sluice::detail {

class wait_estimate {
public:
    wait_estimate(duration max_delay, duration service, duration drain) noexcept
        : max_delay_(max_delay), service_(service), drain_(drain) {}

    [[nodiscard]] duration wait_for(std::uint64_t cost_ahead) const noexcept { return drain_.time_for(cost_ahead); }
    [[nodiscard]] duration service() const noexcept { return service_.mean(); }

    /// A deadline before this cannot be met by an item served now.
    [[nodiscard]] time_point earliest_useful(time_point now) const noexcept {
        return saturating_add(now, std::max(service_.mean(), duration{1}));
    }

    /// Whether an item that waits so long is finished in time. An estimate that says no must be able to come down.
    [[nodiscard]] bool in_time(time_point deadline, duration wait, time_point now) noexcept {
        if (deadline == no_deadline) return true;
        auto const remaining = saturating_sub(deadline, now);
        if (remaining.count() <= 0) return false;
        if (remaining >= saturating_add(wait, service_.mean())) return true;
        if (remaining < service_.mean()) refused_for_service();
        drain_.doubt();
        return false;
    }

    /// By how much the wait is too long; <= 0 if it is not.
    [[nodiscard]] duration excess(duration wait) noexcept {
        if (wait > max_delay_) drain_.doubt();
        return wait - max_delay_;
    }

    /// The wait for all that is there, as a share of the longest.
    [[nodiscard]] double fill(std::uint64_t cost) const noexcept {
        if (max_delay_ == duration::max()) return 0;
        return static_cast<double>(drain_.time_for(cost).count()) / static_cast<double>(max_delay_.count());
    }

    /// An item left unserved. If only the estimate says that it is late, that counts as a refusal.
    void expired(time_point deadline, time_point now) noexcept {
        if (deadline > now) refused_for_service();
    }
    void delivered(time_point now, time_point enqueued, std::uint64_t cost, bool more) noexcept {
        drain_.popped(now, enqueued, cost, more);
    }
    void emptied() noexcept { drain_.emptied(); }
    void served(duration took) noexcept {
        service_.add(took);
        if (took.count() >= 0) in_vain_ = 0;
    }

private:
    /// Who refuses a few among many that are served knows what serving takes. Who refuses all does not.
    void refused_for_service() noexcept {
        if (in_vain_ < patience)
            ++in_vain_;
        else
            service_.doubt();
    }

    static constexpr int patience = 32;

    duration       max_delay_;
    running_mean   service_;
    drain_estimate drain_;
    int            in_vain_ = 0;  // refusals since a service was reported
};

}  // namespace sluice::detail
