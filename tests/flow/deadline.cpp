// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/deadline.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <vector>

using namespace std::chrono_literals;
using sluice::deadline;
using sluice::duration;
using sluice::time_point;

namespace {

constexpr time_point at(duration d) { return time_point(d); }

}  // namespace

TEST_CASE("deadline: it ends at a time, and then has ended", "[flow][deadline][unit]") {
    constexpr auto d = deadline::after(100ms, at(1s));
    STATIC_REQUIRE(d.has_end());
    STATIC_REQUIRE(d.end() == at(1100ms));
    STATIC_REQUIRE(d.issued() == at(1s));
    STATIC_REQUIRE(d.remaining(at(1s)) == 100ms);
    STATIC_REQUIRE(d.remaining(at(1099ms)) == 1ms);
    STATIC_REQUIRE(d.remaining(at(1100ms)) == 0ms);
    STATIC_REQUIRE(d.remaining(at(5s)) == 0ms);
    STATIC_REQUIRE(d.remaining(at(0s)) == 1100ms);  // a clock that stepped back
    STATIC_REQUIRE(!d.expired(at(1100ms - 1ns)));
    STATIC_REQUIRE(d.expired(at(1100ms)));
    STATIC_REQUIRE(deadline::after(0ms, at(1s)).expired(at(1s)));
    STATIC_REQUIRE(deadline::after(-1ms, at(1s)).expired(at(1s)));
    STATIC_REQUIRE(deadline::at(at(2s)).end() == at(2s));
    STATIC_REQUIRE(deadline::at(at(2s)).issued() == time_point::min());
    STATIC_REQUIRE(d.allows(100ms, at(1s)));
    STATIC_REQUIRE(!d.allows(100ms + 1ns, at(1s)));
    STATIC_REQUIRE(!d.allows(0ms, at(1100ms)));
    STATIC_REQUIRE(!d.allows(duration::max(), at(1s)));
}

TEST_CASE("deadline: none never ends", "[flow][deadline][unit]") {
    constexpr auto none = deadline::none();
    STATIC_REQUIRE(!none.has_end());
    STATIC_REQUIRE(!none.expired(time_point::max()));
    STATIC_REQUIRE(none.remaining(time_point::max()) == duration::max());
    STATIC_REQUIRE(none.remaining(time_point::min()) == duration::max());
    STATIC_REQUIRE(none.allows(duration::max(), time_point::max()));
    STATIC_REQUIRE(deadline{} == none);
    STATIC_REQUIRE(!deadline::after(duration::max(), at(-5s)).has_end());
    STATIC_REQUIRE(none.shrink(duration::max(), at(1s)).has_end() == false);
    STATIC_REQUIRE(none.shrink(200ms, at(1s), 50ms).end() == at(1200ms));
}

TEST_CASE("deadline: sums stay on the time line", "[flow][deadline][unit]") {
    STATIC_REQUIRE(deadline::after(duration::max() - 1ns, at(5s)).end() == time_point::max());
    STATIC_REQUIRE(deadline::after(duration::min(), at(-5s)).end() == time_point::min());
    STATIC_REQUIRE(deadline::at(at(5s)).remaining(time_point::min()) == duration::max());
    STATIC_REQUIRE(deadline::at(at(5s)).shrink(duration::max(), time_point::min()).end() == at(5s));
    STATIC_REQUIRE(deadline::at(time_point::min()).remaining(time_point::max()) == 0ns);
    STATIC_REQUIRE(deadline::at(time_point::min()).expired(time_point::min()));
}

TEST_CASE("deadline: the next hop gets the least of its own time-out and what is left", "[flow][deadline][unit]") {
    constexpr auto d = deadline::after(100ms, at(0s));
    STATIC_REQUIRE(d.shrink(200ms, at(30ms), 5ms).end() == at(95ms));
    STATIC_REQUIRE(d.shrink(200ms, at(30ms), 5ms).issued() == at(30ms));
    STATIC_REQUIRE(d.shrink(20ms, at(30ms), 5ms).end() == at(50ms));
    STATIC_REQUIRE(d.shrink(duration::max(), at(30ms)).end() == at(100ms));
    STATIC_REQUIRE(d.shrink(200ms, at(97ms), 5ms).expired(at(97ms)));
    STATIC_REQUIRE(d.shrink(200ms, at(300ms), 5ms).expired(at(300ms)));
    STATIC_REQUIRE(d.shrink(200ms, at(30ms), -5ms).end() == at(100ms));  // a margin never lengthens it
    STATIC_REQUIRE(d.shrink(-1ms, at(30ms)).expired(at(30ms)));

    STATIC_REQUIRE(deadline::min_budget(300ms, 1s, 600ms, 150ms) == 250ms);
    STATIC_REQUIRE(deadline::min_budget(200ms, 1s, 600ms, 150ms) == 200ms);
    STATIC_REQUIRE(deadline::min_budget(200ms, 1s, 2s, 0ms) == 0ms);
    STATIC_REQUIRE(deadline::min_budget(200ms, duration::max(), 2s, 1s) == 200ms);
    STATIC_REQUIRE(deadline::min_budget(duration::max(), duration::max(), 0s, 0s) == duration::max());
    STATIC_REQUIRE(deadline::min_budget(1s, 1s, duration::min(), duration::min()) == 1s);
    STATIC_REQUIRE(deadline::min_budget(1s, -1s, duration::max(), duration::max()) == 0s);
    STATIC_REQUIRE(deadline::min_budget(1s, duration::min(), duration::max(), duration::max()) == 0s);
}

