// SPDX-License-Identifier: BSL-1.0
// 590 — timers on a clock that only moves when told: periods that keep to a grid or not, and runs that were missed.
// Build:  c++ -std=c++20 -Iinclude examples/590_timers.cpp -pthread
// In a program with real time: sluice::timer_service timers(pool), which has a thread that calls expire.
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/timer_queue.hpp>
#include <chrono>
#include <cstdio>
#include <deque>

using namespace std::chrono_literals;

struct loop {  // the least an executor can be
    std::deque<sluice::unique_function<void()>> tasks;
    void post(sluice::unique_function<void()> f) { tasks.push_back(std::move(f)); }
    void run() {
        for (; !tasks.empty(); tasks.pop_front()) tasks.front()();
    }
};

int main() {
    sluice::manual_clock clock;
    loop                 executor;
    sluice::timer_queue  timers(executor, clock);
    auto const           say = [&](char const* what) {
        std::printf("%4d ms  %s\n", static_cast<int>(clock.now().time_since_epoch() / 1ms), what);
    };

    auto const timeout = timers.schedule_after(500ms, [&] { say("timeout: never, it is cancelled"); });
    timers.schedule_every(100ms, [&] {
        say("rate");
        if (clock.now() == sluice::time_point(200ms)) clock.advance(150ms);  // a slow run: the one at 300 ms is missed
    }, {.missed = sluice::missed_runs::coalesce});
    timers.schedule_every(200ms, [&] { say("delay"); }, {.mode = sluice::timer_mode::fixed_delay, .first_after = 50ms});
    timers.schedule_at(sluice::time_point(420ms), [&] {
        say(timeout.cancel() ? "answer: cancels the timeout" : "too late");
    });

    while (clock.now() < sluice::time_point(600ms)) {
        while (timers.expire() > 0) executor.run();
        if (auto const next = timers.next_deadline()) clock.set(*next);  // nothing else happens before
    }
}
// Expected output:
//     50 ms  delay
//    100 ms  rate
//    200 ms  rate
//    350 ms  delay
//    350 ms  rate
//    400 ms  rate
//    420 ms  answer: cancels the timeout
//    500 ms  rate
//    550 ms  delay
