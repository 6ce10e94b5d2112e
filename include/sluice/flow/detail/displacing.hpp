// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::displacing — a discipline that also gives up its next node for a new one, if told.
///
/// Use it for     queues that drop their oldest when they are full: fifo has nothing else to give up
/// Thread-safety  that of the discipline inside
/// Complexity     that of the discipline inside; make_room at most that of a pop more
/// Errors         those of the discipline inside
///
/// What the discipline inside would give up itself goes first. Everything else it does is passed through; whether it can peek is
/// not.

#include <sluice/core/clock.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace sluice::detail {

template <queue_discipline Discipline>
class displacing {
public:
    displacing(Discipline d, bool displace) : inner_(std::move(d)), displace_(displace) {}

    void push(queue_node& node, time_point now) noexcept {
        now_ = now;
        inner_.push(node, now);
    }
    [[nodiscard]] popped_node pop(time_point now) noexcept {
        now_ = now;
        return inner_.pop(now);
    }
    [[nodiscard]] std::size_t size() const noexcept { return inner_.size(); }

    void prepare(item_attributes const& a)
        requires preparing_discipline<Discipline>
    {
        inner_.prepare(a);
    }
    [[nodiscard]] bool admits(item_attributes const& a)
        requires requires(Discipline& d) { { d.admits(a) } -> std::same_as<bool>; }
    {
        return inner_.admits(a);
    }
    [[nodiscard]] std::uint64_t cost_ahead(item_attributes const& a, time_point now) const noexcept
        requires requires(Discipline const& d) { d.cost_ahead(a, now); }
    {
        return inner_.cost_ahead(a, now);
    }
    [[nodiscard]] queue_node* make_room(item_attributes const& a, time_point useful) noexcept {
        if constexpr (requires { inner_.make_room(a, useful); }) {
            if (auto* const n = inner_.make_room(a, useful); n != nullptr) return n;
        }
        return displace_ ? inner_.pop(now_).node : nullptr;
    }
    [[nodiscard]] Discipline const& inner() const noexcept { return inner_; }

private:
    Discipline inner_;
    bool       displace_;
    time_point now_ = time_point::min();
};

}  // namespace sluice::detail
