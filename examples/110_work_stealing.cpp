// SPDX-License-Identifier: BSL-1.0
// 110 — one owner, one thief: the owner takes the newest item, the thief the oldest.
// Build:  c++ -std=c++20 -Iinclude examples/110_work_stealing.cpp
#include <sluice/queue/chase_lev_deque.hpp>
#include <cstdio>

int main() {
    sluice::chase_lev_deque<int> deque;
    for (int i = 1; i <= 4; ++i) deque.push(i);

    // In a program these two are different threads, at the same time.
    std::printf("owner pops   %d\n", *deque.pop());
    std::printf("thief steals %d\n", deque.steal().value);
    std::printf("owner pops   %d\n", *deque.pop());
    std::printf("thief steals %d\n", deque.steal().value);

    // "Empty" and "somebody was faster" are different answers: after the first look elsewhere, after the second try again.
    bool const empty = deque.steal().status == sluice::steal_status::empty;
    std::printf("thief finds it %s\n", empty ? "empty" : "contested");
}
// Expected output:
//   owner pops   4
//   thief steals 1
//   owner pops   3
//   thief steals 2
//   thief finds it empty
