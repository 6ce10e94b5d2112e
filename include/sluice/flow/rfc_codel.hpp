// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// rfc8289_codel — controlled delay as RFC 8289 has it for packets: drops ever faster until the senders slow down.
///
/// Use it for     senders that slow down when an item is lost, as TCP does
/// Not for        requests (codel): senders that do not slow down lose nearly all; at 1.5 times the capacity of a server
///                with a deadline of 100 ms, 6 % of the capacity remains useful
/// Thread-safety  one thread at a time
/// Complexity     O(1), no allocation, one square root per drop; each dropped item is one call of pop
/// Errors         std::invalid_argument for a target or an interval that is not > 0; the rest is noexcept
/// Units          nanoseconds. The gap after the k-th drop is interval / sqrt(k), to the nearest nanosecond
/// Source         RFC 8289, sections 4 and 5: the text's pseudo-code
/// Differs        the queue is measured in items, not bytes: the last item is never dropped

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/detail/queue_list.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace sluice {

struct rfc8289_codel_options {
    duration target = std::chrono::milliseconds(5);      ///< a wait that may stand; > 0
    duration interval = std::chrono::milliseconds(100);  ///< a worst round trip of the senders; > 0
};

class rfc8289_codel {
public:
    using options_type = rfc8289_codel_options;

    explicit rfc8289_codel(rfc8289_codel_options options = {}) : options_(options) {
        detail::require_option(options.target.count() > 0, "rfc8289_codel: target (> 0 ns)", options.target.count());
        detail::require_option(options.interval.count() > 0, "rfc8289_codel: interval (> 0 ns)", options.interval.count());
    }

    void push(queue_node& node, time_point) noexcept { waiting_.push_back(node); }

    [[nodiscard]] popped_node pop(time_point now) noexcept {
        auto* const node = waiting_.pop_front();
        bool const  stands = standing(node, now);
        switch (after_) {
        case after::first_drop:  // the item after the drop that began it is served whatever it waited
            after_ = after::service;
            return {node, false};
        case after::drop:
            after_ = after::service;
            if (stands) drop_next_ = control_law(drop_next_);
            break;
        case after::service: break;
        }
        if (dropping_) {
            if (!stands)
                dropping_ = false;
            else if (now >= drop_next_) {
                if (count_ < std::numeric_limits<std::uint32_t>::max()) ++count_;
                after_ = after::drop;
                return {node, true};
            }
        } else if (stands) {
            begin_dropping(now);
            return {node, true};
        }
        return {node, false};
    }

    [[nodiscard]] queue_node const* peek(time_point) const noexcept { return waiting_.front(); }
    [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }

    [[nodiscard]] bool dropping() const noexcept { return dropping_; }
    [[nodiscard]] std::uint32_t count() const noexcept { return count_; }

    /// The oldest, if it cannot be finished in time.
    [[nodiscard]] queue_node* make_room(item_attributes const&, time_point useful) noexcept {
        return waiting_.take_hopeless(useful);
    }
    [[nodiscard]] queue_node* take_newest() noexcept { return waiting_.pop_back(); }

private:
    enum class after : std::uint8_t { service, drop, first_drop };

    /// Whether the wait has been at the target or above for a whole interval.
    [[nodiscard]] bool standing(queue_node const* node, time_point now) noexcept {
        if (node == nullptr || node->sojourn(now) < options_.target || waiting_.size() == 0) {
            above_ = false;
            return false;
        }
        if (!above_) {
            above_ = true;
            first_above_ = saturating_add(now, options_.interval);
            return false;
        }
        return now >= first_above_;
    }

    void begin_dropping(time_point now) noexcept {
        auto const since = saturating_sub(now, drop_next_);
        auto const delta = count_ - last_count_;
        bool const recent = begun_ && since / 16 < options_.interval;
        count_ = recent && delta > 1 ? delta : 1;
        last_count_ = count_;
        dropping_ = begun_ = true;
        drop_next_ = control_law(now);
        after_ = after::first_drop;
    }

    [[nodiscard]] time_point control_law(time_point t) const noexcept {
        auto const gap = static_cast<double>(options_.interval.count()) / std::sqrt(static_cast<double>(count_));
        return saturating_add(t, gap < 0x1p63 ? duration(static_cast<std::int64_t>(gap + 0.5)) : duration::max());
    }

    rfc8289_codel_options options_;
    detail::queue_list    waiting_;
    time_point            first_above_{};
    time_point            drop_next_{};
    std::uint32_t         count_ = 0;
    std::uint32_t         last_count_ = 0;
    bool                  above_ = false;
    bool                  dropping_ = false;
    bool                  begun_ = false;
    after                 after_ = after::service;
};

static_assert(peekable_discipline<rfc8289_codel>);

}  // namespace sluice
