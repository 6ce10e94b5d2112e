// SPDX-License-Identifier: BSL-1.0
// The plain functions, as rows of their own.
#include "workload.hpp"

void bench::register_all() {
    namespace fj = forkjoin;
    for (bool const optimised : {false, true})
        add(std::string("forkjoin/fib/serial") + (optimised ? "_optimised" : "") + "/n:30/workers:1",
            [function = optimised ? fj::fib_optimised : fj::fib_serial](benchmark::State& state) {
                std::uint64_t answer = 0;
                unsigned      n      = 30;
                measure(
                    state, "ns_per_task", static_cast<double>(fj::fib_forks(n)),
                    [&] {
                        benchmark::DoNotOptimize(n);
                        answer = function(n);
                    },
                    [&] { return answer == fj::fib_exact(n); });
            });
    unsigned const n = fj::queens_size();
    add("forkjoin/nqueens/serial/n:" + std::to_string(n) + "/workers:1", [n](benchmark::State& state) {
        auto const    expected = fj::queens_alone(n).answer;
        std::uint64_t answer   = 0;
        measure(
            state, "ns_per_task", static_cast<double>(expected & 0xffffffffu),
            [&] { answer = fj::nqueens(fj::serial_sum{}, n, 0, fj::board{}); },
            [&] { return answer == expected && answer >> 32 == fj::queens_solutions[n]; });
    });
    for (bool const first : {true, false})
        add(std::string("forkjoin/") + (first ? "uts_t1" : "uts_t3") + "/serial/workers:1",
            [first](benchmark::State& state) {
                auto const    t      = first ? fj::t1() : fj::t3();
                std::uint64_t answer = 0;
                measure(
                    state, "ns_per_task", static_cast<double>(t.nodes),
                    [&] { answer = fj::uts(fj::serial_sum{}, t, fj::root_of(t)); },
                    [&] { return answer == t.nodes; });
            });
}
