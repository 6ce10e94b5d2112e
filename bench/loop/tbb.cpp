// SPDX-License-Identifier: BSL-1.0
// oneTBB with its default partitioner; two threads, of which the caller is one.
#include "workload.hpp"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_reduce.h>
#include <tbb/version.h>

#include <functional>

namespace {
struct subject {
    explicit subject(unsigned workers) : limit(tbb::global_control::max_allowed_parallelism, workers) {}
    template <class F>
    void each(std::size_t n, F const& f) {
        tbb::parallel_for(tbb::blocked_range<std::size_t>(0, n), [&f](auto const& range) {
            for (std::size_t i = range.begin(); i != range.end(); ++i) f(i);
        });
    }
    template <class F>
    double sum(std::size_t n, F const& f) {
        return tbb::parallel_reduce(
            tbb::blocked_range<std::size_t>(0, n), 0.0,
            [&f](auto const& range, double total) {
                for (std::size_t i = range.begin(); i != range.end(); ++i) total += f(i);
                return total;
            },
            std::plus<>{});
    }
    tbb::global_control limit;
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_tbb", TBB_runtime_version());
    loop::register_subject<subject>("tbb");
}
