// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/count_window.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <deque>
#include <random>

using sluice::breaker_tally;
using sluice::count_window;
using sluice::time_point;

TEST_CASE("count_window: it holds the last calls, as a deque does", "[flow][count_window][property]") {
    std::mt19937_64 random(test::seed());
    for (std::uint32_t size : {1u, 2u, 7u, 64u}) {
        count_window                       window({.size = size});
        std::deque<sluice::breaker_sample> model;
        for (int i = 0; i < 2000; ++i) {
            if (random() % 200 == 0) {
                window.reset();
                model.clear();
            }
            sluice::breaker_sample const s{random() % 3 == 0, random() % 4 == 0, {}};
            window.record(s, time_point{});
            model.push_back(s);
            if (model.size() > size) model.pop_front();
            breaker_tally expected;
            for (auto const& m : model) expected.add(m);
            REQUIRE(window.tally(time_point{}) == expected);
        }
    }
}

TEST_CASE("count_window: the minimum is at most its size, rates are compared with >=", "[flow][count_window][unit]") {
    count_window window({.size = 4});
    auto const   opens = [&](double rate, std::uint64_t minimum) {
        return window.opens({.minimum_calls = minimum, .failure_rate = rate, .slow_rate = 1}, time_point{});
    };
    CHECK_FALSE(opens(.5, 1));
    window.record({.failed = true}, time_point{});
    CHECK(opens(1, 1));
    CHECK_FALSE(opens(1, 2));
    for (bool failed : {true, false, false}) window.record({.failed = failed}, time_point{});
    CHECK(opens(.5, 100));
    CHECK_FALSE(opens(.51, 100));
    CHECK_THROWS_WITH(count_window({.size = 0}), test::contains("count_window: size"));
}
