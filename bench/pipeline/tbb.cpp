// SPDX-License-Identifier: BSL-1.0
// oneTBB parallel_pipeline; two threads, of which the caller is one.
#include "workload.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_pipeline.h>
#include <tbb/version.h>

namespace {
struct subject {
    explicit subject(unsigned workers) : limit(tbb::global_control::max_allowed_parallelism, workers) {}
    template <class F>
    void run(std::uint64_t n, std::uint64_t steps, F f) {
        std::uint64_t next = 0;
        tbb::parallel_pipeline(
            bench::pipeline::tokens,
            tbb::make_filter<void, std::uint64_t>(tbb::filter_mode::serial_in_order,
                                                  [&](tbb::flow_control& control) -> std::uint64_t {
                                                      if (next == n) {
                                                          control.stop();
                                                          return 0;
                                                      }
                                                      return next++;
                                                  }) &
                tbb::make_filter<std::uint64_t, std::uint64_t>(
                    tbb::filter_mode::parallel, [steps](std::uint64_t x) { return bench::pipeline::work(x, steps); }) &
                tbb::make_filter<std::uint64_t, void>(tbb::filter_mode::serial_in_order, f));
    }
    tbb::global_control limit;
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_tbb", TBB_runtime_version());
    pipeline::register_subject<subject>("tbb");
}
