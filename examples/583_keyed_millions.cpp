// SPDX-License-Identifier: BSL-1.0
// 583 — a million small processes on four threads: order within each, a crash in one leaves the others, an idle one costs nothing.
// Build:  c++ -std=c++20 -O2 -Iinclude examples/583_keyed_millions.cpp -pthread
#include <sluice/executor/keyed_executor.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <new>
#include <stdexcept>
#include <vector>

std::atomic<long long> bytes{0};  // asked of operator new and not given back: each block remembers its size in front
void* operator new(std::size_t n) {
    auto* const p = static_cast<std::size_t*>(std::malloc(n + alignof(std::max_align_t)));
    if (p == nullptr) throw std::bad_alloc();
    *p = n;
    bytes += static_cast<long long>(n);
    return reinterpret_cast<char*>(p) + alignof(std::max_align_t);
}
void operator delete(void* p) noexcept {
    if (p == nullptr) return;
    auto* const block = reinterpret_cast<std::size_t*>(static_cast<char*>(p) - alignof(std::max_align_t));
    bytes -= static_cast<long long>(*block);
    std::free(block);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }

int main() {
    constexpr std::uint32_t guilds = 1'000'000;
    std::vector<std::uint8_t> step(guilds);  // plain: each belongs to its key
    std::atomic<long>         in_order{0}, crashes{0};
    std::latch                hold(1), held(4);
    sluice::thread_pool       pool(4);
    sluice::keyed_executor<std::uint32_t, sluice::thread_pool> keyed(
        pool, {.shards = 256}, [&](std::uint32_t const&, std::exception_ptr) { ++crashes; });

    for (int i = 0; i < 4; ++i)
        pool.post([&] {  // until everything is posted, so that all keys are active at once
            held.count_down();
            hold.wait();
        });
    held.wait();
    long long const before = bytes;
    auto const      message = [&](std::uint8_t n) {
        for (std::uint32_t g = 0; g < guilds; ++g)
            keyed.post(g, [&, g, n] {
                if (step[g]++ == n) ++in_order;
                if (g % 1000 == 7 && n == 0) throw std::runtime_error("this guild's bug");
            });
    };
    message(0);
    long long const active = (bytes - before) / guilds;
    message(1);
    std::printf("%zu keys active\n", keyed.active_keys_approx());
    hold.count_down();
    pool.wait_idle();
    long long const idle = (bytes - before) / guilds;

    std::printf("bytes per active key, its task and the pool's: %s\n", active > 40 && active < 400 ? "below 400" : "unexpected");
    std::printf("bytes per idle key: %lld\n", idle);
    std::printf("%ld of 2000000 messages in order, %ld crashes, %zu keys active\n", in_order.load(), crashes.load(),
                keyed.active_keys_approx());
}
// Expected output:
//   1000000 keys active
//   bytes per active key, its task and the pool's: below 400
//   bytes per idle key: 0
//   2000000 of 2000000 messages in order, 1000 crashes, 0 keys active