TEST_CASE("deadline: combined is the later issue and the earlier end", "[flow][deadline][unit]") {
    constexpr auto a = deadline::at(at(10s), at(1s));
    constexpr auto b = deadline::at(at(8s), at(3s));
    STATIC_REQUIRE(combined(a, b) == deadline::at(at(8s), at(3s)));
    STATIC_REQUIRE(combined(b, a) == combined(a, b));
    STATIC_REQUIRE(combined(deadline::at(at(8s), at(1s)), deadline::at(at(10s), at(3s))) == deadline::at(at(8s), at(3s)));
    STATIC_REQUIRE(combined(a, deadline::none()) == a);
    STATIC_REQUIRE(combined(deadline::none(), deadline::none()) == deadline::none());
}

TEST_CASE("deadline: they are ordered by their ends, none last", "[flow][deadline][unit]") {
    std::vector<deadline> all{deadline::none(), deadline::at(at(2s), at(1s)), deadline::at(at(1s)), deadline::at(at(2s))};
    std::sort(all.begin(), all.end());
    REQUIRE(all == std::vector<deadline>{deadline::at(at(1s)), deadline::at(at(2s)), deadline::at(at(2s), at(1s)),
                                         deadline::none()});
}

TEST_CASE("deadline: the time in a queue is charged", "[flow][deadline][unit]") {
    // Received at 10 s with 50 ms left, taken out of the queue 45 ms later: the call onward has 5 ms, not 50.
    auto const d = deadline::from_header("50m", at(10s));
    REQUIRE(d);
    REQUIRE(d->shrink(30ms, at(10s + 45ms)).remaining(at(10s + 45ms)) == 5ms);
    REQUIRE(d->shrink(30ms, at(10s + 45ms)).to_header(at(10s + 45ms)) == "5000000n");
    REQUIRE(d->expired(at(10s + 50ms)));
}

TEST_CASE("deadline: a header carries what is left, never more", "[flow][deadline][unit]") {
    struct row {
        duration    left;
        char const* text;
    };
    for (auto const& r : {row{0ns, "0n"}, row{-5s, "0n"}, row{1ns, "1n"}, row{99'999'999ns, "99999999n"},
            row{100ms, "100000u"},
                          row{100'000'999ns, "100000u"}, row{1500ms, "1500000u"}, row{100s, "100000m"},
                                  row{99'999'999ms, "99999999m"},
                          row{100'000'000ms, "100000S"}, row{99'999'999s, "99999999S"}, row{100'000'000s, "1666666M"},
                          row{duration::max() - 1ns, "2562047H"}}) {
        CAPTURE(r.text);
        REQUIRE(deadline::after(r.left, at(0s)).to_header(at(0s)) == r.text);
    }
    REQUIRE(deadline::none().to_header(at(0s)).empty());
}

TEST_CASE("deadline: what is no header is told apart from none", "[flow][deadline][unit]") {
    REQUIRE(deadline::from_header("", at(1s)) == deadline::none());
    REQUIRE(deadline::from_header("0n", at(1s))->expired(at(1s)));
    REQUIRE(deadline::from_header("2S", at(1s))->end() == at(3s));
    REQUIRE(deadline::from_header("3M", at(1s))->end() == at(181s));
    REQUIRE(deadline::from_header("1H", at(0s))->end() == at(3600s));
    REQUIRE(deadline::from_header("7u", at(0s))->end() == at(7us));
    REQUIRE(deadline::from_header("2562047H", at(0s))->remaining(at(0s)) == 2562047h);
    REQUIRE_FALSE(deadline::from_header("2562048H", at(0s))->has_end());
    REQUIRE_FALSE(deadline::from_header("99999999H", at(0s))->has_end());
    for (auto const* text : {"n", "5", "5s", "5 m", " 5m", "-5m", "+5m", "5mm", "5.5m", "100000000n",
                             "99999999999999999999n",
                             "0x5m", "m5", "-0n", "000000005m"}) {
        CAPTURE(text);
        REQUIRE_FALSE(deadline::from_header(text, at(0s)).has_value());
    }
}

TEST_CASE("deadline: a header read back is at most a unit shorter", "[flow][deadline][property]") {
    for (auto const key : test::keys(5'000, test::seed())) {
        auto const left = duration(static_cast<std::int64_t>(key >> (1 + key % 60)));
        auto const back = deadline::from_header(deadline::after(left, at(3s)).to_header(at(3s)), at(0s));
        CAPTURE(left.count());
        REQUIRE(back);
        if (left == duration::max()) continue;
        REQUIRE(back->end() <= at(left));
        auto const found = static_cast<double>(back->end().time_since_epoch().count());
        REQUIRE(found >= static_cast<double>(left.count()) * 0.999998 - 4e9);
    }
}
