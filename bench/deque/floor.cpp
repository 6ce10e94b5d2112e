// SPDX-License-Identifier: BSL-1.0
// What cannot be beaten: an array that nobody shares, and the same with the one expensive instruction that a deque with
// thieves needs in every pop, as a fence or as a sequentially consistent store.
#include "workload.hpp"

#include <array>

namespace {
using item = bench::deque::item;

struct plain_array {
    void  push(item* i) noexcept { slots[bottom++] = i; }
    item* pop() noexcept { return bottom == 0 ? nullptr : slots[--bottom]; }

    std::array<item*, 1024> slots{};
    std::size_t             bottom = 0;
};

struct shared_array {
    void push(item* i) noexcept {
        auto const b = bottom.load(std::memory_order_relaxed);
        slots[b & 1023].store(i, std::memory_order_relaxed);
        bottom.store(b + 1, std::memory_order_release);
    }
    std::array<std::atomic<item*>, 1024> slots{};
    alignas(64) std::atomic<std::uint64_t> bottom{0};
    alignas(64) std::atomic<std::uint64_t> top{0};
};

struct fence : shared_array {
    item* pop() noexcept {
        auto const b = bottom.load(std::memory_order_relaxed) - 1;
        bottom.store(b, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (top.load(std::memory_order_relaxed) > b) return nullptr;
        return slots[b & 1023].load(std::memory_order_relaxed);
    }
};

struct seq_cst_store : shared_array {
    item* pop() noexcept {
        auto const b = bottom.load(std::memory_order_relaxed) - 1;
        bottom.store(b, std::memory_order_seq_cst);
        if (top.load(std::memory_order_seq_cst) > b) return nullptr;
        return slots[b & 1023].load(std::memory_order_relaxed);
    }
};
}  // namespace

void bench::register_all() {
    deque::register_owner_alone<plain_array>("plain_array");
    deque::register_owner_alone<fence>("floor_fence");
    deque::register_owner_alone<seq_cst_store>("floor_seq_cst_store");
}
