// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// scheduled, cron, civil_time — workers by the calendar.
///
/// Use it for     loads that come by the clock: office hours, the nightly batch, the first of the month; behind max_of
/// Not for        a load that merely tends to (predictive)
/// Thread-safety  one thread at a time
/// Complexity     O(1); O(entries × minutes of lead) once or twice a minute. No allocation after construction
/// Errors         constructor, cron: std::invalid_argument: no entry, one that never comes, a text that is none of the forms
/// Units          civil time of whatever place the calendar given speaks for; whole minutes
/// Source         the five fields of crontab(5)
/// Differs        from cron in that an entry is not a moment but every minute that it matches: "* 8-17 * * 1-5" is all of
///                the office hours. So nothing is missed while the process is down or the clock jumps
///
/// The time line of sluice has no beginning, so what o'clock it is, is asked: a calendar is a callable of a time_point.
/// fixed_offset_calendar is one without daylight saving; a time zone's own rules are the caller's to provide.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

struct civil_time {
    int           year = 1970;
    std::uint32_t month = 1;    ///< 1 … 12
    std::uint32_t day = 1;      ///< 1 … 31
    std::uint32_t weekday = 4;  ///< 0 … 6, Sunday is 0
    std::uint32_t hour = 0;     ///< 0 … 23
    std::uint32_t minute = 0;   ///< 0 … 59
    std::uint32_t second = 0;   ///< 0 … 60

    friend constexpr bool operator==(civil_time const&, civil_time const&) noexcept = default;
};

/// Knows what the date and the time are at a place.
template <class C>
concept calendar = std::move_constructible<C> && requires(C const& c, time_point t) {
    { c(t) } -> std::convertible_to<civil_time>;
};

/// UTC and an offset. `at` on the steady time line is `is` on the system's.
class fixed_offset_calendar {
public:
    constexpr fixed_offset_calendar(time_point at, std::chrono::sys_time<duration> is,
                                    std::chrono::minutes offset = {}) noexcept
        : at_(at), is_(saturating_add(is.time_since_epoch(), offset)) {}

    [[nodiscard]] constexpr civil_time operator()(time_point t) const noexcept {
        using namespace std::chrono;
        auto const local = sys_time<duration>(saturating_add(is_, saturating_sub(t, at_)));
        auto const date = floor<days>(local);
        year_month_day const ymd(date);
        hh_mm_ss const clock(floor<seconds>(local) - date);
        return {int(ymd.year()), unsigned(ymd.month()), unsigned(ymd.day()), weekday(date).c_encoding(),
                static_cast<std::uint32_t>(clock.hours().count()), static_cast<std::uint32_t>(clock.minutes().count()),
                static_cast<std::uint32_t>(clock.seconds().count())};
    }

private:
    time_point at_;
    duration   is_;
};

/// Which minutes: bit n of a field stands for n.
struct schedule_times {
    std::uint64_t minutes = (std::uint64_t{1} << 60) - 1;  ///< 0 … 59
    std::uint32_t hours = (1u << 24) - 1;                  ///< 0 … 23
    std::uint32_t days = 0xfffffffe;                       ///< 1 … 31
    std::uint32_t months = 0x1ffe;                         ///< 1 … 12
    std::uint32_t weekdays = 0x7f;                         ///< 0 … 6, Sunday is 0

    /// Where both days and weekdays are restricted, one of them is enough, as crontab has it.
    [[nodiscard]] constexpr bool contain(civil_time const& t) const noexcept {
        if (t.minute > 59 || t.hour > 23 || t.day > 31 || t.month > 12 || t.weekday > 6) return false;
        if (!(minutes >> t.minute & 1) || !(hours >> t.hour & 1) || !(months >> t.month & 1)) return false;
        bool const by_day = days >> t.day & 1;
        bool const by_weekday = weekdays >> t.weekday & 1;
        bool const both = (days | 1) != 0xffffffff && (weekdays & 0x7f) != 0x7f;
        return both ? by_day || by_weekday : by_day && by_weekday;
    }

    /// Some minute of some year is in it.
    [[nodiscard]] constexpr bool possible() const noexcept {
        if ((minutes << 4) == 0 || (hours << 8) == 0) return false;
        if ((weekdays & 0x7f) == 0) return false;
        if ((days & 0xfffffffe) == 0) return false;
        bool const both = (days | 1) != 0xffffffff && (weekdays & 0x7f) != 0x7f;
        for (std::uint32_t month = 1; month <= 12; ++month) {
            if (!(months >> month & 1)) continue;
            std::uint32_t const last = month == 2 ? 29 : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
            if (both || (days & 0xfffffffe & (0xffffffff >> (31 - last))) != 0) return true;
        }
        return false;
    }

    friend constexpr bool operator==(schedule_times const&, schedule_times const&) noexcept = default;
};

namespace detail {

class cron_text {
public:
    constexpr explicit cron_text(std::string_view text) : all_(text), rest_(text) {}

