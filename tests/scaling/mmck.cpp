// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/erlang.hpp>
#include <sluice/scaling/mmc.hpp>
#include <sluice/scaling/mmck.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::mmck;
using sluice::model_seconds;
using sluice::per;
using sluice::per_second;

namespace {

/// The states' probabilities, one by one.
std::vector<long double> states(double load, std::uint32_t servers, std::uint32_t capacity) {
    std::vector<long double> p{1};
    long double sum = 1;
    for (std::uint32_t n = 1; n <= capacity; ++n) {
        p.push_back(p.back() * load / (n < servers ? n : servers));
        sum += p.back();
    }
    for (auto& value : p) value /= sum;
    return p;
}

}  // namespace

TEST_CASE("mmck: published queues", "[scaling][mmck][unit]") {
    mmck const loss({.arrival_rate = per_second(3), .service_time = 4s, .servers = 15, .capacity = 15});
    REQUIRE(loss.probability_blocked() == Approx(.0857292495).epsilon(1e-9));
    REQUIRE(loss.throughput_per_second() == Approx(2.7428122515).epsilon(1e-9));
    REQUIRE(loss.mean_in_system() == Approx(10.97124901).epsilon(1e-9));
    REQUIRE(loss.mean_queued() == 0);
    STATIC_REQUIRE(mmck({per_second(1), 1s, 1, 3}).probability_blocked() == .25);
    REQUIRE(loss.mean_wait() == model_seconds(0));

    mmck const five({.arrival_rate = per_second(8), .service_time = 250ms, .servers = 5, .capacity = 12});
    REQUIRE(five.mean_in_system() == Approx(2.039346065).epsilon(1e-9));
    REQUIRE(five.mean_queued() == Approx(.039463447).epsilon(1e-8));
    REQUIRE(five.mean_response().count() == Approx(.25493322).epsilon(1e-8));
    REQUIRE(five.throughput_per_second() == Approx(7.99953047).epsilon(1e-9));

    mmck const ten({.arrival_rate = per_second(.9), .service_time = 1s, .servers = 1, .capacity = 10});
    REQUIRE(ten.probability_blocked() == Approx(.05081373133).epsilon(1e-9));
    REQUIRE(ten.mean_in_system() == Approx(3.969440599).epsilon(1e-9));
    REQUIRE(ten.mean_response().count() == Approx(4.646600672).epsilon(1e-9));
}

TEST_CASE("mmck: it is the sum over its states, below, at and above saturation", "[scaling][mmck][property]") {
    auto const numbers = test::keys(900, test::seed());
    for (std::size_t i = 0; i + 3 <= numbers.size(); i += 3) {
        auto const servers = static_cast<std::uint32_t>(numbers[i] % 20 + 1);
        auto const capacity = servers + static_cast<std::uint32_t>(numbers[i + 1] % 60);
        auto const milli = numbers[i + 2] % 7 == 0 ? servers * 1000u : numbers[i + 2] % (servers * 3000u) + 1;
        mmck const queue({per(milli, 1000s), 1s, servers, capacity});
        double const load = static_cast<double>(milli) / 1000;
        CAPTURE(servers, capacity, load);
        auto const p = states(load, servers, capacity);
        long double queued = 0, busy = 0, all_busy = 0;
        for (std::uint32_t n = 0; n <= capacity; ++n) {
            queued += n > servers ? p[n] * (n - servers) : 0;
            busy += p[n] * (n < servers ? n : servers);
            all_busy += n >= servers ? p[n] : 0;
        }
        REQUIRE(queue.probability_blocked() == Approx(static_cast<double>(p[capacity])).epsilon(1e-10));
        REQUIRE(queue.mean_queued() == Approx(static_cast<double>(queued)).epsilon(1e-10).margin(1e-300));
        REQUIRE(queue.mean_busy() == Approx(static_cast<double>(busy)).epsilon(1e-10));
        REQUIRE(queue.probability_all_busy() == Approx(static_cast<double>(all_busy)).epsilon(1e-10));
        // The wait of the accepted, from the states that they meet.
        double const t = static_cast<double>(numbers[i] >> 54) / 512;
        long double longer = 0;
        for (std::uint32_t n = servers; n < capacity; ++n) {
            long double term = std::exp(static_cast<long double>(-t * servers));
            long double few = 0;
            for (std::uint32_t k = 0; k <= n - servers; ++k) {
                few += term;
                term *= t * servers / (k + 1);
            }
            longer += p[n] * few;
        }
        double const expected = static_cast<double>(longer / (1 - p[capacity]));
        REQUIRE(queue.probability_wait_above(model_seconds(t)) == Approx(expected).epsilon(1e-9).margin(1e-30));
        for (double q : {.5, .99}) {
            auto const wait = queue.wait_quantile(q);
            REQUIRE(queue.probability_wait_above(wait) <= (1 - q) * (1 + 1e-9));
            if (wait.count() > 0) REQUIRE(queue.probability_wait_above(wait) == Approx(1 - q).epsilon(1e-6));
        }
    }
}

