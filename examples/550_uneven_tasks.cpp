// SPDX-License-Identifier: BSL-1.0
// 550 — a thousand uneven tasks on 8 workers, with fixed shares and with stealing; then 100 and 80 tasks on two of 8.
// The tasks sleep, so the picture is the same on any number of cores.
// Build:  c++ -std=c++20 -O2 -Iinclude examples/550_uneven_tasks.cpp -pthread
// Output varies: it measures time.
#include <sluice/executor/thread_pool.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

using clock_type = std::chrono::steady_clock;
using ms = std::chrono::duration<double, std::milli>;

constexpr std::size_t workers = 8;

/// In µs: 100 long tasks in a row, then 900 short ones, so that fixed shares are far apart.
std::vector<int> lengths() {
    std::vector<int> us(1000, 300);
    for (std::size_t i = 0; i < 100; ++i) us[i] = 3000;
    return us;
}

std::atomic<long long> asleep{0};  // what the tasks really took: sleeping overshoots

void run(int us) {
    auto const begin = clock_type::now();
    std::this_thread::sleep_for(std::chrono::microseconds(us));
    asleep += std::chrono::nanoseconds(clock_type::now() - begin).count();
}

template <class F>
void measure(char const* what, F f) {
    asleep = 0;
    auto const   begin = clock_type::now();
    f();
    double const took = ms(clock_type::now() - begin).count();
    double const ideal = static_cast<double>(asleep.load()) * 1e-6 / workers;
    std::printf("%-20s %7.1f ms   ideal %6.1f   efficiency %3.0f %%\n", what, took, ideal, 100 * ideal / took);
}

int main() {
    auto const tasks = lengths();

    measure("fixed shares", [&] {
        std::vector<std::thread> threads;
        for (std::size_t w = 0; w < workers; ++w)
            threads.emplace_back([&, w] {
                for (std::size_t i = w * 125; i < (w + 1) * 125; ++i) run(tasks[i]);
            });
        for (auto& t : threads) t.join();
    });

    sluice::thread_pool pool(workers);
    measure("stealing", [&] {
        for (int us : tasks) pool.post([us] { run(us); });
        pool.wait_idle();
    });

    measure("100/80/0/0/0/0/0/0", [&] {  // two workers hold 100 and 80 tasks of 1 ms, six hold none
        for (int n : {100, 80})
            pool.post([&pool, n] {
                for (int i = 0; i < n; ++i) pool.post([] { run(1000); });  // on a worker: into its own deque
            });
        pool.wait_idle();
    });
}
