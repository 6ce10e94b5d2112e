// SPDX-License-Identifier: BSL-1.0
// oneTBB twice: a concurrent_priority_queue beside an arena, whose tasks run what is first; and an arena of each of its three
// priorities, which concern whole arenas and the threads that look for work.
#include "workload.hpp"

#include "queued.hpp"

#include <tbb/concurrent_priority_queue.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/version.h>

#include <array>

namespace {
struct by_queue {
    explicit by_queue(unsigned workers)
        : limit(tbb::global_control::max_allowed_parallelism, workers + 1), arena(static_cast<int>(workers), 0) {}
    template <class F>
    void post(unsigned level, F f) {
        tasks.push({level, number++, f});
        arena.enqueue([this] {
            bench::priority::queued first;
            if (tasks.try_pop(first)) first.call();
        });
    }

    std::uint64_t                                           number = 0;
    tbb::concurrent_priority_queue<bench::priority::queued> tasks;
    tbb::global_control                                     limit;
    tbb::task_arena                                         arena;
};
struct by_arena {
    explicit by_arena(unsigned workers)
        : limit(tbb::global_control::max_allowed_parallelism, workers + 1),
          arenas{tbb::task_arena(static_cast<int>(workers), 0, tbb::task_arena::priority::high),
                 tbb::task_arena(static_cast<int>(workers), 0, tbb::task_arena::priority::normal),
                 tbb::task_arena(static_cast<int>(workers), 0, tbb::task_arena::priority::low)} {}
    template <class F>
    void post(unsigned level, F f) {
        arenas[level].enqueue(f);
    }

    tbb::global_control            limit;
    std::array<tbb::task_arena, 3> arenas;
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_tbb", TBB_runtime_version());
    priority::register_subject<by_queue>("tbb_priority_queue");
    priority::register_subject<by_arena>("tbb_arenas");
}
