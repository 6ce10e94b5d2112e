// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// deadline — by when an answer is of use, carried from caller to callee as what is left of it.
///
/// Use it for     the end of a request's life: given by the user, shrunk at every hop, looked at before work begins
/// Not for        checking that the time-outs of a chain fit into each other (timeout_plan)
/// Thread-safety  a value; any thread
/// Complexity     O(1), 16 bytes; to_header may allocate
/// Errors         to_header may throw std::bad_alloc; a header that cannot be read is nullopt; the rest is noexcept
/// Units          integer nanoseconds on the local time line; headers carry a duration, never a time: clocks differ
/// Source         Finagle's Deadline (combined); the text form is that of grpc-timeout
///
///     auto const d = sluice::deadline::from_header(request.header("grpc-timeout"), received_at);   // queueing counts
///     …
///     if (d->expired(clock.now())) return;                                   // nobody waits for this answer
///     auto const sub = d->shrink(200ms, clock.now(), 5ms);                    // min(own, what is left - margin)
///     call(sub.to_header(clock.now()));

#include <sluice/core/clock.hpp>

#include <algorithm>
#include <charconv>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace sluice {

class deadline {
public:
    /// No deadline: it never expires.
    constexpr deadline() noexcept = default;

    [[nodiscard]] static constexpr deadline none() noexcept { return {}; }
    [[nodiscard]] static constexpr deadline at(time_point end, time_point issued = time_point::min()) noexcept {
        return deadline(issued, end);
    }

    /// Ends `budget` after `now`, for which one gives the time at which the request came in: then waiting in a queue counts.
    /// A budget of zero or less has ended; duration::max() is none.
    [[nodiscard]] static constexpr deadline after(duration budget, time_point now) noexcept {
        if (budget == duration::max()) return deadline(now, time_point::max());
        return deadline(now, saturating_add(now, budget));
    }

    [[nodiscard]] constexpr bool has_end() const noexcept { return end_ != time_point::max(); }

    /// When it ends; time_point::max() for none.
    [[nodiscard]] constexpr time_point end() const noexcept { return end_; }

    /// When it was given; time_point::min() if unknown.
    [[nodiscard]] constexpr time_point issued() const noexcept { return issued_; }

    /// What is left: 0 when it has ended, duration::max() for none.
    [[nodiscard]] constexpr duration remaining(time_point now) const noexcept {
        if (!has_end()) return duration::max();
        return std::max(saturating_sub(end_, now), duration{0});
    }

    /// Whether the end has come; at the very end it has.
    [[nodiscard]] constexpr bool expired(time_point now) const noexcept { return has_end() && now >= end_; }

    /// Whether work that takes `service` can still be done before the end.
    [[nodiscard]] constexpr bool allows(duration service, time_point now) const noexcept {
        return !expired(now) && saturating_add(now, service) <= end_;
    }

    /// For a call to the next hop that begins at `now`: the earlier of our own time-out for it and what is left, less a
    /// margin for the way back. `own` may be duration::max(). A negative margin counts as none.
    [[nodiscard]] constexpr deadline shrink(duration own, time_point now, duration margin = duration{0}) const noexcept {
        deadline next = after(min_budget(own, remaining(now), duration{0}, margin), now);
        next.end_ = std::min(next.end_, end_);  // also where what is left was too long for a duration
        return next;
    }

    /// The same in durations: min(own, upstream - elapsed - margin), at least 0; max() where nothing limits it.
    [[nodiscard]] static constexpr duration min_budget(duration own, duration upstream, duration elapsed,
                                                       duration margin) noexcept {
        if (upstream != duration::max()) {
            auto const less = [](duration from, duration d) {
                return d.count() <= 0 ? from : from.count() <= 0 ? duration{0} : std::max(from - d, duration{0});
            };
            own = std::min(own, less(less(upstream, elapsed), margin));
        }
        return std::max(own, duration{0});
    }

    /// Both at once: the later time of issue and the earlier end.
    [[nodiscard]] friend constexpr deadline combined(deadline const& a, deadline const& b) noexcept {
        return deadline(std::max(a.issued_, b.issued_), std::min(a.end_, b.end_));
    }

    /// By the end, none last; then by the time of issue.
    friend constexpr std::strong_ordering operator<=>(deadline const& a, deadline const& b) noexcept {
        if (a.end_ != b.end_) return a.end_ < b.end_ ? std::strong_ordering::less : std::strong_ordering::greater;
        if (a.issued_ == b.issued_) return std::strong_ordering::equal;
        return a.issued_ < b.issued_ ? std::strong_ordering::less : std::strong_ordering::greater;
    }
    friend constexpr bool operator==(deadline const&, deadline const&) noexcept = default;

    /// What is left as at most eight digits and a unit (n u m S M H), never more than what is left: "1500000u". Empty
    /// for none; "0n" when it has ended.
    [[nodiscard]] std::string to_header(time_point now) const {
        if (!has_end()) return {};
        std::int64_t value = remaining(now).count();
        std::size_t  u = 0;
        while (value > most && u + 1 < std::size(units)) {
            ++u;
            value = remaining(now).count() / units[u].nanoseconds;
        }
        return std::to_string(value) + units[u].letter;
    }

    /// From a header received at `received`. Empty is none, and so is more than 292 years; nullopt where it is not digits,
    /// eight at most, and a unit.
    [[nodiscard]] static std::optional<deadline> from_header(std::string_view text, time_point received) noexcept {
        if (text.empty()) return none();
        if (text.size() > 9) return std::nullopt;
        std::int64_t      value = 0;
        char const* const last = text.data() + text.size() - 1;
        auto const [stop, error] = std::from_chars(text.data(), last, value);
        if (error != std::errc{} || stop != last || text.front() == '-') return std::nullopt;
        for (auto const& u : units) {
            if (*last != u.letter) continue;
            if (value > duration::max().count() / u.nanoseconds) return after(duration::max(), received);
            return after(duration(value * u.nanoseconds), received);
        }
        return std::nullopt;
    }

private:
    struct unit {
        char         letter;
        std::int64_t nanoseconds;
    };
    static constexpr unit units[] = {{'n', 1},
                                     {'u', 1'000},
                                     {'m', 1'000'000},
                                     {'S', 1'000'000'000},
                                     {'M', 60'000'000'000},
                                     {'H', 3'600'000'000'000}};
    static constexpr std::int64_t most = 99'999'999;  // eight digits

    constexpr deadline(time_point issued, time_point end) noexcept : issued_(issued), end_(end) {}

    time_point issued_ = time_point::min();
    time_point end_ = time_point::max();
};

}  // namespace sluice
