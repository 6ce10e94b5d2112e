// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/scheduled.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>

using namespace std::chrono_literals;
using sluice::civil_time;
using sluice::cron;
using sluice::duration;
using sluice::fixed_offset_calendar;
using sluice::schedule_times;
using sluice::scheduled;
using sluice::scheduled_options;
using sluice::time_point;

namespace {

/// Monday 2024-01-01 00:00 UTC is the beginning of the time line.
constexpr fixed_offset_calendar monday(time_point{}, std::chrono::sys_days(std::chrono::year(2024) / 1 / 1));

std::optional<double> at(scheduled<fixed_offset_calendar>& s, duration t) { return s.recommend({}, time_point(t)).desired; }

}  // namespace

TEST_CASE("fixed_offset_calendar: the civil time of a moment", "[scaling][scheduled][unit]") {
    STATIC_REQUIRE(monday(time_point{}) == civil_time{2024, 1, 1, 1, 0, 0, 0});
    STATIC_REQUIRE(monday(time_point(23h + 59min + 59s + 999ms)) == civil_time{2024, 1, 1, 1, 23, 59, 59});
    REQUIRE(monday(time_point(-1ns)) == civil_time{2023, 12, 31, 0, 23, 59, 59});
    REQUIRE(monday(time_point(24h * 59 + 1min)) == civil_time{2024, 2, 29, 4, 0, 1, 0});
    REQUIRE(monday(time_point(24h * 366)) == civil_time{2025, 1, 1, 3, 0, 0, 0});
    fixed_offset_calendar const india(time_point(5s), std::chrono::sys_days(std::chrono::year(1970) / 1 / 1), 330min);
    REQUIRE(india(time_point(5s)) == civil_time{1970, 1, 1, 4, 5, 30, 0});
    REQUIRE(india(time_point(0s)) == civil_time{1970, 1, 1, 4, 5, 29, 55});
    (void)monday(time_point::max());
    (void)monday(time_point::min());
}

TEST_CASE("cron: the five fields", "[scaling][scheduled][unit]") {
    STATIC_REQUIRE(cron("* * * * *") == schedule_times{});
    constexpr auto office = cron("*/15 8-17 * 1,4,7,10 1-5");
    STATIC_REQUIRE(office.minutes == (1ull | 1ull << 15 | 1ull << 30 | 1ull << 45));
    STATIC_REQUIRE(office.hours == 0x3ff00);
    STATIC_REQUIRE(office.days == 0xfffffffe);
    STATIC_REQUIRE(office.months == (1u << 1 | 1u << 4 | 1u << 7 | 1u << 10));
    STATIC_REQUIRE(office.weekdays == 0x3e);
    REQUIRE(cron("  5   0 1 1 0 ") == cron("5 0 1 1 7"));
    REQUIRE(cron("0 0 * * 5-7").weekdays == (1u | 1u << 5 | 1u << 6));
    REQUIRE(cron("10-20/5,40 * * * *").minutes == (1ull << 10 | 1ull << 15 | 1ull << 20 | 1ull << 40));
    REQUIRE(cron("50/5 * * * *").minutes == (1ull << 50 | 1ull << 55));
    REQUIRE(cron("* * 31 * *").days == 1u << 31);
    for (std::string const bad : {"",
                                  "*",
                                  "* * * *",
                                  "* * * * * *",
                                  "60 * * * *",
                                  "* 24 * * *",
                                  "* * 0 * *",
                                  "* * 32 * *",
                                  "* * * 0 *",
                                  "* * * 13 *",
                                  "* * * * 8",
                                  "5-3 * * * *",
                                  "*/0 * * * *",
                                  "1, * * * *",
                                  ",1 * * * *",
                                  "-1 * * * *",
                                  "a * * * *",
                                  "1-* * * * *",
                                  "* * * * mon",
                                  "1.5 * * * *",
                                  "99999 * * * *",
                                  "1-2-3 * * * *",
                                  "*5 * * * *",
                                  "*\t* * * *"}) {
        CAPTURE(bad);
        REQUIRE_THROWS_AS(static_cast<void>(cron(bad)), std::invalid_argument);
    }
}

TEST_CASE("schedule_times: days and weekdays", "[scaling][scheduled][unit]") {
    civil_time const friday_13{2024, 9, 13, 5, 12, 0, 0};
    civil_time const friday_20{2024, 9, 20, 5, 12, 0, 0};
    civil_time const sunday_13{2024, 10, 13, 0, 12, 0, 0};
    REQUIRE(cron("* * 13 * *").contain(friday_13));
    REQUIRE_FALSE(cron("* * 13 * *").contain(friday_20));
    REQUIRE_FALSE(cron("* * * * 5").contain(sunday_13));
    auto const either = cron("* * 13 * 5");
    REQUIRE(either.contain(friday_13));
    REQUIRE(either.contain(friday_20));
    REQUIRE(either.contain(sunday_13));
    REQUIRE_FALSE(either.contain({2024, 10, 14, 1, 12, 0, 0}));
    // A calendar's nonsense matches nothing.
    REQUIRE_FALSE(schedule_times{}.contain({2024, 13, 1, 0, 0, 0, 0}));
    REQUIRE_FALSE(schedule_times{}.contain({2024, 99, 99, 99, 99, 99, 99}));
    REQUIRE(cron("* * 29 2 *").possible());
    REQUIRE_FALSE(cron("* * 30 2 *").possible());
    REQUIRE_FALSE(cron("* * 31 4,6,9,11 *").possible());
    REQUIRE(cron("* * 31 4,6,9,11 1").possible());  // every Monday of those months
    REQUIRE_FALSE(schedule_times{.minutes = 0}.possible());
    REQUIRE_FALSE(schedule_times{.minutes = 1ull << 60}.possible());
    REQUIRE_FALSE(schedule_times{.hours = 1u << 24}.possible());
    REQUIRE_FALSE(schedule_times{.days = 1}.possible());
    REQUIRE_FALSE(schedule_times{.months = 1}.possible());
    REQUIRE_FALSE(schedule_times{.weekdays = 0x80}.possible());
}

