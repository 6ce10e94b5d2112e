// SPDX-License-Identifier: BSL-1.0
// OpenMP cannot be posted to from outside; bulk by taskloop, in its own chunks.
#include "workload.hpp"

namespace {
struct team {
    explicit team(unsigned workers) : threads(static_cast<int>(workers)) {}
    template <class F>
    void bulk(std::uint64_t n, F f) {
#pragma omp parallel num_threads(threads)
#pragma omp single
#pragma omp taskloop
        for (std::int64_t i = 0; i < static_cast<std::int64_t>(n); ++i) f(static_cast<std::uint64_t>(i));
    }
    int threads;
};
}  // namespace

void bench::register_all() { post::register_bulk<team>("openmp_taskloop"); }
