// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::word_rule — limiters whose state is one word beside numbers that any number of keys share.
///
/// Use it for     the table of keyed: one rule for all keys, one word for each
/// Thread-safety  a rule is a value; any thread
/// Complexity     O(1)
/// Errors         a rule's constructor throws std::invalid_argument where one word is not enough
/// Units          a mark is a position on the time line in units of the rule's own; it grows with time
///
/// schedule_rule is GCRA for keys: the word is the mark at which the bucket is full again. It counts in units of u
/// nanoseconds, of which one token takes a whole number m: u is 1 if the interval of the rate is a whole number of
/// nanoseconds, otherwise a little more than 1, and then m · u is the interval exactly. So the rate is exact, though the
/// word has no fraction; a unit is less than two nanoseconds, and by so much may a request after a pause come early.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/units.hpp>
#include <sluice/flow/detail/counter_rule.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>

namespace sluice::detail {

struct word_step {
    std::uint64_t next;  ///< the word to store if the answer is admitted
    verdict       answer;
};

/// undo is the word without what the receipt's owner took, or the word itself where nothing can be given back; receipts
/// hold the words before and after. Words are at most last_word. fresh_word is good for every time; from mark
/// full_mark(word) on, a word is as good. not_before(word, mark) admits at most what word does, and before `mark` at most
/// what a word does that is full then.
template <class R>
concept word_rule = std::copyable<R> && requires(R const& rule, std::uint64_t n, time_point t) {
    { rule.step(n, n, t) } noexcept -> std::same_as<word_step>;
    { rule.mark(t) } noexcept -> std::same_as<std::uint64_t>;
    { rule.time_of(n) } noexcept -> std::same_as<time_point>;
    { rule.full_mark(n) } noexcept -> std::same_as<std::uint64_t>;
    { rule.not_before(n, n) } noexcept -> std::same_as<std::uint64_t>;
    { rule.grace() } noexcept -> std::same_as<std::uint64_t>;
    { rule.undo(n, receipt{}) } noexcept -> std::same_as<std::uint64_t>;
};

inline constexpr std::uint64_t fresh_word = 0;
inline constexpr std::uint64_t last_word = UINT64_MAX - 1;  ///< the one above is for the table

class schedule_rule {
public:
    /// Tokens at a rate, so many at once.
    schedule_rule(rate r, std::uint64_t burst)
        : units_(static_cast<std::uint64_t>(r.period().count()) / static_cast<std::uint64_t>(r.count())), burst_(burst),
          inverse_(units_ > 0 ? UINT64_MAX / units_ : 0) {
        require_option(units_ > 0, "keyed: rate (at most one per ns)", r.to_per_second());
        require_option(burst > 0 && burst <= (std::uint64_t{1} << 62) / units_, "keyed: burst (1 ... 2^62 ns of the rate)", burst);
        ratio_up_ = static_cast<std::uint64_t>(r.count()) * units_;  // units in ratio_down_ nanoseconds
        ratio_down_ = static_cast<std::uint64_t>(r.period().count());
        full_ = burst * units_;
    }

    /// One token in each interval, with a tolerance that may hold a part of one.
    schedule_rule(duration interval, duration tolerance) : schedule_rule(per(1, checked(interval)), tokens(interval, tolerance)) {
        full_ = static_cast<std::uint64_t>(tolerance.count()) + units_;
    }

    [[nodiscard]] word_step step(std::uint64_t word, std::uint64_t cost, time_point now) const noexcept {
        auto const v = mark(now);
        auto const debt = word > v ? word - v : 0;  // units that are missing
        auto const have = debt < full_ ? full_ - debt : 0;
        if (cost == 0) return {word, verdict::admit(tokens(have))};
        if (cost > burst_) return {word, verdict::refuse(tokens(have))};
        auto const need = cost * units_;
        if (need <= have) {
            auto const base = v + debt;
            return {base > last_word - need ? last_word : base + need, verdict::admit(tokens(have - need))};
        }
        auto const wait = saturating_sub(time_of(word - (full_ - need)), now);
        return {word, verdict::later(std::max(wait, duration(1)), tokens(have))};
    }

