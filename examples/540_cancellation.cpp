// SPDX-License-Identifier: BSL-1.0
// 540 — cancellation: tasks that have not begun are dropped, running ones look at a stop token.
// Build:  c++ -std=c++20 -Iinclude examples/540_cancellation.cpp -pthread
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <atomic>
#include <cstdio>
#include <stop_token>

int main() {
    std::atomic<bool>   begun{false};  // what the tasks look at comes before the pool, and so outlives them
    bool                left_early = false;
    int                 ran = 0;
    sluice::thread_pool pool(1);
    std::stop_source    user;                           // say, the "stop" button
    sluice::task_group  group(pool, user.get_token());  // stops with it, and so would a group made inside

    group.run([&, token = group.get_token()] {
        begun = true;
        begun.notify_one();
        while (!token.stop_requested()) {}  // work in small steps
        left_early = true;
    });
    for (int i = 0; i < 99; ++i) group.run([&] { ++ran; });  // behind it in the queue of the only worker

    begun.wait(false);
    user.request_stop();
    group.wait();
    std::printf("the running task left early: %s\n", left_early ? "yes" : "no");
    std::printf("ran %d, dropped %d of the others\n", ran, static_cast<int>(group.dropped()));
}
// Expected output:
//   the running task left early: yes
//   ran 0, dropped 99 of the others
