// SPDX-License-Identifier: BSL-1.0
// One shared token bucket from which each thread takes 256 tokens at a time, and one with 64.
#include <sluice/flow/leased.hpp>
#include <sluice/flow/token_bucket.hpp>

#include "workload.hpp"

#include <algorithm>

namespace {

template <std::uint64_t Batch>
class subject {
public:
    explicit subject(bench::flow::setting s)
        : bucket_({.refill = sluice::per(s.events, sluice::duration(s.nanoseconds)), .burst = s.burst}),
          leased_(bucket_, {.threads = 2, .batch = std::min(Batch, std::max<std::uint64_t>(1, s.burst / 8))}) {}

    struct session_type {
        sluice::leased<sluice::token_bucket<>>::handle handle;
        bool acquire(std::int64_t now) { return handle.try_acquire(1, sluice::time_point(sluice::duration(now))).admitted(); }
        bool acquire() { return handle.try_acquire().admitted(); }
    };
    session_type session() { return {sluice::leased<sluice::token_bucket<>>::handle(leased_)}; }

private:
    sluice::token_bucket<>                 bucket_;
    sluice::leased<sluice::token_bucket<>> leased_;
};

}  // namespace

void bench::register_all() {
    flow::register_acquire<subject<256>>("leased");
    flow::register_acquire<subject<64>>("leased_64");
}
