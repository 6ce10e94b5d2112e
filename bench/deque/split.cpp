// SPDX-License-Identifier: BSL-1.0
// The deque of the fork-join fast path: neither push nor pop pays for thieves that are not there.
#include <sluice/queue/split_deque.hpp>

#include "workload.hpp"

namespace {
struct split {
    void push(bench::deque::item* i) { deque.push(i); }
    bench::deque::item* pop() { return deque.pop().value_or(nullptr); }
    bench::deque::item* steal() {
        auto const stolen = deque.steal();
        return stolen ? stolen.value : nullptr;
    }
    sluice::split_deque<bench::deque::item*> deque;
};
}  // namespace

void bench::register_all() {
    deque::register_owner_alone<split>("split");
    deque::register_with_thief<split>("split");
}
