// SPDX-License-Identifier: BSL-1.0
// 660 — a graph of tasks: built once, run twice, with a loop; and one that grows while it runs
// Build:  c++ -std=c++20 -Iinclude examples/660_task_graph.cpp -pthread
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/dynamic_graph.hpp>
#include <sluice/parallel/task_graph.hpp>

#include <atomic>
#include <cstdio>
#include <stdexcept>

int main() {
    sluice::thread_pool pool;

    // x and y are halved at the same time until their sum is small: a task that returns a number selects a successor.
    double x = 0, y = 0;
    int    rounds = 0;
    sluice::task_graph graph;
    auto start = graph.emplace([&] { x = 8, y = 16, rounds = 0; });
    auto step = graph.emplace([&] { ++rounds; });
    auto half_x = graph.emplace([&] { x /= 2; });
    auto half_y = graph.emplace([&] { y /= 2; });
    auto small = graph.emplace([&] { return x + y < 1 ? 1 : 0; });
    auto print = graph.emplace([&] { std::printf("%d rounds, x + y = %.4f\n", rounds, x + y); });
    start.precede(step);
    step.precede(half_x, half_y);
    small.succeed(half_x, half_y);
    small.precede(step, print);
    graph.run(pool);
    graph.run(pool);

    sluice::task_graph circle;
    auto egg = circle.emplace([] {}).name("egg"), hen = circle.emplace([] {}).name("hen");
    egg.precede(hen);
    hen.precede(egg);
    try {
        circle.run(pool);
    } catch (std::invalid_argument const& e) {
        std::printf("%s\n", e.what());
    }

    // Tasks behind others that may be running, or done, when they are added.
    std::atomic<int>      sum{0};
    sluice::dynamic_graph growing(pool);
    auto one = growing.add([&] { sum += 1; });
    auto two = growing.add([&, one] { growing.add([&] { sum.store(sum.load() * 10); }, {one}); });
    growing.wait();
    growing.add([&] { std::printf("sum %d\n", sum.load()); }, {one, two});
    growing.wait();
}
// Expected output:
//   5 rounds, x + y = 0.7500
//   5 rounds, x + y = 0.7500
//   sluice: task_graph: cycle: egg -> hen -> egg
//   sum 10
