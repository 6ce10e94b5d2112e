// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/outlier_detector.hpp>

#include "routing/around.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::node_index;
using sluice::outlier_change;
using sluice::outlier_detector_options;
using sluice::outlier_reason;
using detector = sluice::outlier_detector<>;
using outcome = sluice::outlier_outcome;

namespace {

void report(detector& d, node_index node, outcome o, int times, double t = 0, sluice::duration latency = 1ms) {
    for (int n = 0; n < times; ++n) d.report(node, o, latency, test::at(t));
}

/// Successes and errors mixed so that no row is ever long (as long as a fifth succeed); the first is an error.
void mixed(detector& d, node_index node, int successes, int errors, double t = 0) {
    int const all = successes + errors;
    for (int n = 0, done = 0; n < all; ++n) {
        bool const success = (n + 1) * successes / all > done;
        done += success;
        report(d, node, success ? outcome::success : outcome::error, 1, t);
    }
}

std::set<node_index> ejected(detector const& d) {
    std::set<node_index> all;
    for (node_index i = 0; i < d.size(); ++i)
        if (d.ejected(i)) all.insert(i);
    return all;
}
using set = std::set<node_index>;

outlier_detector_options only_rows() {
    return {.success_rate = {}, .failure_percentage = {}, .return_jitter = 0};
}

}  // namespace

TEST_CASE("outlier_detector: a row of errors ejects at once, a success ends it", "[routing][outlier_detector][unit]") {
    struct row {
        std::string    calls;  // s, e, g
        bool           ejected;
        outlier_reason reason;
    };
    auto const none = outlier_reason::none;
    auto const by_errors = outlier_reason::consecutive_errors, by_gateway = outlier_reason::consecutive_gateway_errors;
    for (auto const& r : {row{"eeee", false, none}, row{"eeeee", true, by_errors}, row{"eeeeseeee", false, none},
                          row{"eeeeseeeee", true, by_errors}, row{"ggggg", true, by_gateway}, row{"ggegg", true, by_errors},
                          row{"gegeg", true, by_errors}, row{"gggegg", true, by_errors}, row{"ggsggsgg", false, none},
                          row{"eegessgggg", false, none}}) {
        CAPTURE(r.calls);
        detector d(2, only_rows());
        for (char const c : r.calls)
            report(d, 1, c == 's' ? outcome::success : c == 'e' ? outcome::error : outcome::gateway_error, 1, 3);
        REQUIRE(d.ejected(1) == r.ejected);
        REQUIRE_FALSE(d.ejected(0));
        REQUIRE_FALSE(d.ejected(2));
        REQUIRE(d.status(1).reason == r.reason);
        REQUIRE(d.ejected_count() == (r.ejected ? 1u : 0u));
        if (r.ejected) REQUIRE(d.status(1).until == test::at(33));
    }
    auto off = only_rows();
    off.consecutive_errors = off.consecutive_gateway_errors = 0;
    detector d(2, off);
    report(d, 0, outcome::gateway_error, 1000);
    REQUIRE_FALSE(d.ejected(0));
}

TEST_CASE("outlier_detector: longer each time up to the longest, one less for a clean interval", "[routing][outlier_detector][unit]") {
    auto o = only_rows();
    o.max_ejection = 75s;
    detector d(2, o);
    double   t = 0;
    auto const out = [&] {
        report(d, 0, outcome::error, 5, t);
        REQUIRE(d.ejected(0));
        return std::chrono::duration<double>(d.status(0).until - test::at(t)).count();
    };
    auto const back = [&](double after) {
        t += after;
        d.evaluate(test::at(t));
        return !d.ejected(0);
    };
    REQUIRE(out() == 30);
    REQUIRE_FALSE(back(29.999));
    report(d, 0, outcome::error, 44, t);  // what was on its way
    REQUIRE(back(.001));
    report(d, 0, outcome::error, 4, t);   // and does not count afterwards
    REQUIRE_FALSE(d.ejected(0));
    report(d, 0, outcome::success, 1, t);
    REQUIRE(out() == 60);
    REQUIRE(back(60));
    REQUIRE(out() == 75);
    REQUIRE(back(75));
    REQUIRE(out() == 75);
    REQUIRE(back(75));
    REQUIRE(d.status(0).multiplier == 3);  // the longest is reached: it does not grow without effect
    REQUIRE(back(9.5));                    // not a whole interval yet
    REQUIRE(d.status(0).multiplier == 3);
    REQUIRE(back(.5));
    REQUIRE(d.status(0).multiplier == 2);
    REQUIRE(back(10));
    REQUIRE(d.status(0).multiplier == 1);
    REQUIRE(out() == 60);
    REQUIRE(back(60));
    REQUIRE(back(20));                     // two intervals in one call
    REQUIRE(d.status(0).multiplier == 0);
    REQUIRE(back(1e6));
    REQUIRE(d.status(0).multiplier == 0);
    REQUIRE(out() == 30);
}

