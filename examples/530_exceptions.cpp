// SPDX-License-Identifier: BSL-1.0
// 530 — where exceptions go: to whoever waits; and if nobody waits, to the handler given to the pool.
// Build:  c++ -std=c++20 -Iinclude examples/530_exceptions.cpp -pthread
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <cstdio>
#include <stdexcept>

int main() {
    sluice::thread_pool pool({.workers = 2, .on_error = [](std::exception_ptr e) {  // default: std::terminate
                                  try {
                                      std::rethrow_exception(e);
                                  } catch (std::exception const& x) {
                                      std::printf("handler: %s\n", x.what());
                                  }
                              }});

    auto future = pool.submit([]() -> int { throw std::runtime_error("from a future"); });
    try {
        future.get();
    } catch (std::exception const& x) {
        std::printf("get:     %s\n", x.what());
    }

    sluice::task_group group(pool);  // the first exception cancels the tasks that have not begun
    for (int i = 0; i < 1000; ++i)
        group.run([] { throw std::runtime_error("from a group"); });
    try {
        group.wait();
    } catch (std::exception const& x) {
        std::printf("wait:    %s\n", x.what());
    }

    sluice::task_group thorough(pool, sluice::error_policy::collect);  // runs all, keeps every exception
    for (int i = 0; i < 3; ++i)
        thorough.run([] { throw std::runtime_error("one of three"); });
    thorough.wait();
    std::printf("errors:  %zu\n", thorough.errors().size());

    pool.post([] { throw std::runtime_error("from a posted task"); });
    pool.wait_idle();
}
// Expected output:
//   get:     from a future
//   wait:    from a group
//   errors:  3
//   handler: from a posted task
