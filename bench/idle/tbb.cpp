// SPDX-License-Identifier: BSL-1.0
// oneTBB: an arena of 64 workers, the caller not among them.
#include "workload.hpp"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/version.h>

namespace {
struct pool {
    explicit pool(unsigned workers)
        : limit(tbb::global_control::max_allowed_parallelism, workers + 1), arena(static_cast<int>(workers), 0) {}
    template <class F>
    void post(F f) {
        arena.enqueue(f);
    }
    tbb::global_control limit;
    tbb::task_arena     arena;
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_tbb", TBB_runtime_version());
    idle::register_subject<pool>("tbb");
}
