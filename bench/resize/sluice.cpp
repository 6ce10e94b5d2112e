// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/thread_pool.hpp>

#include "workload.hpp"

#include <cstddef>
#include <memory>

namespace {
sluice::thread_pool_options two_to_four(std::size_t n) {
    sluice::thread_pool_options o;
    o.workers = n;
    o.min_workers = 2;
    o.max_workers = 4;
    return o;
}

struct resized {
    explicit resized(std::size_t n) : pool(two_to_four(n)) {}
    template <class F>
    void post(F f) {
        pool.post(f);
    }
    void ask(std::size_t n) { pool.resize(n); }
    bool resize(std::size_t n) {
        pool.resize(n);
        for (auto const give_up = bench::clock::now() + std::chrono::minutes(1); pool.provisioned() != n || pool.ready() != n;) {
            if (bench::clock::now() > give_up) return false;
            std::this_thread::yield();
        }
        return true;
    }
    sluice::thread_pool pool;
};
struct remade {
    explicit remade(std::size_t n) : pool(std::make_unique<sluice::thread_pool>(n)) {}
    bool resize(std::size_t n) {
        pool.reset();
        pool = std::make_unique<sluice::thread_pool>(n);
        return pool->size() == n;
    }
    std::unique_ptr<sluice::thread_pool> pool;
};
}  // namespace

void bench::register_all() {
    resize::register_load<resized>("sluice");
    resize::register_once<resized>("sluice");
    resize::register_once<remade>("sluice_remade");
}
