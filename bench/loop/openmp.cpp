// SPDX-License-Identifier: BSL-1.0
// OpenMP, static schedule.
#include "workload.hpp"

namespace {
struct subject {
    explicit subject(unsigned workers) : threads(static_cast<int>(workers)) {}
    template <class F>
    void each(std::size_t n, F const& f) {
#pragma omp parallel for schedule(static) num_threads(threads)
        for (std::size_t i = 0; i < n; ++i) f(i);
    }
    template <class F>
    double sum(std::size_t n, F const& f) {
        double total = 0;
#pragma omp parallel for schedule(static) num_threads(threads) reduction(+ : total)
        for (std::size_t i = 0; i < n; ++i) total += f(i);
        return total;
    }
    int threads;
};
}  // namespace

void bench::register_all() { loop::register_subject<subject>("openmp_static"); }
