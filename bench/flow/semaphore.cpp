// SPDX-License-Identifier: BSL-1.0
// A fixed limit without measuring anything: std::counting_semaphore. The row with the clock reads it twice, as a limiter
// must that learns from the time a call took.
#include "workload.hpp"

#include <semaphore>

namespace {

class semaphore {
public:
    explicit semaphore(unsigned limit) : free_(limit) {}

    struct session_type {
        std::counting_semaphore<>* free;
        bool acquire(std::int64_t) {
            if (!free->try_acquire()) return false;
            free->release();
            return true;
        }
        bool acquire() {
            if (!free->try_acquire()) return false;
            auto const start = bench::flow::steady_now();
            benchmark::DoNotOptimize(bench::flow::steady_now() - start);
            free->release();
            return true;
        }
    };
    session_type session() { return {&free_}; }

private:
    std::counting_semaphore<> free_;
};

}  // namespace

void bench::register_all() { flow::register_permit<semaphore>("semaphore"); }
