// SPDX-License-Identifier: BSL-1.0
// The same pool, and everything is accepted.
#include <sluice/executor/thread_pool.hpp>

#include "workload.hpp"

namespace {
struct subject {
    explicit subject(unsigned workers) : pool(workers) {}
    template <class F, class Done>
    void submit(sluice::time_point, F f, Done done) {
        pool.post([f, done]() mutable {
            f();
            done(true);
        });
    }
    std::size_t         waiting() const { return pool.queued(); }
    sluice::thread_pool pool;
};
}  // namespace

void bench::register_all() { service::register_subject<subject>("unprotected"); }
