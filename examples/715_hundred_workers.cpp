// SPDX-License-Identifier: BSL-1.0
// 715 — a hundred workers, three and a half times as fast: what was lost, and how many would have been enough.
// Build:  c++ -std=c++20 -O2 -Iinclude examples/715_hundred_workers.cpp
#include <sluice/scaling/karp_flatt.hpp>
#include <sluice/scaling/law_comparison.hpp>
#include <sluice/scaling/usl.hpp>
#include <cstdio>
#include <vector>

int main() {
    double const n = 100, seen = 3.5, quoted = .00007;
    // The same observation explained by waiting for something shared alone, and by workers that agree in pairs.
    double const     serial = sluice::karp_flatt(seen, n);
    double const     contention = .01, pairs = (n / seen - 1 - contention * (n - 1)) / (n * (n - 1));
    sluice::usl const waiting({.contention = serial}), agreeing({.contention = contention, .coherency = pairs});
    sluice::usl const as_quoted({.contention = contention, .coherency = quoted});

    std::printf("                                 speed-up at 5     10     20     50    100   least for 3.5\n");
    auto const show = [&](char const* name, sluice::usl const& law) {
        std::printf("%-27s %.4f,%.6f ", name, law.contention(), law.coherency());
        for (double const w : {5., 10., 20., 50., 100.}) std::printf(" %6.2f", law.speedup(w));
        std::printf("   %5.1f\n", *law.workers_for_throughput(seen - 1e-9));
    };
    show("all wait for one thing", waiting);
    show("pairs have to agree", agreeing);
    show("as often quoted for 3.45", as_quoted);

    // Which of the two it is, a single figure cannot tell; six cheap measurements can.
    for (auto const* const pool : {&waiting, &agreeing}) {
        std::vector<sluice::usl_point> points;
        double                         noise = .01;
        for (double const w : {1., 2., 4., 8., 16., 32.}) points.push_back({w, pool->throughput(w) * (1 + (noise = -noise))});
        auto const laws = sluice::compare_laws(points);
        std::printf("\nmeasured at 1 to 32: %s law", to_string(laws.supported));
        if (auto const peak = laws.usl.peak(); laws.supported == sluice::scaling_law::usl && peak)
            std::printf(", best at %llu workers with %.1f", static_cast<unsigned long long>(peak->whole_workers),
                        laws.usl.model.speedup(static_cast<double>(peak->whole_workers)));
        else
            std::printf(", never more than %.2f", 1 / laws.amdahl.serial_fraction);
    }
    std::printf("\n\nRight: 3.5 from a hundred is what pools do whose workers wait for each other. Wrong: that a contention of .01 and a\n"
                "coherency of %.5f say so: they give %.1f, and %.2f is for a coherency of %.6f. And a pool of that kind is not too\n"
                "small but too large: %llu workers would do %.1f.\n", quoted, as_quoted.speedup(n), seen, pairs,
                static_cast<unsigned long long>(agreeing.peak()->whole_workers), agreeing.peak()->whole_throughput);
}
// Expected output:
//                                    speed-up at 5     10     20     50    100   least for 3.5
//   all wait for one thing      0.2785,0.000000    2.37   2.85   3.18   3.41   3.50   100.0
//   pairs have to agree         0.0100,0.002685    4.57   7.51   9.05   6.20   3.50     3.7
//   as often quoted for 3.45    0.0100,0.000070    4.80   9.12  16.44  30.09  37.27     3.6
//
//   measured at 1 to 32: amdahl law, never more than 3.62
//   measured at 1 to 32: usl law, best at 20 workers with 8.9
//
//   Right: 3.5 from a hundred is what pools do whose workers wait for each other. Wrong: that a contention of .01 and a
//   coherency of 0.00007 say so: they give 37.3, and 3.50 is for a coherency of 0.002685. And a pool of that kind is not too
//   small but too large: 19 workers would do 9.1.