TEST_CASE("outlier_detector: no more than the share is ejected, and never the last", "[routing][outlier_detector][unit]") {
    struct row {
        std::size_t   nodes;
        std::uint32_t percent;
        bool          one;
        std::size_t   most;
    };
    for (auto const& r : {row{1, 100, true, 0}, row{2, 10, true, 1}, row{2, 100, true, 1}, row{5, 10, true, 1}, row{5, 10, false, 0},
                          row{9, 10, false, 0}, row{10, 10, false, 1}, row{15, 10, true, 1}, row{19, 10, true, 1}, row{20, 10, true, 2},
                          row{29, 10, false, 2}, row{100, 10, true, 10}, row{4, 50, true, 2}, row{4, 0, true, 1}, row{4, 0, false, 0},
                          row{4, 75, true, 3}, row{4, 99, true, 3}, row{4, 100, false, 3}, row{0, 100, true, 0}}) {
        CAPTURE(r.nodes, r.percent, r.one);
        auto o = only_rows();
        o.max_ejected_percent = r.percent;
        o.at_least_one = r.one;
        detector d(r.nodes, o);
        for (node_index i = 0; i < r.nodes; ++i) report(d, i, outcome::error, 5);
        REQUIRE(d.ejected_count() == r.most);
        REQUIRE(ejected(d).size() == r.most);
        REQUIRE(d.refused_count() == r.nodes - r.most);
    }
    auto all = only_rows();
    all.max_ejected_percent = 100;
    detector once(4, all);  // what is ejected is not ejected again
    report(once, 2, outcome::error, 50);
    REQUIRE((once.ejected_count() == 1 && once.refused_count() == 0 && once.status(2).multiplier == 1));
    detector d(2, only_rows());  // refused, then judged afresh with the next row
    report(d, 0, outcome::error, 5);
    report(d, 1, outcome::error, 9, 29);
    REQUIRE(ejected(d) == set{0});
    d.evaluate(test::at(30));
    report(d, 1, outcome::error, 1, 30);
    REQUIRE(ejected(d) == set{1});
}

TEST_CASE("outlier_detector: a success rate far below the others", "[routing][outlier_detector][unit]") {
    outlier_detector_options o{.consecutive_errors = 0, .failure_percentage = {}};
    struct row {
        std::vector<int> errors;  // of 100, or of `calls`
        int              calls;
        set              out;
    };
    // Four at 100 %, one at x: mean (400 + x)/5, deviation .4 (100 - x); limit 80 + .2 x - .76 (100 - x): any x < 100 is below.
    // Six at 100 %, two at x: mean 75 + x/4, deviation .433 (100 - x): x is 1.73 deviations below.
    for (auto const& r : {row{{0, 0, 0, 0, 50}, 100, {4}}, row{{0, 0, 0, 0, 1}, 100, {4}}, row{{0, 0, 0, 0, 50}, 99, {}},
                          row{{0, 0, 0, 50}, 100, {}}, row{{0, 0, 0, 0, 0, 0, 90, 90}, 100, {}}, row{{7, 7, 7, 7, 7}, 101, {}},
                          row{{90, 90, 90, 90, 90}, 300, {}}, row{{0, 0, 0, 0, 0, 0, 50, 90}, 100, {7}}}) {
        CAPTURE(r.errors, r.calls);
        detector d(r.errors.size(), o);
        for (node_index i = 0; i < r.errors.size(); ++i) mixed(d, i, r.calls - r.errors[i], r.errors[i]);
        d.evaluate(test::at(9.999));
        REQUIRE(ejected(d).empty());
        d.evaluate(test::at(10));
        REQUIRE(ejected(d) == r.out);
        for (auto const i : r.out) REQUIRE(d.status(i).reason == outlier_reason::success_rate);
        d.evaluate(test::at(20));  // counts of one interval do not live in the next
        REQUIRE(ejected(d) == r.out);
    }
}

