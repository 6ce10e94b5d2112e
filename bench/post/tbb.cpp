// SPDX-License-Identifier: BSL-1.0
// oneTBB: enqueue from outside into an arena with no slot reserved for the caller. Bulk twice: one task per item, and a
// parallel_for, which makes few tasks of many items; there the caller is one of the two threads.
#include "workload.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
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

struct team {
    explicit team(unsigned workers) : limit(tbb::global_control::max_allowed_parallelism, workers) {}
    tbb::global_control limit;
};

struct by_group : team {
    using team::team;
    template <class F>
    void bulk(std::uint64_t n, F f) {
        tbb::task_group group;
        for (std::uint64_t i = 0; i < n; ++i) group.run([f, i] { f(i); });
        group.wait();
    }
};

struct by_loop : team {
    using team::team;
    template <class F>
    void bulk(std::uint64_t n, F f) {
        tbb::parallel_for(std::uint64_t{0}, n, f);
    }
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_tbb", TBB_runtime_version());
    post::register_single<pool>("tbb");
    post::register_bulk<by_group>("tbb_task_group");
    post::register_bulk<by_loop>("tbb_parallel_for");
}