TEST_CASE("mmck: its ends are Erlang's loss and the unbounded queue", "[scaling][mmck][unit]") {
    mmck const loss({per_second(180), 1s, 200, 200});
    REQUIRE(loss.probability_blocked() == Approx(sluice::erlang_b(200, 180)).epsilon(1e-12));
    sluice::mmc const unbounded(per_second(9), 1s, 10);
    mmck const roomy({per_second(9), 1s, 10, 1'000'000});
    REQUIRE(roomy.mean_queued() == Approx(*unbounded.mean_queued()).epsilon(1e-12));
    REQUIRE(roomy.mean_wait().count() == Approx(unbounded.mean_wait()->count()).epsilon(1e-12));
    REQUIRE(roomy.probability_all_busy() == Approx(unbounded.probability_wait()).epsilon(1e-12));
    REQUIRE(mmck({per_second(9), 1s, 10, 500}).probability_wait_above(1s) == Approx(unbounded.probability_wait_above(1s)));
}

TEST_CASE("mmck: overload is loss, and nothing overflows", "[scaling][mmck][unit]") {
    mmck const flood({per_second(1'000'000'000), 1s, 1, 100'000});
    REQUIRE(flood.throughput_per_second() == Approx(1).epsilon(1e-12));
    REQUIRE(flood.utilisation() == Approx(1).epsilon(1e-12));
    REQUIRE(flood.probability_blocked() == Approx(1 - 1e-9));
    REQUIRE(flood.mean_queued() == Approx(99'999).epsilon(1e-9));
    REQUIRE(flood.wait_quantile(.5).count() == Approx(99'999).epsilon(.01));
    mmck const idle({per(1, 10'000h), 1ns, 1'000, 2'000});
    REQUIRE(idle.probability_blocked() == 0);
    REQUIRE(idle.mean_queued() == 0);
    REQUIRE(idle.mean_wait() == model_seconds(0));
    REQUIRE(idle.wait_quantile(.999) == model_seconds(0));
    mmck const million({per_second(1'000'000), 1s, 1'000'000, 1'001'000});
    REQUIRE(million.probability_blocked() > 0);
    REQUIRE(million.probability_blocked() < .001);
    REQUIRE(million.probability_wait_above(model_seconds(HUGE_VAL)) == 0);
}

TEST_CASE("mmck: what it cannot work with is refused by name and value", "[scaling][mmck][unit]") {
    constexpr auto no_number = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(mmck({per_second(1), 1s, 0, 4}), test::contains("mmck: servers (> 0) is 0"));
    REQUIRE_THROWS_WITH(mmck({per_second(1), 1s, 4, 3}), test::contains("mmck: capacity (>= servers) is 3"));
    REQUIRE_THROWS_WITH(mmck({per_second(1), -1ns, 4, 4}), test::contains("mmck: service_time (> 0 ns) is -1"));
    mmck const queue({per_second(1), 1s, 4, 6});
    for (double bad : {-.1, 1., no_number}) REQUIRE_THROWS_AS(queue.wait_quantile(bad), std::invalid_argument);
    REQUIRE_THROWS_AS(queue.probability_wait_above(model_seconds(no_number)), std::invalid_argument);
    REQUIRE(queue.probability_wait_above(-1s) == 1);
}