TEST_CASE("outlier_detector: equal rates have no outlier, whatever rounding makes of them", "[routing][outlier_detector][unit]") {
    outlier_detector_options o{.consecutive_errors = 0, .failure_percentage = {}, .max_ejected_percent = 100};
    o.success_rate = sluice::outlier_success_rate{.deviations = 0, .min_requests = 1};
    for (std::size_t n = 5; n < 13; ++n)
        for (int good = 1; good < 30; ++good) {
            detector d(n, o);
            for (node_index i = 0; i < n; ++i) mixed(d, i, good, 7);
            d.evaluate(test::at(10));
            REQUIRE(ejected(d).empty());
        }
}

TEST_CASE("outlier_detector: a share of failures, however the others are", "[routing][outlier_detector][unit]") {
    outlier_detector_options o{.consecutive_errors = 0, .success_rate = {}, .max_ejected_percent = 100};
    struct row {
        std::vector<int> errors;
        int              calls;
        set              out;
    };
    for (auto const& r : {row{{0, 0, 0, 0, 85}, 100, {4}}, row{{0, 0, 0, 0, 84}, 100, {}}, row{{0, 0, 0, 85}, 100, {}},
                          row{{0, 0, 0, 0, 49}, 49, {}}, row{{0, 0, 0, 0, 50}, 50, {4}}, row{{90, 90, 90, 90, 80}, 100, {0, 1, 2, 3}},
                          row{{90, 95, 90, 90, 90}, 100, {0, 1, 2, 3}}}) {  // never the last: of equal ones the first go
        CAPTURE(r.errors, r.calls);
        detector d(r.errors.size(), o);
        for (node_index i = 0; i < r.errors.size(); ++i) mixed(d, i, r.calls - r.errors[i], r.errors[i]);
        d.evaluate(test::at(10));
        REQUIRE(ejected(d) == r.out);
        for (auto const i : r.out) REQUIRE(d.status(i).reason == outlier_reason::failure_percentage);
    }
    o.max_ejected_percent = 20;  // the worst of them, not the first of the list
    detector d(5, o);
    for (node_index i = 0; i < 5; ++i) mixed(d, i, i == 3 ? 2 : 10, i == 3 ? 98 : 90);
    d.evaluate(test::at(10));
    REQUIRE(ejected(d) == set{3});
}

TEST_CASE("outlier_detector: latency far above the median", "[routing][outlier_detector][unit]") {
    outlier_detector_options o{.consecutive_errors = 0, .success_rate = {}, .failure_percentage = {}};
    o.latency = sluice::outlier_latency{};
    auto const judge = [&](std::vector<sluice::duration> const& means, int calls) {
        detector d(means.size(), o);
        for (node_index i = 0; i < means.size(); ++i) {
            report(d, i, outcome::success, calls, 0, means[i]);
            report(d, i, outcome::error, 200, 0, 0ns);  // quick failures make nobody fast
        }
        d.evaluate(test::at(10));
        return ejected(d);
    };
    REQUIRE(judge({10ms, 11ms, 9ms, 10ms, 31ms}, 50) == set{4});
    REQUIRE(judge({10ms, 11ms, 9ms, 10ms, 30ms}, 50) == set{});
    REQUIRE(judge({10ms, 11ms, 9ms, 10ms, 31ms}, 49) == set{});
    REQUIRE(judge({10ms, 11ms, 10ms, 31ms}, 50) == set{});
    REQUIRE(judge({10us, 11us, 10us, 11us, 900us}, 50) == set{});  // fast enough
    REQUIRE(judge({10ms, 40ms, 10ms, 10ms, 50ms, 10ms}, 50) == set{4});  // the worst; for one only there is room
    REQUIRE(judge({10ms, 10ms, 10ms, sluice::duration::max(), 10ms}, 60) == set{3});
    REQUIRE(judge({sluice::duration::min(), -1ns, 10ms, 0ns, 0ns}, 60) == set{2});
    o.latency.reset();
    REQUIRE(judge({10ms, 11ms, 9ms, 10ms, 31s}, 50) == set{});
}

TEST_CASE("outlier_detector: the random part of an ejection is within its bound", "[routing][outlier_detector][unit]") {
    auto o = only_rows();
    o.return_jitter = .5;
    detector d(2, o);
    double   least = 1e9, most = 0;
    for (int n = 0; n < 400; ++n) {
        report(d, 0, outcome::error, 5, 0);
        auto const s = std::chrono::duration<double>(d.status(0).until - test::at(0)).count();
        least = std::min(least, s);
        most = std::max(most, s);
        d.join(0);  // without a past: 30 s again
    }
    REQUIRE((least >= 30 && least < 30.5 && most <= 45 && most > 44.5));  // 400 draws: 1 in 10^5 that none is in a 30th
    detector other(2, o), same(2, o);
    report(other, 1, outcome::error, 5);
    report(same, 1, outcome::error, 5);
    REQUIRE(other.status(1).until == same.status(1).until);
}

