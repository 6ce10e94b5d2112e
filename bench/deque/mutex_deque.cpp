// SPDX-License-Identifier: BSL-1.0
// The plain std baseline: std::mutex and std::deque.
#include "workload.hpp"

#include <deque>
#include <mutex>

namespace {
class mutex_deque {
public:
    void push(bench::deque::item* i) {
        std::lock_guard const lock(mutex_);
        items_.push_back(i);
    }
    bench::deque::item* pop() {
        std::lock_guard const lock(mutex_);
        if (items_.empty()) return nullptr;
        auto* const i = items_.back();
        items_.pop_back();
        return i;
    }
    bench::deque::item* steal() {
        std::lock_guard const lock(mutex_);
        if (items_.empty()) return nullptr;
        auto* const i = items_.front();
        items_.pop_front();
        return i;
    }

private:
    std::mutex                      mutex_;
    std::deque<bench::deque::item*> items_;
};

/// glibc skips the lock's atomic instructions in a process that never had a second thread.
void have_had_a_thread() { std::thread([] {}).join(); }
}  // namespace

void bench::register_all() {
    have_had_a_thread();
    deque::register_owner_alone<mutex_deque>("mutex_deque");
    deque::register_with_thief<mutex_deque>("mutex_deque");
}
