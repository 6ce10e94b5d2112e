// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// partitioned_limiter — one concurrency limit for several kinds of work, each with a share that the others leave free.
///
/// Use it for     live and batch calls to one service: batch may use everything while live does not want it
/// Not for        limits that do not depend on each other (one limiter each), or priorities with shedding (load_shedder)
/// Thread-safety  everything from any thread. Destruction: after every permit has ended
/// Progress       a mutex for a few instructions, beside what the limiter does
/// Complexity     O(partitions), small; memory for as many permits as have ever been in flight at once
/// Errors         std::invalid_argument from the constructor, names the option; try_acquire may throw std::bad_alloc, and
///                then takes nothing. Requires partition < partitions()
/// Units          a share is a part of the limit: cap = max(1, ceil(share · limit))
/// Source         Netflix concurrency-limits, partitioned limiters
/// Differs        the limit holds for all together, always: a partition below its cap that finds it used up is owed a place,
///                and gets the next one that ends, where the published one admits it above the limit
///
/// A partition at or above its cap is admitted as long as there is room that is not owed to another; so the cap matters only
/// where the limit is reached. What is owed lapses when the partition has not asked again for options.patience.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/flow/detail/limit_options.hpp>
#include <sluice/flow/permit.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace sluice {

struct partitioned_limiter_options {
    std::vector<double> shares;                                   ///< each in (0, 1], together at most 1
    duration            patience = std::chrono::milliseconds(100);  ///< >= 0
};

/// Limiter: a concurrency_limiter, which the caller keeps alive; it may be used directly, too.
template <class Limiter>
class partitioned_limiter {
public:
    partitioned_limiter(Limiter& limiter, partitioned_limiter_options options)
        : limiter_(&limiter), patience_(options.patience) {
        detail::require_option(!options.shares.empty(), "partitioned_limiter: shares (at least one); their number", 0);
        detail::require_option(patience_.count() >= 0, "partitioned_limiter: patience (>= 0 ns)", patience_.count());
        double sum = 0;
        for (double const share : options.shares) {
            detail::require_ratio("partitioned_limiter", "share", share, 0, 1);
            sum += share;
            partitions_.push_back({.share = share});
        }
        detail::require_option(sum <= 1 + 1e-9, "partitioned_limiter: sum of shares (<= 1)", sum);
    }
    partitioned_limiter(partitioned_limiter const&) = delete;
    partitioned_limiter& operator=(partitioned_limiter const&) = delete;

    permit try_acquire(std::size_t partition, time_point now) {
        SLUICE_ASSERT(partition < partitions_.size());
        std::lock_guard const guard(mutex_);
        entry&                mine = partitions_[partition];
        std::uint32_t const   limit = limiter_->limit();
        std::uint32_t const   cap = cap_of(mine, limit);
        if (mine.inflight >= cap && limiter_->inflight() + owed_to_others(partition, limit, now) >= limit)
            return permit::denied(verdict::later(std::chrono::milliseconds(1), 0));
        if (free_.empty()) {
            if (free_.capacity() <= held_.size())  // so that the end of a permit allocates nothing
                free_.reserve(2 * held_.size() + 8);
            held_.emplace_back();
            free_.push_back(held_.size() - 1);
        }
        permit inner = limiter_->try_acquire(now);
        if (!inner) {
            if (mine.inflight < cap) {
                mine.owed = std::min(mine.owed + 1, cap - mine.inflight);
                mine.asked = now;
            }
            return inner;
        }
        if (mine.owed > 0) --mine.owed;
        ++mine.inflight;
        std::size_t const slot = free_.back();
        free_.pop_back();
        held_[slot] = {std::move(inner), partition};
        return permit(this, &end_of_permit, {.start = now, .generation = 0, .cost = slot});
    }
    permit try_acquire(std::size_t partition) { return try_acquire(partition, limiter_->now()); }

    [[nodiscard]] std::size_t partitions() const noexcept { return partitions_.size(); }
    /// What the partition is sure of under the present limit.
    [[nodiscard]] std::uint32_t cap(std::size_t partition) const noexcept {
        return cap_of(partitions_[partition], limiter_->limit());
    }
    [[nodiscard]] std::uint32_t inflight(std::size_t partition) const {
        std::lock_guard const guard(mutex_);
        return partitions_[partition].inflight;
    }

private:
    struct entry {
        double        share;
        std::uint32_t inflight = 0;
        std::uint32_t owed = 0;
        time_point    asked = time_point::min();
    };
    struct holding {
        permit      inner;
        std::size_t partition = 0;
    };

    static std::uint32_t cap_of(entry const& e, std::uint32_t limit) noexcept {
        return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(std::ceil(e.share * limit - 1e-9)));
    }
    std::uint32_t owed_to_others(std::size_t partition, std::uint32_t limit, time_point now) noexcept {
        std::uint32_t sum = 0;
        for (std::size_t i = 0; i < partitions_.size(); ++i) {
            entry& e = partitions_[i];
            if (i == partition || e.owed == 0) continue;
            std::uint32_t const cap = cap_of(e, limit);
            if (saturating_sub(now, e.asked) > patience_ || saturating_sub(e.asked, now) > patience_)  // or a clock set back
                e.owed = 0;
            else
                sum += cap > e.inflight ? std::min(e.owed, cap - e.inflight) : 0;
        }
        return sum;
    }
    static void end_of_permit(void* self, permit_ticket const& ticket, outcome how, time_point const* now) noexcept {
        static_cast<partitioned_limiter*>(self)->end(static_cast<std::size_t>(ticket.cost), how, now);
    }
    void end(std::size_t slot, outcome how, time_point const* now) noexcept {
        std::lock_guard const guard(mutex_);
        permit                inner = std::move(held_[slot].inner);
        --partitions_[held_[slot].partition].inflight;
        free_.push_back(slot);
        if (now != nullptr)
            inner.finish(how, *now);
        else
            inner.finish(how);
    }

    Limiter*                 limiter_;
    duration                 patience_;
    mutable std::mutex       mutex_;
    std::vector<entry>       partitions_;
    std::deque<holding>      held_;
    std::vector<std::size_t> free_;
};

}  // namespace sluice
