// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/gcra.hpp>
#include <sluice/flow/keyed.hpp>

#include "workload.hpp"

namespace {

class subject {
public:
    subject(bench::flow::setting s, std::uint64_t keys)
        : limiter_({.capacity = keys + keys / 4},
                   sluice::gcra_rate_options{.rate = sluice::per(s.events, sluice::duration(s.nanoseconds)), .burst = s.burst}) {}

    struct session_type {
        sluice::keyed<std::uint64_t, sluice::gcra<>>* limiter;
        bool acquire(std::uint64_t key, std::int64_t now) {
            return limiter->try_acquire(key, 1, sluice::time_point(sluice::duration(now))).admitted();
        }
    };
    session_type session() { return {&limiter_}; }
    [[nodiscard]] std::size_t bytes() const { return limiter_.memory_bytes(); }

private:
    sluice::keyed<std::uint64_t, sluice::gcra<>> limiter_;
};

}  // namespace

void bench::register_all() { flow::register_keyed<subject>("keyed"); }
