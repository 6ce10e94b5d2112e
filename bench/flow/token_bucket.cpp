// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/token_bucket.hpp>

#include "workload.hpp"

namespace {

class subject {
public:
    explicit subject(bench::flow::setting s)
        : bucket_({.refill = sluice::per(s.events, sluice::duration(s.nanoseconds)), .burst = s.burst}) {}

    struct session_type {
        sluice::token_bucket<>* bucket;
        bool acquire(std::int64_t now) { return bucket->try_acquire(1, sluice::time_point(sluice::duration(now))).admitted(); }
        bool acquire() { return bucket->try_acquire().admitted(); }
    };
    session_type session() { return {&bucket_}; }

private:
    sluice::token_bucket<> bucket_;
};

}  // namespace

void bench::register_all() { flow::register_acquire<subject>("token_bucket"); }
