// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/rfc_codel.hpp>

#include "support/catch.hpp"
#include "support/queue_nodes.hpp"
#include "support/random.hpp"

#include <sluice/core/random.hpp>

#include <cmath>
#include <deque>
#include <vector>

using namespace std::chrono_literals;
using test::at_ms;

TEST_CASE("rfc8289_codel: a standing queue loses items at the times of the control law", "[flow][rfc_codel][unit]") {
    // A server that looks every 10 µs finds a queue that always stands for longer than the target.
    test::entries              nodes;
    sluice::rfc8289_codel      d;
    std::vector<sluice::time_point> drops;
    nodes.push(d, 0, {}, at_ms(-50));
    for (std::int64_t step = 0; drops.size() < 100; ++step) {
        auto const now = sluice::time_point(step * 10us);
        nodes.push(d, 0, {}, now - 50ms);
        nodes.push(d, 0, {}, now - 50ms);
        auto p = d.pop(now);
        if (p.shed) {
            drops.push_back(now);
            p = d.pop(now);
        }
        REQUIRE_FALSE(p.shed);
    }
    double const expected[] = {100, 200, 270.711, 328.446, 378.446, 423.167, 463.992, 501.788, 537.144, 570.477};
    for (std::size_t i = 0; i < std::size(expected); ++i) {
        INFO("drop " << i + 1);
        auto const late = drops[i] - at_ms(expected[i]);
        REQUIRE(late > -1us);
        REQUIRE(late < 11us);
    }
    REQUIRE(std::chrono::abs(drops[99] - at_ms(1948.96)) < 20us);
}

TEST_CASE("rfc8289_codel: the law to the nanosecond, up to the thousandth drop", "[flow][rfc_codel][unit]") {
    // A server that looks just before each drop is due, and then.
    test::entries         nodes;
    sluice::rfc8289_codel d;
    for (int i = 0; i < 4000; ++i) nodes.push(d, 0, {}, at_ms(-50));
    REQUIRE_FALSE(d.pop(at_ms(0)).shed);
    double due = 100e6;
    for (int k = 1; k <= 1000; ++k) {
        INFO("drop " << k);
        auto const early = sluice::time_point(sluice::duration(static_cast<std::int64_t>(due) - 600));
        auto const on_time = sluice::time_point(sluice::duration(static_cast<std::int64_t>(due) + 600));
        REQUIRE_FALSE(d.pop(early).shed);
        // The first drop sets the next by its own time, which must be exact here.
        auto const now = k == 1 ? at_ms(100) : on_time;
        REQUIRE(d.pop(now).shed);
        REQUIRE_FALSE(d.pop(now).shed);
        if (k == 100) REQUIRE(due / 1e6 == Approx(1948.96).margin(0.005));
        if (k == 1000) REQUIRE(due / 1e6 == Approx(6276.9).margin(0.05));
        due += 100e6 / std::sqrt(k);
    }
}

namespace {

/// The pseudo-code of RFC 8289, section 5, with a loop and a queue of its own.
class pseudo_code {
public:
    std::deque<std::pair<int, sluice::time_point>> queue;
    std::vector<int>                               dropped;

    int dequeue(sluice::time_point now) {
        auto r = dodequeue(now);
        auto const delta = count - lastcount;
        if (dropping) {
            if (!r.ok_to_drop) dropping = false;
            while (dropping && now >= drop_next) {
                dropped.push_back(r.id);
                ++count;
                r = dodequeue(now);
                if (!r.ok_to_drop) dropping = false;
                else drop_next = law(drop_next, count);
            }
        } else if (r.ok_to_drop) {
            dropped.push_back(r.id);
            r = dodequeue(now);
            dropping = true;
            (void)delta;
            auto const d = count - lastcount;
            count = 1;
            if (d > 1 && now - drop_next < 16 * 20ms) count = d;
            drop_next = law(now, count);
            lastcount = count;
        }
        return r.id;
    }

private:
    struct result {
        int  id;
        bool ok_to_drop;
    };
    result dodequeue(sluice::time_point now) {
        if (queue.empty()) {
            first_above = {};
            return {-1, false};
        }
        auto const [id, since] = queue.front();
        queue.pop_front();
        bool ok = false;
        if (now - since < 3ms || queue.empty()) first_above = {};
        else if (first_above == sluice::time_point{}) first_above = now + 20ms;
        else if (now >= first_above) ok = true;
        return {id, ok};
    }
    static sluice::time_point law(sluice::time_point t, unsigned n) {
        return t + sluice::duration(static_cast<std::int64_t>(20e6 / std::sqrt(static_cast<double>(n)) + 0.5));
    }

    sluice::time_point first_above{}, drop_next{};
    unsigned           count = 0, lastcount = 0;
    bool               dropping = false;
};

}  // namespace

TEST_CASE("rfc8289_codel: it does what the pseudo-code of the RFC does", "[flow][rfc_codel][property]") {
    sluice::xoshiro256ss  random(test::seed());
    sluice::rfc8289_codel d({.target = 3ms, .interval = 20ms});
    pseudo_code           model;
    test::entries         nodes;
    auto                  now = at_ms(1000);
    std::size_t           dropped = 0;
    for (int i = 1; i < 40'000; ++i) {
        bool const busy = i / 1000 % 3 != 0;
        now += std::chrono::microseconds(sluice::uniform_below(random, 1500));
        if (sluice::uniform_below(random, 20) < (busy ? 11u : 8u)) {
            nodes.push(d, i, {}, now);
            model.queue.emplace_back(i, now);
            continue;
        }
        model.dropped.clear();
        int const        expected = model.dequeue(now);
        std::vector<int> shed;
        auto             p = d.pop(now);
        for (; p.shed; p = d.pop(now)) shed.push_back(test::id_of(p.node));
        REQUIRE(test::id_of(p.node) == expected);
        REQUIRE(shed == model.dropped);
        dropped += shed.size();
    }
    REQUIRE(dropped > 300);
}

TEST_CASE("rfc8289_codel: the last item is never dropped", "[flow][rfc_codel][unit]") {
    test::entries         nodes;
    sluice::rfc8289_codel d;
    for (int i = 0; i < 1000; ++i) {
        nodes.push(d, i, {}, at_ms(i - 1000));
        REQUIRE(test::pop(d, at_ms(i)) == i);
    }
}

TEST_CASE("rfc8289_codel: impossible times are refused", "[flow][rfc_codel][unit]") {
    REQUIRE_THROWS_WITH(sluice::rfc8289_codel({.target = 0ms}), test::contains("rfc8289_codel: target (> 0 ns) is 0"));
    REQUIRE_THROWS_WITH(sluice::rfc8289_codel({.interval = -1ns}), test::contains("interval (> 0 ns) is -1"));
}
