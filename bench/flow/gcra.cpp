// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/gcra.hpp>

#include "workload.hpp"

namespace {

class subject {
public:
    explicit subject(bench::flow::setting s)
        : limiter_(sluice::gcra_rate_options{.rate = sluice::per(s.events, sluice::duration(s.nanoseconds)), .burst = s.burst}) {}

    struct session_type {
        sluice::gcra<>* limiter;
        bool acquire(std::int64_t now) { return limiter->try_acquire(1, sluice::time_point(sluice::duration(now))).admitted(); }
        bool acquire() { return limiter->try_acquire().admitted(); }
    };
    session_type session() { return {&limiter_}; }

private:
    sluice::gcra<> limiter_;
};

}  // namespace

void bench::register_all() { flow::register_acquire<subject>("gcra"); }