    /// A list of "*", "n", "n-m", each with "/step" behind it if wanted. As bits; `wrap` is another name of 0, or 0.
    constexpr std::uint64_t field(std::uint32_t least, std::uint32_t most, std::uint32_t wrap = 0) {
        while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
        std::uint64_t bits = 0;
        do {
            std::uint32_t from = least, to = most, step = 1;
            bool range = true;
            if (taken('*')) {
            } else {
                from = to = number(least, wrap != 0 ? wrap : most);
                range = taken('-');
                if (range) to = number(from, wrap != 0 ? wrap : most);
            }
            if (taken('/')) {
                step = number(1, most);
                if (!range) to = most;  // "5/10": from 5 on
            }
            for (std::uint32_t n = from; n <= to; n += step) bits |= std::uint64_t{1} << (wrap != 0 && n == wrap ? 0 : n);
        } while (taken(','));
        if (!rest_.empty() && rest_.front() != ' ') refuse();
        return bits;
    }

    constexpr void end() const {
        for (char const c : rest_)
            if (c != ' ') refuse();
    }

private:
    constexpr bool taken(char c) {
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }

    constexpr std::uint32_t number(std::uint32_t least, std::uint32_t most) {
        std::uint32_t n = 0;
        std::size_t digits = 0;
        for (; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9' && digits < 4; ++digits) {
            n = n * 10 + static_cast<std::uint32_t>(rest_.front() - '0');
            rest_.remove_prefix(1);
        }
        if (digits == 0 || n < least || n > most) refuse();
        return n;
    }

    [[noreturn]] void refuse() const {
        throw std::invalid_argument("sluice: cron: text (minutes hours days months weekdays) is \"" + std::string(all_) +
                                    "\"");
    }

    std::string_view all_;
    std::string_view rest_;
};

}  // namespace detail

/// Five fields, separated by blanks: minutes, hours, days of the month, months, weekdays (0 … 7, 0 and 7 are Sunday); each
/// "*" or a list of numbers, ranges and "/steps": "*/15 8-17 * 1,4,7,10 1-5".
[[nodiscard]] constexpr schedule_times cron(std::string_view text) {
    detail::cron_text fields(text);
    schedule_times t;
    t.minutes = fields.field(0, 59);
    t.hours = static_cast<std::uint32_t>(fields.field(0, 23));
    t.days = static_cast<std::uint32_t>(fields.field(1, 31));
    t.months = static_cast<std::uint32_t>(fields.field(1, 12));
    t.weekdays = static_cast<std::uint32_t>(fields.field(0, 6, 7));
    fields.end();
    return t;
}

struct schedule_entry {
    schedule_times times{};
    std::uint32_t  workers = 0;
};

struct scheduled_options {
    std::vector<schedule_entry>  entries{};    ///< not empty; where several match, the most workers
    std::optional<std::uint32_t> otherwise{};  ///< workers where none matches; empty: no opinion
    duration                     lead{};       ///< start-up time: an increase is asked for so much earlier; 0 … 24 h
};

template <calendar Calendar>
class scheduled {
public:
    scheduled(scheduled_options o, Calendar what_time) : o_(std::move(o)), calendar_(std::move(what_time)) {
        if (o_.entries.empty()) throw std::invalid_argument("sluice: scheduled: entries (at least one) is 0");
        for (std::size_t i = 0; i < o_.entries.size(); ++i)
            detail::require_number(o_.entries[i].times.possible(), "scheduled: an entry (must come some time), number",
                                   static_cast<double>(i));
        detail::require_number(o_.lead.count() >= 0 && o_.lead <= std::chrono::hours(24),
                               "scheduled: lead (0 … 24 h, in ns)", static_cast<double>(o_.lead.count()));
    }

    /// The sample is not looked at.
    recommendation recommend(scaling_sample const&, time_point now) {
        if (!valid_ || now < from_ || now >= until_) look(now);
        if (!workers_) return {{}, "scheduled: no entry", until_};
        return {static_cast<double>(*workers_), early_ ? "scheduled: ahead of time" : "scheduled", until_};
    }

    /// What the entries say at a moment, without the lead.
    [[nodiscard]] std::optional<std::uint32_t> workers_at(civil_time const& t) const noexcept {
        std::optional<std::uint32_t> most;
        for (auto const& entry : o_.entries)
            if (entry.times.contain(t)) most = std::max(most.value_or(0), entry.workers);
        return most ? most : o_.otherwise;
    }

private:
    [[nodiscard]] static duration to_next_minute(civil_time const& t) noexcept {
        return std::chrono::seconds(t.second < 59 ? 60 - t.second : 1);
    }

    /// Once per minute, and again when another one comes within the lead.
    void look(time_point now) {
        civil_time const present = calendar_(now);
        auto valid_for = to_next_minute(present);
        workers_ = workers_at(present);
        early_ = false;
        duration ahead = valid_for;
        while (ahead <= o_.lead) {
            civil_time const t = calendar_(saturating_add(now, ahead));
            auto const then = workers_at(t);
            if (then && *then > workers_.value_or(0)) {
                workers_ = then;
                early_ = true;
            }
            ahead += to_next_minute(t);
        }
        valid_for = std::min(valid_for, ahead - o_.lead);
        from_ = now;
        until_ = saturating_add(now, valid_for);
        valid_ = true;
    }

    scheduled_options            o_;
    Calendar                     calendar_;
    std::optional<std::uint32_t> workers_;
    time_point                   from_{};
    time_point                   until_{};
    bool                         early_ = false;
    bool                         valid_ = false;
};

}  // namespace sluice
