// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// measure_tasks — what it takes to hand out n tasks, until all have run, as ns_per_task.

#include <support/bench.hpp>
#include <support/tally.hpp>

#include <cstdint>

namespace bench {

struct any_sum {
    bool operator()(std::uint64_t) const noexcept { return true; }
};

/// post() hands out n tasks that call tally::add once each. right(sum) judges what they have added, outside of the time.
template <class Post, class Right = any_sum>
void measure_tasks(benchmark::State& state, std::uint64_t n, Post post, Right right = {}) {
    auto before = tally::now();
    bool all = true;
    measure(
        state, "ns_per_task", static_cast<double>(n),
        [&] {
            post();
            all = tally::await(before, n);
        },
        [&] {
            auto const after = tally::now();
            bool const good = all && after.tasks - before.tasks == n && right(after.sum - before.sum);
            before = after;
            return good;
        });
}

}  // namespace bench
