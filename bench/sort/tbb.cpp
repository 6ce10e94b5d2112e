// SPDX-License-Identifier: BSL-1.0
// oneTBB; two threads, of which the caller is one. It has no stable sort.
#include "workload.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_sort.h>
#include <tbb/version.h>

namespace {
struct subject {
    explicit subject(unsigned workers) : limit(tbb::global_control::max_allowed_parallelism, workers) {}
    template <class T>
    void operator()(std::vector<T>& v) const {
        tbb::parallel_sort(v.begin(), v.end());
    }
    tbb::global_control limit;
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_tbb", TBB_runtime_version());
    sort::register_subject<subject>("tbb");
}
