// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// mutex_deque_pool — the pool everybody writes first: one mutex, one condition variable, one std::deque of
/// std::function. The plain std baseline of the executor's families.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

class mutex_deque_pool {
public:
    explicit mutex_deque_pool(unsigned workers) {
        for (unsigned i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
    }
    mutex_deque_pool(mutex_deque_pool const&)            = delete;
    mutex_deque_pool& operator=(mutex_deque_pool const&) = delete;
    ~mutex_deque_pool() {
        {
            std::lock_guard const lock(mutex_);
            stop_ = true;
        }
        ready_.notify_all();
        for (auto& t : threads_) t.join();
    }

    template <class F>
    void post(F&& f) {
        {
            std::lock_guard const lock(mutex_);
            tasks_.emplace_back(std::forward<F>(f));
        }
        ready_.notify_one();
    }

private:
    void work() {
        for (std::unique_lock lock(mutex_);;) {
            ready_.wait(lock, [&] { return stop_ || !tasks_.empty(); });
            if (tasks_.empty()) return;
            auto task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
            task = nullptr;
            lock.lock();
        }
    }

    std::mutex                        mutex_;
    std::condition_variable           ready_;
    std::deque<std::function<void()>> tasks_;
    bool                              stop_ = false;
    std::vector<std::thread>          threads_;
};

}  // namespace bench
