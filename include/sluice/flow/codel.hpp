// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// codel — controlled delay for services: drops what has waited too long, but only if the queue has stood all the time.
///
/// Use it for     requests from senders that do not slow down when one is dropped: people, other services
/// Not for        packets of a transport that does (rfc8289_codel)
/// Thread-safety  one thread at a time
/// Complexity     O(1), no allocation; each dropped item is one call of pop
/// Errors         std::invalid_argument for a target or an interval that is not > 0; the rest is noexcept
/// Units          nanoseconds; load in percent
/// Source         B. Maurer, Fail at Scale, ACM Queue 13(8), 2015, doi:10.1145/2838344.2839461; folly/executors/Codel
/// Differs        from folly: the first interval begins with the first item, not before it
///
/// Once per interval the state is judged: overloaded if the least wait of the interval was above the target. While
/// overloaded, an item is dropped at pop if it waited longer than twice the target. The first item of an interval never
/// is.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/detail/queue_list.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <chrono>
#include <cstddef>

namespace sluice {

struct codel_options {
    duration target = std::chrono::milliseconds(5);      ///< a wait that may stand; > 0
    duration interval = std::chrono::milliseconds(100);  ///< how long it takes to believe that one does; > 0
};

class codel {
public:
    using options_type = codel_options;

    explicit codel(codel_options options = {}) : options_(options) {
        detail::require_option(options.target.count() > 0, "codel: target (> 0 ns)", options.target.count());
        detail::require_option(options.interval.count() > 0, "codel: interval (> 0 ns)", options.interval.count());
    }

    void push(queue_node& node, time_point) noexcept { waiting_.push_back(node); }

    [[nodiscard]] popped_node pop(time_point now) noexcept {
        auto* const node = waiting_.pop_front();
        if (node == nullptr) return {};
        return {node, judge(node->sojourn(now), now)};
    }

    [[nodiscard]] queue_node const* peek(time_point) const noexcept { return waiting_.front(); }
    [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }

    /// What the last interval that ended says.
    [[nodiscard]] bool overloaded() const noexcept { return overloaded_; }

    /// The least wait of the present interval in percent of twice the target, 100 at most.
    [[nodiscard]] int load() const noexcept {
        auto const twice = twice_target();
        if (least_ >= twice) return 100;
        return static_cast<int>(static_cast<double>(least_.count()) / static_cast<double>(twice.count()) * 100.0);
    }

    /// The oldest, if it cannot be finished in time.
    [[nodiscard]] queue_node* make_room(item_attributes const&, time_point useful) noexcept {
        return waiting_.take_hopeless(useful);
    }
    [[nodiscard]] queue_node* take_newest() noexcept { return waiting_.pop_back(); }

private:
    [[nodiscard]] duration twice_target() const noexcept { return saturating_add(options_.target, options_.target); }

    [[nodiscard]] bool judge(duration delay, time_point now) noexcept {
        if (!begun_ || now > interval_end_) {
            overloaded_ = begun_ && least_ > options_.target;
            begun_ = true;
            interval_end_ = saturating_add(now, options_.interval);
            least_ = delay;
            return false;
        }
        if (delay < least_) least_ = delay;
        return overloaded_ && delay > twice_target();
    }

    codel_options      options_;
    detail::queue_list waiting_;
    time_point         interval_end_{};
    duration           least_{0};
    bool               begun_ = false;
    bool               overloaded_ = false;
};

static_assert(peekable_discipline<codel>);

}  // namespace sluice
