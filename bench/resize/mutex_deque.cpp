// SPDX-License-Identifier: BSL-1.0
#include <support/mutex_deque_pool.hpp>

#include "workload.hpp"

#include <cstddef>
#include <memory>

namespace {
struct remade {
    explicit remade(std::size_t n) : pool(std::make_unique<bench::mutex_deque_pool>(static_cast<unsigned>(n))) {}
    bool resize(std::size_t n) {
        pool.reset();
        pool = std::make_unique<bench::mutex_deque_pool>(static_cast<unsigned>(n));
        return true;
    }
    std::unique_ptr<bench::mutex_deque_pool> pool;
};
}  // namespace

void bench::register_all() { resize::register_once<remade>("mutex_deque_remade"); }
