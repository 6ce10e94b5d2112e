// SPDX-License-Identifier: BSL-1.0
// What one writes in an afternoon: the law as a parabola through n/X (which weighs the small throughputs most), Erlang's sum term
// by term in logarithms, and an autoscaler of two ifs, without memory, reasons or rates.
#include "workload.hpp"

#include <cmath>

namespace {

struct subject {
    /// n/X = a + b (n - 1) + c n (n - 1)
    static bench::scaling::usl_answer fit(std::vector<sluice::usl_point> const& all) {
        double m[3][4] = {};
        for (auto const& p : all) {
            double const x[3] = {1, p.n - 1, p.n * (p.n - 1)};
            for (int i = 0; i < 3; ++i) {
                for (int j = 0; j < 3; ++j) m[i][j] += x[i] * x[j];
                m[i][3] += x[i] * p.n / p.throughput;
            }
        }
        for (int k = 0; k < 3; ++k)
            for (int i = 0; i < 3; ++i) {
                if (i == k) continue;
                double const f = m[i][k] / m[k][k];
                for (int j = k; j < 4; ++j) m[i][j] -= f * m[k][j];
            }
        double const a = m[0][3] / m[0][0], b = m[1][3] / m[1][1], c = m[2][3] / m[2][2];
        return {b / a, c / a, 1 / a};
    }

    static double erlang_c(std::uint32_t servers, double load) {
        double const log_load = std::log(load);
        double       sum = 0, term = 0;  // term: ln of load^k / k!, less that of load^servers / servers!
        for (std::uint32_t k = servers; k-- > 0;) {
            term += std::log(static_cast<double>(k) + 1) - log_load;
            sum += std::exp(term);
        }
        double const last = servers / (servers - load);
        return last / (sum + last);
    }

    struct decider {
        std::uint32_t n = 10;
        std::int64_t  low_since = -1;

        std::uint32_t decide(sluice::scaling_sample const& sample, sluice::time_point now) {
            auto const t = now.time_since_epoch().count();
            double const wanted = *sample.in_flight / .7 + static_cast<double>(*sample.queued) * .1;
            n = *sample.provisioned;
            if (wanted > n * 1.1) {
                n = static_cast<std::uint32_t>(std::ceil(wanted));
                low_since = -1;
            } else if (wanted < n * .9) {
                if (low_since < 0) low_since = t;
                if (t - low_since >= 60'000'000'000) n = static_cast<std::uint32_t>(std::ceil(wanted));
            } else {
                low_since = -1;
            }
            return n < 1 ? n = 1 : n > 5000 ? n = 5000 : n;
        }
    };
};

}  // namespace

void bench::register_all() {
    scaling::register_fit<subject>("naive");
    scaling::register_erlang<subject>("naive");
    scaling::register_decide<subject>("naive");
}
