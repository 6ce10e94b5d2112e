// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::hold, test::sized, test::settles — pools whose workers stand still, and pools that change their size.

#include <sluice/executor/thread_pool.hpp>

#include "support/eventually.hpp"

#include <atomic>
#include <cstddef>
#include <latch>
#include <thread>

namespace test {

/// n tasks that hold a worker each until they are told to go.
class hold {
public:
    hold(sluice::thread_pool& pool, std::size_t n) : held_(static_cast<std::ptrdiff_t>(n)), left_(n) {
        for (std::size_t i = 0; i < n; ++i)
            pool.post([this] {
                held_.count_down();
                go_.wait(false);
                left_.fetch_sub(1);
            });
        held_.wait();
    }
    void release() {
        go_.store(true);
        go_.notify_all();
    }
    ~hold() {
        release();
        while (left_.load() != 0) std::this_thread::yield();
    }

private:
    std::latch               held_;
    std::atomic<bool>        go_{false};
    std::atomic<std::size_t> left_;
};

inline sluice::thread_pool_options sized(std::size_t workers, std::size_t least, std::size_t most) {
    return {.workers = workers, .min_workers = least, .max_workers = most};
}

/// The pool has as many threads as were asked for, and all of them take tasks.
inline bool settles(sluice::thread_pool& pool, std::size_t n) {
    return eventually([&] { return pool.provisioned() == n && pool.ready() == n; });
}

}  // namespace test
