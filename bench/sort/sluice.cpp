// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_sort.hpp>
#include <sluice/parallel/parallel_stable_sort.hpp>

#include "workload.hpp"

namespace {
struct subject {
    explicit subject(unsigned workers) : pool(workers) {}
    template <class T>
    void operator()(std::vector<T>& v) const {
        sluice::parallel_sort(pool, v);
    }
    template <class T, class Less>
    void stable(std::vector<T>& v, Less less) const {
        sluice::parallel_stable_sort(pool, v, less);
    }
    mutable sluice::thread_pool pool;
};
}  // namespace

void bench::register_all() { sort::register_subject<subject>("sluice"); }
