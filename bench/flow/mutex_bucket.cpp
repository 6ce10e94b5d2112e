// SPDX-License-Identifier: BSL-1.0
// What most programs have: a token bucket of two numbers under a mutex.
#include "workload.hpp"

#include <algorithm>
#include <mutex>

namespace {

class mutex_bucket {
public:
    explicit mutex_bucket(bench::flow::setting s)
        : per_nanosecond_(static_cast<double>(s.events) / static_cast<double>(s.nanoseconds)),
          burst_(static_cast<double>(s.burst)), tokens_(burst_) {}

    struct session_type {
        mutex_bucket* bucket;
        bool acquire(std::int64_t now) { return bucket->take(now); }
        bool acquire() { return bucket->take(bench::flow::steady_now()); }
    };
    session_type session() { return {this}; }

private:
    bool take(std::int64_t now) {
        std::lock_guard const lock(mutex_);
        if (now > last_) {
            tokens_ = std::min(burst_, tokens_ + static_cast<double>(now - last_) * per_nanosecond_);
            last_   = now;
        }
        if (tokens_ < 1) return false;
        tokens_ -= 1;
        return true;
    }

    std::mutex   mutex_;
    double       per_nanosecond_, burst_, tokens_;
    std::int64_t last_ = bench::flow::origin;
};

}  // namespace

void bench::register_all() { flow::register_acquire<mutex_bucket>("mutex_bucket"); }