TEST_CASE("outlier_detector: each change is told once, in order", "[routing][outlier_detector][unit]") {
    detector                    d(3, only_rows());
    std::vector<outlier_change> seen;
    auto const                  look = [&](double t) {
        seen.clear();
        d.evaluate(test::at(t), [&](outlier_change const& c) { seen.push_back(c); });
    };
    report(d, 2, outcome::error, 5, 1);
    look(2);
    REQUIRE(seen.size() == 1);
    REQUIRE((seen[0].node == 2 && seen[0].ejected && seen[0].until == test::at(31)));
    REQUIRE(seen[0].reason == outlier_reason::consecutive_errors);
    look(3);
    REQUIRE(seen.empty());
    look(31);
    REQUIRE((seen.size() == 1 && seen[0].node == 2 && !seen[0].ejected));
    report(d, 0, outcome::error, 5, 31);
    look(200);  // ejected and returned since the last look
    REQUIRE((seen.size() == 2 && seen[0].ejected && !seen[1].ejected && seen[1].node == 0));

    report(d, 1, outcome::error, 5, 200);
    REQUIRE_THROWS_AS(d.evaluate(test::at(300), [](outlier_change const&) { throw std::runtime_error("no"); }),
                      std::runtime_error);
    look(301);  // the one that threw counts as told, the rest is not lost
    REQUIRE((seen.size() == 1 && !seen[0].ejected));
}

TEST_CASE("outlier_detector: members come and go", "[routing][outlier_detector][unit]") {
    auto o = only_rows();
    o.max_ejected_percent = 50;
    detector d(4, o);
    report(d, 0, outcome::error, 5);
    report(d, 1, outcome::error, 5);
    REQUIRE(d.ejected_count() == 2);
    d.leave(0);
    REQUIRE((d.ejected_count() == 1 && !d.ejected(0)));
    report(d, 0, outcome::error, 50);  // nobody
    REQUIRE(ejected(d) == set{1});
    d.leave(1);
    d.leave(1);
    d.leave(2);
    REQUIRE(d.ejected_count() == 0);
    report(d, 3, outcome::error, 5);   // the last member
    REQUIRE(ejected(d).empty());
    d.join(1);
    report(d, 3, outcome::error, 5);
    REQUIRE(ejected(d) == set{3});
    REQUIRE(d.status(1).multiplier == 0);
    d.leave(3);
    d.leave(1);
    report(d, 1, outcome::error, 5);
    REQUIRE(d.ejected_count() == 0);
}

TEST_CASE("outlier_detector: clocks that go back, and the ends of time", "[routing][outlier_detector][unit]") {
    auto o = only_rows();
    o.base_ejection = o.max_ejection = sluice::duration::max();
    detector d(2, o, test::at(100));
    report(d, 0, outcome::error, 5, 50);
    REQUIRE(d.status(0).until == sluice::time_point::max());
    d.evaluate(sluice::time_point::min());
    REQUIRE(d.ejected(0));
    d.evaluate(sluice::time_point::max());
    REQUIRE_FALSE(d.ejected(0));
    d.evaluate(test::at(0));
    report(d, 0, outcome::error, 5, 0);
    REQUIRE(d.ejected(0));
    REQUIRE(d.status(0).multiplier == 1);
    o.base_ejection = 1ns;
    o.interval = sluice::duration::max();
    o.return_jitter = 1;
    detector e(2, o, sluice::time_point::max());
    report(e, 0, outcome::error, 5, 1);
    e.evaluate(sluice::time_point::max());
    REQUIRE_FALSE(e.ejected(0));
}

