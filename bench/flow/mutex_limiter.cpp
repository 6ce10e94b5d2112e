// SPDX-License-Identifier: BSL-1.0
// The plain way to an adaptive limit: a mutex around the count, and around a running mean of the times.
#include "workload.hpp"

#include <mutex>

namespace {

class mutex_limiter {
public:
    explicit mutex_limiter(unsigned limit) : limit_(limit) {}

    struct session_type {
        mutex_limiter* limiter;
        bool acquire(std::int64_t now) { return limiter->both(now, now + 50); }
        bool acquire() {
            auto const start = bench::flow::steady_now();
            if (!limiter->enter()) return false;
            limiter->leave(bench::flow::steady_now() - start);
            return true;
        }
    };
    session_type session() { return {this}; }

private:
    bool both(std::int64_t start, std::int64_t end) {
        if (!enter()) return false;
        leave(end - start);
        return true;
    }
    bool enter() {
        std::lock_guard const lock(mutex_);
        if (inflight_ >= limit_) return false;
        ++inflight_;
        return true;
    }
    void leave(std::int64_t took) {
        std::lock_guard const lock(mutex_);
        --inflight_;
        mean_ += (static_cast<double>(took) - mean_) * 0.01;
    }

    std::mutex mutex_;
    unsigned   limit_, inflight_ = 0;
    double     mean_ = 0;
};

}  // namespace

void bench::register_all() { flow::register_permit<mutex_limiter>("mutex_limiter"); }
