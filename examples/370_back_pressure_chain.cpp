// SPDX-License-Identifier: BSL-1.0
// 370 — back-pressure that travels upstream: user -> gateway -> A -> B -> database, at twice what the database can do.
// A bounded queue alone saves the goodput; propagation saves the work in front of it, and says who is served.
// Build:  c++ -std=c++20 -Iinclude examples/370_back_pressure_chain.cpp -pthread
#include <sluice/core/random.hpp>
#include <sluice/flow/deadline.hpp>
#include <sluice/flow/load_level.hpp>
#include <sluice/flow/load_shedder.hpp>
#include <array>
#include <chrono>
#include <cstdio>
#include <deque>

using namespace std::chrono_literals;

struct request {
    std::size_t      priority;  // 0 pays, 3 is a crawler
    sluice::deadline until;
};
struct hop {
    char const*                              name;
    std::deque<request>                      queue{};
    sluice::load_gauge<sluice::manual_clock> gauge{};
    void look(sluice::time_point now) { (void)gauge.update(queue.size(), 25, now); }
};

enum class means { none, bound, propagation };

void run(char const* title, means what) {
    sluice::manual_clock         clock;
    sluice::xoshiro256ss         random(1);
    sluice::graded_shedder const shedder;
    std::array<hop, 4>           chain{{{"gateway"}, {"A"}, {"B"}, {"database"}}};
    hop&                         gateway = chain.front();
    int                          came[4] = {}, in_time[4] = {}, late = 0, told = 0, lost = 0;
    bool const                   propagate = what == means::propagation;

    std::printf("%s\n", title);
    for (auto& h : chain)
        h.gauge.on_edge([&, first = true](sluice::load_edge const& e) mutable {
            if (!propagate || !first || e.to != sluice::load_level::red) return;
            first = false;
            std::printf("  after %2d ms %s is red\n", static_cast<int>(e.at.time_since_epoch() / 1ms), h.name);
        });

    for (int ms = 0; ms < 10'000; ++ms) {
        auto const now = clock.advance(1ms);
        for (int i = 0; i < 2; ++i) {  // two users a millisecond
            request const r{static_cast<std::size_t>(random() % 4), sluice::deadline::after(100ms, now)};
            ++came[r.priority];
            if (propagate && !shedder.admits(gateway.gauge.level(), r.priority, random)) {
                ++told;  // at once, and nothing was wasted on it
                continue;
            }
            gateway.queue.push_back(r);
        }
        auto& database = chain.back();
        if (!database.queue.empty()) {  // one request a millisecond, in time or not
            auto const& r = database.queue.front();
            ++(r.until.expired(now) ? late : in_time[r.priority]);
            database.queue.pop_front();
        }
        database.look(now);
        for (std::size_t i = chain.size() - 1; i-- > 0;) {  // each hop passes on what the next one takes
            auto &from = chain[i], &to = chain[i + 1];
            for (int n = 0; n < 3 && !from.queue.empty(); ++n) {
                if (propagate && to.gauge.level() >= sluice::load_level::red) break;
                if (what == means::bound && to.queue.size() >= 25)
                    ++lost;  // after the work of every hop before
                else
                    to.queue.push_back(from.queue.front());
                from.queue.pop_front();
                to.look(now);
            }
            from.look(now);
        }
    }
    std::printf("  in time, of each class: %d %d %d %d %%\n", 100 * in_time[0] / came[0], 100 * in_time[1] / came[1],
                100 * in_time[2] / came[2], 100 * in_time[3] / came[3]);
    std::printf("  too late: %d, refused at the gateway: %d, further down: %d\n  queues in the end:", late, told, lost);
    for (auto const& h : chain) std::printf(" %s %zu", h.name, h.queue.size());
    std::printf("\n");
}

int main() {
    run("Nothing", means::none);
    run("A bounded queue at each hop", means::bound);
    run("Propagation", means::propagation);
}
// Expected output:
//   Nothing
//     in time, of each class: 0 1 1 0 %
//     too late: 9804, refused at the gateway: 0, further down: 0
//     queues in the end: gateway 0 A 2 B 2 database 9999
//   A bounded queue at each hop
//     in time, of each class: 50 50 49 49 %
//     too late: 0, refused at the gateway: 0, further down: 9974
//     queues in the end: gateway 0 A 2 B 2 database 25
//   Propagation
//     after 22 ms database is red
//     after 39 ms B is red
//     after 56 ms A is red
//     after 77 ms gateway is red
//     in time, of each class: 99 66 28 5 %
//     too late: 0, refused at the gateway: 9921, further down: 0
//     queues in the end: gateway 22 A 21 B 21 database 18
