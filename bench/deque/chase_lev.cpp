// SPDX-License-Identifier: BSL-1.0
// The plain work-stealing deque: one sequentially consistent read-modify-write or fence in every pop.
#include <sluice/queue/chase_lev_deque.hpp>

#include "workload.hpp"

namespace {
struct chase_lev {
    void push(bench::deque::item* i) { deque.push(i); }
    bench::deque::item* pop() { return deque.pop().value_or(nullptr); }
    bench::deque::item* steal() {
        auto const stolen = deque.steal();
        return stolen ? stolen.value : nullptr;
    }
    sluice::chase_lev_deque<bench::deque::item*> deque{512};
};
}  // namespace

void bench::register_all() {
    deque::register_owner_alone<chase_lev>("chase_lev");
    deque::register_with_thief<chase_lev>("chase_lev");
}
