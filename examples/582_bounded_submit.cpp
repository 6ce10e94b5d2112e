// SPDX-License-Identifier: BSL-1.0
// 582 — a bound in front of a pool, and what becomes of a task that finds it full.
// Build:  c++ -std=c++20 -O2 -Iinclude examples/582_bounded_submit.cpp -pthread
#include <sluice/executor/admitted_executor.hpp>
#include <sluice/executor/queued_executor.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/flow/bulkhead.hpp>
#include <cstdio>
#include <latch>
#include <string>

void with(sluice::overflow policy, char const* name) {
    std::latch                                   begun(1), end(1);
    std::string                                  ran;
    sluice::thread_pool                          pool(1);
    sluice::queued_executor<sluice::thread_pool> queue(pool, {.capacity = 2, .concurrency = 1, .when_full = policy});
    queue.post([&] {  // holds the only worker
        begun.count_down();
        end.wait();
    });
    begun.wait();
    for (char c : {'a', 'b', 'c'}) try {
            queue.post([&ran, c] { ran += c; });
        } catch (sluice::task_rejected const&) {
            ran += '!';
        }
    auto const level = queue.level() == sluice::load_level::black ? "black" : "not black";
    end.count_down();
    pool.wait_idle();
    std::printf("%-12s %-4s the level was %s\n", name, ran.c_str(), level);
}

int main() {
    with(sluice::overflow::reject, "reject");            // c is refused, and post says so
    with(sluice::overflow::caller_runs, "caller_runs");  // c runs here, before those that wait
    with(sluice::overflow::drop_oldest, "drop_oldest");  // a gives its place to c
    with(sluice::overflow::grow, "grow");

    // Block, the default, on a worker that fills its own queue: it runs what waits instead of waiting for itself.
    long                                         sum = 0;
    std::latch                                   open(1);
    sluice::thread_pool                          pool(1);
    sluice::queued_executor<sluice::thread_pool> queue(pool, {.capacity = 2});
    queue.post([&] {
        for (int i = 1; i <= 1000; ++i) queue.post([&sum, i] { sum += i; });
    });
    pool.wait_idle();
    std::printf("block        one worker posted a thousand tasks through two places: %ld\n", sum);

    // A limiter in front of both: at most two tasks accepted and not yet ended.
    sluice::bulkhead<>        limit({.limit = 2});
    sluice::admitted_executor admitted(queue, limit);
    int                       taken = 0;
    for (int i = 0; i < 5; ++i) taken += admitted.try_post([&] { open.wait(); }).admitted() ? 1 : 0;
    open.count_down();
    pool.wait_idle();
    std::printf("bulkhead     %d of 5 admitted\n", taken);
}
// Expected output:
//   reject       !ab  the level was black
//   caller_runs  cab  the level was black
//   drop_oldest  bc   the level was black
//   grow         abc  the level was not black
//   block        one worker posted a thousand tasks through two places: 500500
//   bulkhead     2 of 5 admitted
