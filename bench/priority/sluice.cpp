// SPDX-License-Identifier: BSL-1.0
// queued_executor with aging_priority: a level waits for the one above it at most 100 ms longer.
#include <sluice/executor/queued_executor.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/flow/aging_priority.hpp>

#include "workload.hpp"

namespace {
struct subject {
    explicit subject(unsigned workers) : pool(workers), queue(pool, {.capacity = 1'000'000}) {}
    template <class F>
    void post(unsigned level, F f) {
        queue.post(f, {.priority = level});
    }
    sluice::thread_pool                                                  pool;
    sluice::queued_executor<sluice::thread_pool, sluice::aging_priority> queue;
};
}  // namespace

void bench::register_all() { priority::register_subject<subject>("sluice"); }
