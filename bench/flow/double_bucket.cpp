// SPDX-License-Identifier: BSL-1.0
// Not a library: a re-implementation of the design of folly's TokenBucket, for comparison. One double, the time in seconds
// at which the bucket was empty, and a CAS. Doubles lose the limit at large times; that is not measured here.
#include "workload.hpp"

#include <algorithm>

namespace {

class double_bucket {
public:
    explicit double_bucket(bench::flow::setting s)
        : rate_(static_cast<double>(s.events) / static_cast<double>(s.nanoseconds) * 1e9), burst_(static_cast<double>(s.burst)) {}

    struct session_type {
        double_bucket* bucket;
        bool acquire(std::int64_t now) { return bucket->take(static_cast<double>(now) * 1e-9); }
        bool acquire() { return acquire(bench::flow::steady_now()); }
    };
    session_type session() { return {this}; }

private:
    bool take(double now) {
        double zero = zero_.load(std::memory_order_relaxed);
        double next;
        do {
            double const tokens = std::min((now - zero) * rate_, burst_);
            if (tokens < 1) return false;
            next = now - (tokens - 1) / rate_;
        } while (!zero_.compare_exchange_weak(zero, next, std::memory_order_relaxed));
        return true;
    }

    double                          rate_, burst_;
    alignas(64) std::atomic<double> zero_{-1e12};
};

}  // namespace

void bench::register_all() { flow::register_acquire<double_bucket>("double_bucket_like_folly"); }
