// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// rate_policy — at most so many workers, or so many percent, more or fewer within a period.
///
/// Use it for     what the rest of the system can bear: 100 workers/min, doubling every 15 s
/// Thread-safety  one thread at a time
/// Complexity     O(rules × changes remembered, at most 66); allocates in the constructor
/// Errors         constructor: std::invalid_argument names the option. A time that goes back counts as the last one
/// Units          whole numbers: 1 % of 3 is one more, 80 % of 5 leave 1, 10 % of 100 are 110
/// Source         the HorizontalPodAutoscaler's scaling policies
/// Differs        exact where doubles take the fifth of five; from zero workers, and from one down, any percentage is one worker
///                at least, or there would be no way. Changes that somebody else made count, a pool that did not follow does not
///
/// A period begins from the size without the changes within it. So a rule of 4 per 15 s lets 4 through at once, and the next
/// ones when 15 s have passed since. Of several rules the largest change counts, or the smallest, or none is allowed.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/scaling_limit.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sluice {

enum class rate_kind : std::uint8_t { count, percent };

struct rate_rule {
    rate_kind     kind = rate_kind::count;
    std::uint32_t value = 0;  ///< workers, or percent of those at the period's beginning
    duration      period{};   ///< > 0
};

enum class rate_select : std::uint8_t {
    max,       ///< the rule that allows the largest change
    min,       ///< the one that allows the smallest
    disabled,  ///< no change in this direction
};

/// No rules: no limit.
struct rate_direction {
    std::vector<rate_rule> rules{};
    rate_select            select = rate_select::max;
};

struct rate_policy_options {
    rate_direction up{};
    rate_direction down{};
};

class rate_policy {
public:
    explicit rate_policy(rate_policy_options o) : o_(std::move(o)) {
        for (auto const* direction : {&o_.up, &o_.down})
            for (auto const& rule : direction->rules) {
                detail::require_number(rule.period.count() > 0, "rate_policy: period (> 0 ns)",
                                       static_cast<double>(rule.period.count()));
                longest_ = std::max(longest_, rule.period);
            }
        resolution_ = duration(longest_.count() / 64 + (longest_.count() % 64 != 0 ? 1 : 0));
    }

    [[nodiscard]] scaling_limit limit(std::uint32_t desired, std::uint32_t current, time_point now) noexcept {
        if (started_ && now < last_) now = last_;
        if (started_ && asked_ != current) {  // somebody else's doing, or what the pool did not do
            note(std::int64_t{current} - asked_, decided_at_);
            asked_ = current;
        }
        forget(now);
        if (desired > current) return up(desired, current, now);
        if (desired < current) return down(desired, current, now);
        return {desired, {}};
    }

    /// What was asked of the pool in the end.
    void decided(std::uint32_t workers, std::uint32_t current, time_point now) noexcept {
        if (started_ && now < last_) now = last_;
        started_ = true;
        last_ = decided_at_ = now;
        asked_ = workers;
        note(std::int64_t{workers} - current, now);
    }

    [[nodiscard]] rate_policy_options const& options() const noexcept { return o_; }

private:
    struct change {
        time_point   first;
        time_point   last;
        std::int64_t up;
        std::int64_t down;
    };

    void note(std::int64_t difference, time_point at) noexcept {
        if (difference == 0 || longest_.count() == 0) return;
        forget(at);
        bool const joins = count_ > 0 && saturating_sub(at, back().first) < resolution_;
        if (!joins) {
            changes_[(begin_ + count_) % changes_.size()] = {at, at, 0, 0};
            ++count_;
        }
        back().last = at;
        (difference > 0 ? back().up : back().down) += difference > 0 ? difference : -difference;
    }

    void forget(time_point now) noexcept {
        while (count_ > 0 && saturating_sub(now, changes_[begin_].last) >= longest_) {
            begin_ = (begin_ + 1) % changes_.size();
            --count_;
        }
    }

    [[nodiscard]] change& back() noexcept { return changes_[(begin_ + count_ - 1) % changes_.size()]; }

    struct beginning {
        std::int64_t              workers;
        std::optional<time_point> next{};  ///< when it is another one
    };

    [[nodiscard]] beginning of_period(std::uint32_t current, duration period, time_point now) const noexcept {
        beginning b{current};
        for (std::size_t i = 0; i < count_; ++i) {
            auto const& c = changes_[(begin_ + i) % changes_.size()];
            if (saturating_sub(now, c.last) >= period) continue;
            if (!b.next) b.next = saturating_add(c.last, period);
            b.workers += c.down - c.up;
        }
        b.workers = std::clamp<std::int64_t>(b.workers, 0, UINT32_MAX);
        return b;
    }

    /// The limit of all rules that one function of (workers at the beginning, rule) gives; `larger_change` compares two.
    template <class Allowed, class Better>
    [[nodiscard]] scaling_limit of_rules(rate_direction const& d, std::uint32_t current, time_point now, Allowed allowed,
                                         Better larger_change) const noexcept {
        std::optional<std::int64_t> best;
        std::optional<time_point>   next;
        for (auto const& rule : d.rules) {
            auto const b = of_period(current, rule.period, now);
            auto const n = allowed(b.workers, rule);
            if (b.next) next = next ? std::min(*next, *b.next) : *b.next;
            if (!best || larger_change(n, *best) == (d.select == rate_select::max)) best = n;
        }
        return {static_cast<std::uint32_t>(std::clamp<std::int64_t>(*best, 0, UINT32_MAX)),
                next ? next : saturating_add(now, d.rules.front().period)};
    }

    [[nodiscard]] scaling_limit up(std::uint32_t desired, std::uint32_t current, time_point now) const noexcept {
        if (o_.up.select == rate_select::disabled) return {current, {}};
        if (o_.up.rules.empty()) return {desired, {}};
        auto const allowed = [](std::int64_t n, rate_rule const& r) {
            if (r.kind == rate_kind::count) return n + r.value;
            auto const more = (static_cast<std::uint64_t>(n) * r.value + 99) / 100;
            return n + std::max<std::int64_t>(static_cast<std::int64_t>(more), r.value > 0 ? 1 : 0);
        };
        auto most = of_rules(o_.up, current, now, allowed, [](auto a, auto b) { return a > b; });
        most.workers = std::max(most.workers, current);
        return desired <= most.workers ? scaling_limit{desired, {}} : most;
    }

    [[nodiscard]] scaling_limit down(std::uint32_t desired, std::uint32_t current, time_point now) const noexcept {
        if (o_.down.select == rate_select::disabled) return {current, {}};
        if (o_.down.rules.empty()) return {desired, {}};
        auto const allowed = [](std::int64_t n, rate_rule const& r) {
            if (r.kind == rate_kind::count) return n - r.value;
            return n * std::max<std::int64_t>(0, 100 - std::int64_t{r.value}) / 100;
        };
        auto least = of_rules(o_.down, current, now, allowed, [](auto a, auto b) { return a < b; });
        least.workers = std::min(least.workers, current);
        return desired >= least.workers ? scaling_limit{desired, {}} : least;
    }

    rate_policy_options    o_;
    duration               longest_{};
    duration               resolution_{};
    std::array<change, 67> changes_{};
    std::size_t            begin_ = 0;
    std::size_t            count_ = 0;
    std::uint32_t          asked_ = 0;
    time_point             decided_at_{};
    time_point             last_{};
    bool                   started_ = false;
};

static_assert(scaling_limiter<rate_policy>);

}  // namespace sluice
