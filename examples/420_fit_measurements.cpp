// SPDX-License-Identifier: BSL-1.0
// 420 — fit your own measurements: which law, where is the peak, how sure is that?
// Build:  c++ -std=c++20 -O2 -Iinclude examples/420_fit_measurements.cpp
// Run:    420_fit_measurements [file.csv]      lines of n,throughput; what is not two numbers is skipped
#include <sluice/scaling/law_comparison.hpp>
#include <sluice/scaling/usl_fit.hpp>
#include <cstdio>
#include <exception>
#include <optional>
#include <vector>

int main(int count, char** arguments) try {
    // A published benchmark: scripts per hour at so many simulated users.
    std::vector<sluice::usl_point> points = {{1, 64.9},    {18, 995.9},   {36, 1652.4}, {72, 1853.2},
                                             {108, 1828.9}, {144, 1775.0}, {216, 1702.2}};
    if (count > 1) {
        points.clear();
        std::FILE* const file = std::fopen(arguments[1], "r");
        if (file == nullptr) return std::perror(arguments[1]), 2;
        char line[256];
        sluice::usl_point p{};
        while (std::fgets(line, sizeof line, file) != nullptr)
            if (std::sscanf(line, "%lf%*[ \t,;]%lf", &p.n, &p.throughput) == 2) points.push_back(p);
        std::fclose(file);
    }

    auto const laws = sluice::compare_laws(points);
    auto const& fit = laws.usl;
    std::printf("      n   measured     fitted  efficiency\n");
    for (auto const& p : points)
        std::printf("%7g  %9.1f  %9.1f  %9.1f%%\n", p.n, p.throughput, fit.model.throughput(p.n),
                    100 * fit.model.efficiency(p.n));

    auto const show = [](char const* name, double value, std::optional<sluice::fit_interval> const& i) {
        if (i) std::printf("%-16s %-11.6g  95%%: %.6g to %.6g\n", name, value, i->lower, i->upper);
        else std::printf("%-16s %-11.6g\n", name, value);
    };
    std::printf("\n");
    show("contention", fit.model.contention(), fit.contention_interval());
    show("coherency", fit.model.coherency(), fit.coherency_interval());
    show("one worker", fit.model.unit_throughput(), fit.unit_throughput_interval());
    auto const interval = sluice::usl_peak_interval(points);
    if (auto const peak = fit.peak()) {
        show("peak at n =", peak->workers, interval);
        std::printf("%-16s %.6g\n", "peak throughput", peak->throughput);
    } else if (interval) {
        std::printf("no finite peak; were there one, then beyond n = %.4g\n", interval->lower);
    }
    std::printf("\nlaw supported:   %s (p of coherency %.3f, of contention %.3g)\n", to_string(laws.supported),
                laws.coherency_p, laws.contention_p);
    if (fit.warnings.few_points) std::printf("warning: fewer than six points\n");
    if (fit.warnings.peak_extrapolated) std::printf("warning: the peak lies beyond twice the largest n measured\n");
    if (fit.warnings.contention_at_bound) std::printf("warning: superlinear data, contention held at 0\n");
    if (fit.warnings.coherency_at_bound) std::printf("warning: no sign of coherency costs, held at 0\n");
    if (fit.warnings.not_converged) std::printf("warning: the fit did not converge\n");
} catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
// Expected output:
//         n   measured     fitted  efficiency
//         1       64.9       90.0      100.0%
//        18      995.9     1077.6       66.5%
//        36     1652.4     1541.3       47.6%
//        72     1853.2     1850.1       28.6%
//       108     1828.9     1878.9       19.3%
//       144     1775.0     1821.6       14.1%
//       216     1702.2     1646.2        8.5%
//
//   contention       0.0277285    95%: 0.00240249 to 0.0530545
//   coherency        0.000104365  95%: 4.91829e-05 to 0.000159548
//   one worker       89.9952      95%: 50.5323 to 129.458
//   peak at n =      96.5196      95%: 77.8554 to 156.662
//   peak throughput  1883.9
//
//   law supported:   usl (p of coherency 0.018, of contention 6.09e-05)