    [[nodiscard]] std::uint64_t mark(time_point t) const noexcept {
        auto const d = distance(t);
        return ratio_up_ == ratio_down_ ? d : multiply_divide(d, ratio_up_, ratio_down_, round_to::floor);
    }
    [[nodiscard]] time_point time_of(std::uint64_t mark) const noexcept {
        auto const d = ratio_up_ == ratio_down_ ? mark : multiply_divide(mark, ratio_down_, ratio_up_, round_to::ceiling);
        return time_point(duration(static_cast<std::int64_t>(d ^ (std::uint64_t{1} << 63))));
    }
    [[nodiscard]] std::uint64_t full_mark(std::uint64_t word) const noexcept { return word; }
    [[nodiscard]] std::uint64_t not_before(std::uint64_t word, std::uint64_t mark) const noexcept {
        return std::max(word, std::min(mark, last_word));
    }
    [[nodiscard]] std::uint64_t grace() const noexcept { return units_; }
    /// The units up to the word are nobody else's than his who moved the word there last.
    [[nodiscard]] std::uint64_t undo(std::uint64_t word, receipt const& r) const noexcept {
        return word == r.to ? r.from : word;
    }

private:
    [[nodiscard]] static duration checked(duration interval) {
        require_option(interval.count() > 0, "keyed: emission_interval (> 0 ns)", interval.count());
        return interval;
    }
    [[nodiscard]] static std::uint64_t tokens(duration interval, duration tolerance) {
        require_option(tolerance.count() >= 0, "keyed: burst_tolerance (>= 0 ns)", tolerance.count());
        return static_cast<std::uint64_t>(tolerance.count() / checked(interval).count()) + 1;
    }
    [[nodiscard]] static std::uint64_t distance(time_point t) noexcept {
        return static_cast<std::uint64_t>(t.time_since_epoch().count()) ^ (std::uint64_t{1} << 63);
    }
    /// units / units_, by a multiplication.
    [[nodiscard]] std::uint64_t tokens(std::uint64_t units) const noexcept {
        auto const q = multiply_wide(units, inverse_).high;  // the quotient, or one less
        return q + static_cast<std::uint64_t>(units - q * units_ >= units_);
    }

    std::uint64_t units_;
    std::uint64_t burst_;
    std::uint64_t inverse_;
    std::uint64_t ratio_up_ = 1;
    std::uint64_t ratio_down_ = 1;
    std::uint64_t full_ = 0;
};

/// sliding_window_counter for keys. A mark is the index of a window.
class counter_word_rule {
public:
    explicit counter_word_rule(counter_rule const& rule)
        : rule_(rule), layout_(counter_layout::of(rule.grid, rule.limit)) {
        require_option(layout_.fits(), "keyed: limit of sliding_window_counter (must fit into one word, see there)", rule.limit);
    }

    [[nodiscard]] word_step step(std::uint64_t word, std::uint64_t cost, time_point now) const noexcept {
        auto const s = rule_.step(layout_.unpack(word), cost, now);
        return {layout_.pack(s.next), s.answer};
    }
    [[nodiscard]] std::uint64_t mark(time_point t) const noexcept { return rule_.grid.at(t).index; }
    [[nodiscard]] time_point time_of(std::uint64_t mark) const noexcept { return rule_.grid.point(mark, 0); }
    [[nodiscard]] std::uint64_t full_mark(std::uint64_t word) const noexcept {
        auto const c = layout_.unpack(word);
        return c.current != 0 ? c.index + 2 : c.previous != 0 ? c.index + 1 : c.index;
    }
    [[nodiscard]] std::uint64_t not_before(std::uint64_t word, std::uint64_t mark) const noexcept {
        auto const c = layout_.unpack(word);
        return mark > c.index ? layout_.pack(rule_.moved(c, std::min(mark, rule_.grid.last_index()))) : word;
    }
    [[nodiscard]] std::uint64_t grace() const noexcept { return 0; }
    [[nodiscard]] std::uint64_t undo(std::uint64_t word, receipt const& r) const noexcept {
        if (word == r.to) return r.from;
        auto c = layout_.unpack(word);
        return rule_.take_back(c, layout_.unpack(r.to).index, r.cost) != 0 ? layout_.pack(c) : word;
    }

private:
    counter_rule   rule_;
    counter_layout layout_;
};

static_assert(word_rule<schedule_rule> && word_rule<counter_word_rule>);

}  // namespace sluice::detail