TEST_CASE("scheduled: office hours and a nightly batch", "[scaling][scheduled][unit]") {
    STATIC_REQUIRE(sluice::recommender<scheduled<fixed_offset_calendar>>);
    scheduled s({.entries = {{cron("* 8-17 * * 1-5"), 143}, {cron("* 2 * * *"), 20}, {cron("30-59 8 * * 1"), 200}}}, monday);
    REQUIRE_FALSE(at(s, 0s));
    REQUIRE(at(s, 2h) == 20.);
    REQUIRE(at(s, 2h + 59min + 59s) == 20.);
    REQUIRE_FALSE(at(s, 3h));
    REQUIRE(at(s, 8h) == 143.);
    REQUIRE(at(s, 8h + 30min) == 200.);  // the most of those that match
    REQUIRE(at(s, 9h) == 143.);
    REQUIRE(at(s, 17h + 59min + 59s) == 143.);
    REQUIRE_FALSE(at(s, 18h));
    REQUIRE(at(s, 24h + 8h + 30min) == 143.);
    REQUIRE_FALSE(at(s, 5 * 24h + 9h));  // Saturday
    REQUIRE(at(s, 2h) == 20.);           // back in time: the calendar of then
    scheduled floor({.entries = {{cron("* 8-17 * * 1-5"), 143}}, .otherwise = 15}, monday);
    REQUIRE(at(floor, 0s) == 15.);
    REQUIRE(at(floor, 8h) == 143.);
}

TEST_CASE("scheduled: with a lead, up early and down on time", "[scaling][scheduled][unit]") {
    for (duration const lead : {duration(15s), duration(60s), duration(90s), duration(10min), duration(3h)}) {
        CAPTURE(lead.count());
        scheduled s({.entries = {{cron("* 8 * * *"), 143}, {cron("* 9 * * *"), 50}}, .otherwise = 15, .lead = lead}, monday);
        auto const answer = [&](duration t) { return s.recommend({}, time_point(t)); };
        REQUIRE(answer(8h - lead - 1s).desired == 15);
        REQUIRE(answer(8h - lead).desired == 143);
        REQUIRE(answer(8h - lead).reason == "scheduled: ahead of time");
        REQUIRE(answer(8h).reason == "scheduled");
        REQUIRE(answer(9h - 1s).desired == 143);
        REQUIRE(answer(9h).desired == 50);
        REQUIRE(answer(10h).desired == 15);
        // Whoever looks again when told to misses nothing.
        duration t = 4h;
        duration raised{};
        for (int looks = 0; t < 9h + 30min; ++looks) {
            REQUIRE(looks < 1500);
            auto const r = answer(t);
            if (raised == duration(0) && r.desired == 143) raised = t;
            REQUIRE(r.look_again.value() > time_point(t));
            t = r.look_again->time_since_epoch();
        }
        REQUIRE(raised == 8h - lead);
    }
}

TEST_CASE("scheduled: what was found stays right until it says so", "[scaling][scheduled][property]") {
    scheduled_options const o{
        .entries = {{cron("*/7 */3 * * *"), 30}, {cron("10-20 5 * * 1,3"), 80}, {cron("5 * 2 * *"), 9}}, .lead = 100s};
    scheduled kept(o, monday);
    for (duration t = 0s; t < 50h; t += 13s) {
        scheduled fresh(o, monday);
        auto const a = kept.recommend({}, time_point(t));
        auto const b = fresh.recommend({}, time_point(t));
        CAPTURE(t.count());
        REQUIRE(a.desired == b.desired);
    }
}

TEST_CASE("scheduled: any calendar will do", "[scaling][scheduled][unit]") {
    int asked = 0;
    scheduled s({.entries = {{cron("* * 24 12 *"), 1}}}, [&asked](time_point) {
        ++asked;
        return civil_time{2024, 12, 24, 2, 20, 15, 58};
    });
    REQUIRE(s.recommend({}, time_point{}).desired == 1);
    REQUIRE(s.recommend({}, time_point(1999ms)).desired == 1);
    REQUIRE(asked == 1);
    REQUIRE(s.recommend({}, time_point(2s)).look_again == time_point(4s));
    REQUIRE(asked == 2);
    (void)s.recommend({}, time_point::max());
    (void)s.recommend({}, time_point::min());
}

TEST_CASE("scheduled: schedules that cannot be", "[scaling][scheduled][unit]") {
    auto const refuses = [](scheduled_options o) {
        REQUIRE_THROWS_AS(static_cast<void>(scheduled(o, monday)), std::invalid_argument);
    };
    refuses({});
    refuses({.otherwise = 3});
    refuses({.entries = {{{}, 1}, {cron("0 0 30 2 *"), 1}}});
    refuses({.entries = {{{}, 1}}, .lead = -1ns});
    refuses({.entries = {{{}, 1}}, .lead = 24h + 1ns});
}
