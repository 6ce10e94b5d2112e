// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <sluice/parallel/parallel_reduce.hpp>

#include "workload.hpp"

#include <functional>

namespace {
struct subject {
    explicit subject(unsigned workers) : pool(workers) {}
    template <class F>
    void each(std::size_t n, F const& f) {
        sluice::parallel_for(pool, std::size_t{0}, n, f);
    }
    template <class F>
    double sum(std::size_t n, F const& f) {
        return sluice::parallel_reduce(pool, std::size_t{0}, n, 0.0, f, std::plus<>{});
    }
    sluice::thread_pool pool;
};
}  // namespace

void bench::register_all() { loop::register_subject<subject>("sluice"); }
