// SPDX-License-Identifier: BSL-1.0
// The bounded work-stealing deque. An owner that finds it full waits for the thief: that is what a bound means.
#include <sluice/queue/bounded_chase_lev_deque.hpp>

#include "workload.hpp"

namespace {
struct bounded {
    void push(bench::deque::item* i) {
        while (!deque.try_push(i)) bench::deque::relax();
    }
    bench::deque::item* pop() { return deque.pop().value_or(nullptr); }
    bench::deque::item* steal() {
        auto const stolen = deque.steal();
        return stolen ? stolen.value : nullptr;
    }
    sluice::bounded_chase_lev_deque<bench::deque::item*, 1024> deque;
};
}  // namespace

void bench::register_all() {
    deque::register_owner_alone<bounded>("bounded");
    deque::register_with_thief<bounded>("bounded");
}
