// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/thread_pool.hpp>

#include "workload.hpp"

namespace {
struct pool {
    explicit pool(unsigned workers) : impl(workers) {}
    template <class F>
    void post(F f) {
        impl.post(f);
    }
    template <class F>
    void bulk(std::uint64_t n, F f) {
        impl.post_bulk(static_cast<std::size_t>(n), [f](std::size_t i) { f(i); });
    }
    sluice::thread_pool impl;
};
}  // namespace

void bench::register_all() {
    post::register_single<pool>("sluice");
    post::register_bulk<pool>("sluice");
}