TEST_CASE("outlier_detector: what cannot work is refused by name", "[routing][outlier_detector][unit]") {
    double const nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
    auto const   refused = [](char const* name, auto change) {
        outlier_detector_options o;
        change(o);
        REQUIRE_THROWS_WITH(detector(3, o), test::contains(name));
        REQUIRE_THROWS_AS(detector(3, o), std::invalid_argument);
    };
    refused("interval", [](auto& o) { o.interval = 0s; });
    refused("base_ejection", [](auto& o) { o.base_ejection = 0s; });
    refused("max_ejection", [](auto& o) { o.max_ejection = 29s; });
    for (double const bad : {nan, inf, -.1, 1.1}) refused("return_jitter", [=](auto& o) { o.return_jitter = bad; });
    refused("max_ejected_percent", [](auto& o) { o.max_ejected_percent = 101; });
    for (double const bad : {nan, inf, -1.}) refused("deviations", [=](auto& o) { o.success_rate->deviations = bad; });
    refused("min_nodes", [](auto& o) { o.success_rate->min_nodes = 0; });
    refused("min_requests", [](auto& o) { o.failure_percentage->min_requests = 0; });
    refused("percent (1 to 100)", [](auto& o) { o.failure_percentage->percent = 101; });
    refused("percent (1 to 100)", [](auto& o) { o.failure_percentage->percent = 0; });
    for (double const bad : {nan, inf, .9}) refused("factor", [=](auto& o) { o.latency = sluice::outlier_latency{.factor = bad}; });
    refused("ignore", [](auto& o) { o.latency = sluice::outlier_latency{.ignore = -1ns}; });
    for (std::uint64_t n = 0; n < 2; ++n) {
        test::scarce_memory const scarce(n);
        REQUIRE_THROWS_AS(detector(100), std::bad_alloc);
    }
}

TEST_CASE("outlier_detector: agrees with a naive model of the rates", "[routing][outlier_detector][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 60; ++round) {
        auto const n = static_cast<std::size_t>(3 + sluice::uniform_below(rng, 10));
        outlier_detector_options o{.consecutive_errors = 0};
        o.failure_percentage.reset();
        o.success_rate = sluice::outlier_success_rate{.deviations = .5 * static_cast<double>(sluice::uniform_below(rng, 4)),
                                                      .min_nodes = 4, .min_requests = 20};
        o.max_ejected_percent = 100;
        detector            d(n, o);
        std::vector<double> rate(n, -1);  // percent; -1: too few calls
        double              sum = 0, squares = 0;
        int                 counted = 0;
        for (node_index i = 0; i < n; ++i) {
            int const calls = 15 + static_cast<int>(sluice::uniform_below(rng, 40));
            int const good = static_cast<int>(sluice::uniform_below(rng, static_cast<std::uint64_t>(calls) + 1));
            mixed(d, i, good, calls - good);
            if (calls < 20) continue;
            rate[i] = 100. * good / calls;
            sum += rate[i];
            ++counted;
        }
        double const mean = sum / counted;
        for (double const r : rate)
            if (r >= 0) squares += (r - mean) * (r - mean);
        double const         limit = mean - o.success_rate->deviations * std::sqrt(squares / counted);
        std::set<node_index> out;
        if (counted >= 4)
            for (node_index i = 0; i < n; ++i)
                if (rate[i] >= 0 && rate[i] < limit) out.insert(i);
        d.evaluate(test::at(10));
        if (out.size() < n) REQUIRE(ejected(d) == out);
    }
}

TEST_CASE("outlier_detector: threads that report eject once, and nothing allocates", "[routing][outlier_detector][unit]") {
    auto o = only_rows();
    o.consecutive_errors = 20'000;
    o.latency = sluice::outlier_latency{};
    o.success_rate = sluice::outlier_success_rate{};
    detector                     d(8, o);
    std::vector<std::uint64_t>   allocations(3);
    std::vector<outlier_change>  seen;
    seen.reserve(100);
    test::run_threads(3, [&](std::size_t me) {
        test::scarce_memory const none(~std::uint64_t{0} - 1);
        for (int n = 0; n < 10'000; ++n) {
            if (me < 2) d.report(5, outcome::error, 1ms, test::at(1));  // together exactly one row
            else {
                d.report(static_cast<node_index>(n % 5), n % 3 ? outcome::success : outcome::gateway_error, 1ms, test::at(1));
                d.evaluate(test::at(1), [&](outlier_change const& c) { seen.push_back(c); });
            }
        }
        allocations[me] = none.allocations();
    });
    d.evaluate(test::at(1), [&](outlier_change const& c) { seen.push_back(c); });
    REQUIRE(ejected(d) == set{5});
    REQUIRE(seen.size() == 1);
    REQUIRE(d.status(5).multiplier == 1);
    {
        test::scarce_memory const none(0);
        d.evaluate(test::at(10));
        d.evaluate(test::at(100));
        REQUIRE(none.allocations() == 0);
    }
    REQUIRE(allocations == std::vector<std::uint64_t>{0, 0, 0});
}
