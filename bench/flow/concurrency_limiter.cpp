// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/concurrency_limiter.hpp>

#include "workload.hpp"

namespace {

class subject {
public:
    explicit subject(unsigned limit)
        : limiter_(sluice::knee_limit({.initial = limit, .min_limit = limit, .max_limit = limit})) {}

    struct session_type {
        sluice::concurrency_limiter<>* limiter;
        bool acquire(std::int64_t now) {
            auto const at     = sluice::time_point(sluice::duration(now));
            auto       permit = limiter->try_acquire(at);
            if (!permit) return false;
            permit.success(at + sluice::duration(50));
            return true;
        }
        bool acquire() {
            auto permit = limiter->try_acquire();
            if (!permit) return false;
            permit.success();
            return true;
        }
    };
    session_type session() { return {&limiter_}; }

private:
    sluice::concurrency_limiter<> limiter_;
};

}  // namespace

void bench::register_all() { flow::register_permit<subject>("concurrency_limiter"); }
