// SPDX-License-Identifier: BSL-1.0
// keyed_executor; for one key also the strand.
#include <sluice/executor/keyed_executor.hpp>
#include <sluice/executor/strand.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "workload.hpp"

namespace {
struct keyed {
    explicit keyed(unsigned workers) : pool(workers), keys(pool) {}
    template <class F>
    void post(std::uint64_t key, F f) {
        keys.post(key, f);
    }
    sluice::thread_pool                                        pool;
    sluice::keyed_executor<std::uint64_t, sluice::thread_pool> keys;
};
struct one_strand {
    explicit one_strand(unsigned workers) : pool(workers), strand(pool) {}
    template <class F>
    void post(std::uint64_t, F f) {
        strand.post(f);
    }
    sluice::thread_pool                 pool;
    sluice::strand<sluice::thread_pool> strand;
};
}  // namespace

void bench::register_all() {
    strand::register_subject<keyed>("sluice");
    strand::register_subject<one_strand>("sluice_strand", {"hot"});
}
