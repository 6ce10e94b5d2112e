// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/thread_pool.hpp>

#include "workload.hpp"

namespace {
struct pool {
    explicit pool(unsigned workers) : impl(workers) {}
    template <class F>
    auto submit(F f) {
        return impl.submit(f);
    }
    sluice::thread_pool impl;
};
}  // namespace

void bench::register_all() { future::register_subject<pool>("sluice"); }
