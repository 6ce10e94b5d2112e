// SPDX-License-Identifier: BSL-1.0
// 410 — Amdahl's law has a limit, the Universal Scalability Law a peak.
// Build:  c++ -std=c++20 -Iinclude examples/410_amdahl_and_usl.cpp
#include <sluice/scaling/amdahl.hpp>
#include <sluice/scaling/coordination_paths.hpp>
#include <sluice/scaling/effective_workers.hpp>
#include <sluice/scaling/gustafson.hpp>
#include <sluice/scaling/usl.hpp>
#include <cstdio>

int main() {
    sluice::usl const usl({.contention = .05, .coherency = .001});

    // N/(1+.001N^2) is what is often printed as the USL. It is another formula: even one worker is worth less than one.
    std::printf("    N  amdahl  gustafson    usl  efficiency  N/(1+.001N^2)      pairs\n");
    for (unsigned n : {1u, 10u, 31u, 32u, 50u, 100u, 200u, 1000u})
        std::printf("%5u  %6.2f  %9.1f  %5.2f  %9.1f%%  %13.2f  %9llu\n", n, sluice::amdahl(.1, n), sluice::gustafson(.1, n),
                    usl.speedup(n), 100 * usl.efficiency(n), sluice::effective_workers(n, .001),
                    static_cast<unsigned long long>(sluice::coordination_paths(n)));

    std::printf("\nAmdahl, 10%% serial:  never beyond %.0f; 9 times as fast takes %.0f workers\n", sluice::amdahl_limit(.1),
                sluice::amdahl_workers(.1, 9).value());
    std::printf("Amdahl, 20%% serial:  1000 workers are %.2f times as fast\n", sluice::amdahl(.2, 1000));

    auto const peak = usl.peak().value();
    std::printf("USL, .05 and .001:   peak %.2f at N = %.2f, so %llu workers\n", peak.throughput, peak.workers,
                static_cast<unsigned long long>(peak.whole_workers));
    std::printf("8 times as fast:     %.1f workers\n", usl.workers_for_throughput(8).value());
    std::printf("10 times as fast:    %s\n", usl.workers_for_throughput(10) ? "possible" : "no number of workers");
}
// Expected output:
//       N  amdahl  gustafson    usl  efficiency  N/(1+.001N^2)      pairs
//       1    1.00        1.0   1.00      100.0%           1.00          0
//      10    5.26        9.1   6.49       64.9%           9.09         45
//      31    7.75       28.0   9.04       29.2%          15.81        465
//      32    7.80       28.9   9.03       28.2%          15.81        496
//      50    8.47       45.1   8.47       16.9%          14.29       1225
//     100    9.17       90.1   6.31        6.3%           9.09       4950
//     200    9.57      180.1   3.94        2.0%           4.88      19900
//    1000    9.91      900.1   0.95        0.1%           1.00     499500
//
//   Amdahl, 10% serial:  never beyond 10; 9 times as fast takes 81 workers
//   Amdahl, 20% serial:  1000 workers are 4.98 times as fast
//   USL, .05 and .001:   peak 9.04 at N = 30.82, so 31 workers
//   8 times as fast:     15.8 workers
//   10 times as fast:    no number of workers
