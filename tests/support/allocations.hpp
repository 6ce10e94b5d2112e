// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::allocations — counts what operator new gives and takes back, and lets the n-th allocation fail.
///
/// Include it in one file of an executable: it replaces the global operators.

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <thread>
#include <utility>

namespace test::allocations {

inline std::atomic<std::int64_t> live{0};
inline std::atomic<std::int64_t> total{0};
inline std::atomic<std::int64_t> until_failure{-1};  // < 0: never

/// Lets the allocation after the next n fail, on whatever thread it happens.
inline void fail_after(std::int64_t n) noexcept { until_failure.store(n); }
/// True if the failure has happened.
inline bool disarm() noexcept { return until_failure.exchange(-1) < 0; }

inline void* allocate(std::size_t size, std::size_t align) {
    for (std::int64_t left = until_failure.load(); left >= 0;)
        if (until_failure.compare_exchange_weak(left, left - 1)) {
            if (left == 0) throw std::bad_alloc();
            break;
        }
    std::size_t const rounded = (size + align - 1) / align * align;
    void* const       p = std::aligned_alloc(align, rounded == 0 ? align : rounded);
    if (p == nullptr) throw std::bad_alloc();
    live.fetch_add(1);
    total.fetch_add(1);
    return p;
}
inline void* allocate_or_null(std::size_t size, std::size_t align) noexcept {
    try {
        return allocate(size, align);
    } catch (std::bad_alloc const&) {
        return nullptr;
    }
}
inline void release(void* p) noexcept {
    if (p == nullptr) return;
    live.fetch_sub(1);
    std::free(p);
}

struct sweep_result {
    int          runs = 0;      ///< the last one had no failure
    std::int64_t leaked = 0;    ///< allocations that were not given back, over all runs
};

/// Runs body(arm, disarm) again and again, each time on a thread of its own, with the failure one allocation later, until
/// a run sees none. Between arm() and disarm() an allocation fails.
template <class Body>
sweep_result sweep(Body body) {
    sweep_result result;
    for (std::int64_t n = 0;; ++n) {
        std::int64_t const before = live.load();
        bool               failed = false;
        std::thread([&] { body([&] { fail_after(n); }, [&] { failed = disarm(); }); }).join();
        result.leaked += live.load() - before;
        ++result.runs;
        if (!failed || n > 10'000) return result;
    }
}

}  // namespace test::allocations

void* operator new(std::size_t n) { return test::allocations::allocate(n, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
void* operator new[](std::size_t n) { return test::allocations::allocate(n, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
void* operator new(std::size_t n, std::align_val_t a) { return test::allocations::allocate(n, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return test::allocations::allocate(n, static_cast<std::size_t>(a)); }
void* operator new(std::size_t n, std::nothrow_t const&) noexcept {
    return test::allocations::allocate_or_null(n, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new[](std::size_t n, std::nothrow_t const&) noexcept {
    return test::allocations::allocate_or_null(n, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t n, std::align_val_t a, std::nothrow_t const&) noexcept {
    return test::allocations::allocate_or_null(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a, std::nothrow_t const&) noexcept {
    return test::allocations::allocate_or_null(n, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { test::allocations::release(p); }
void operator delete[](void* p) noexcept { test::allocations::release(p); }
void operator delete(void* p, std::size_t) noexcept { test::allocations::release(p); }
void operator delete[](void* p, std::size_t) noexcept { test::allocations::release(p); }
void operator delete(void* p, std::align_val_t) noexcept { test::allocations::release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { test::allocations::release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { test::allocations::release(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { test::allocations::release(p); }
