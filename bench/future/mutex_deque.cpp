// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <support/mutex_deque_pool.hpp>

#include <future>
#include <memory>

namespace {
struct pool {
    explicit pool(unsigned workers) : impl(workers) {}
    template <class F>
    auto submit(F f) {
        auto task   = std::make_shared<std::packaged_task<decltype(f())()>>(f);  // std::function wants copies
        auto result = task->get_future();
        impl.post([task] { (*task)(); });
        return result;
    }
    bench::mutex_deque_pool impl;
};
}  // namespace

void bench::register_all() { future::register_subject<pool>("mutex_deque"); }
