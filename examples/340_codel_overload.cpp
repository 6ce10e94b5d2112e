// SPDX-License-Identifier: BSL-1.0
// 340 — a server at 1.5 times its capacity, whose clients leave after 100 ms: which queue lets it do useful work?
// Build:  c++ -std=c++20 -Iinclude examples/340_codel_overload.cpp -pthread
#include <sluice/core/random.hpp>
#include <sluice/flow/bounded_queue.hpp>
#include <sluice/flow/codel.hpp>
#include <cmath>
#include <cstdio>

using namespace std::chrono_literals;

// 60 s of virtual time: requests come at random, 1500 a second, and the server needs 1 ms for each on average.
template <class Queue>
void run(char const* name, Queue& queue, bool with_deadline) {
    sluice::xoshiro256ss random(1);
    auto const exponential = [&](double mean_ns) {
        return sluice::duration(static_cast<std::int64_t>(-std::log(1 - sluice::uniform_real(random)) * mean_ns));
    };
    sluice::time_point arrival{}, server_free{};
    int refused = 0, served = 0, in_time = 0;
    while (arrival < sluice::time_point(60s)) {
        if (server_free <= arrival) {  // the server takes the next request, or waits for one
            if (auto const request = queue.try_pop(server_free)) {
                auto const took = exponential(1e6);
                server_free += took;
                queue.report_service(took);
                ++served;
                in_time += server_free - request->value <= 100ms;
                continue;
            }
            server_free = arrival;
        }
        sluice::item_attributes const about{.deadline = with_deadline ? arrival + 100ms : sluice::no_deadline};
        refused += !queue.push(arrival, about, arrival).accepted();
        arrival += exponential(1e9 / 1500);
    }
    auto const counters = queue.counters();
    auto const dropped = static_cast<double>(counters.shed + counters.expired);
    std::printf("%-23s  in time %3.0f %%  of %2.0fk served  refused %2.0fk  dropped %2.0fk  waiting %2.0fk\n", name,
                in_time / 600.0, served / 1e3, refused / 1e3, dropped / 1e3, static_cast<double>(queue.size_approx()) / 1e3);
}

int main() {
    using sluice::bounded_queue, sluice::time_point;
    auto const leave = [](time_point&&, sluice::drop_info const&) { /* tell the client: 503 */ };

    bounded_queue<time_point, sluice::fifo> unbounded({.capacity = 1'000'000}, leave);
    run("fifo, all may wait", unbounded, false);

    bounded_queue<time_point, sluice::codel> codel({.capacity = 1'000'000}, leave);
    run("codel", codel, false);

    // Recommended: refuse at once what would wait for half of what clients do, and drop what cannot be finished in time.
    bounded_queue<time_point, sluice::fifo> bounded({.capacity = 10'000, .max_delay = 50ms}, leave);
    run("fifo, 50 ms, deadlines", bounded, true);
}
// Expected output:
//   fifo, all may wait       in time   1 %  of 60k served  refused  0k  dropped  0k  waiting 30k
//   codel                    in time 100 %  of 60k served  refused  0k  dropped 30k  waiting  0k
//   fifo, 50 ms, deadlines   in time 100 %  of 60k served  refused 30k  dropped  0k  waiting  0k
