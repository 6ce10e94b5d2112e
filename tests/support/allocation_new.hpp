// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The definitions behind allocation.hpp. Include it in one file of an executable: it replaces operator new for all of it.

#include "support/allocation.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

thread_local std::uint64_t fail_at = 0, counted = 0;
thread_local bool          counting = false, has_failed = false;
thread_local std::int64_t  live = 0;
std::atomic<std::int64_t>  live_of_all{0}, total_of_all{0}, until_failure{-1};  // the last: < 0 is never

void* allocate(std::size_t size, std::size_t alignment) noexcept {
    if (counting && counted++ == fail_at) {
        has_failed = true;
        return nullptr;
    }
    for (std::int64_t left = until_failure.load(); left >= 0;)
        if (until_failure.compare_exchange_weak(left, left - 1)) {
            if (left == 0) return nullptr;
            break;
        }
    if (size > static_cast<std::size_t>(-1) / 2) return nullptr;
    if (size == 0) size = 1;
    void* p;
    if (alignment <= alignof(std::max_align_t))
        p = std::malloc(size);
    else
        p = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (p == nullptr) return nullptr;
    ++live;
    live_of_all.fetch_add(1);
    total_of_all.fetch_add(1);
    return p;
}
void* allocate_or_throw(std::size_t size, std::size_t alignment) {
    void* const p = allocate(size, alignment);
    if (p == nullptr) throw std::bad_alloc();
    return p;
}
void release(void* p) noexcept {
    if (p == nullptr) return;
    --live;
    live_of_all.fetch_sub(1);
    std::free(p);
}
constexpr std::size_t ordinary = alignof(std::max_align_t);
std::size_t number(std::align_val_t a) { return static_cast<std::size_t>(a); }

}  // namespace

void* operator new(std::size_t n) { return allocate_or_throw(n, ordinary); }
void* operator new[](std::size_t n) { return allocate_or_throw(n, ordinary); }
void* operator new(std::size_t n, std::align_val_t a) { return allocate_or_throw(n, number(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return allocate_or_throw(n, number(a)); }
void* operator new(std::size_t n, std::nothrow_t const&) noexcept { return allocate(n, ordinary); }
void* operator new[](std::size_t n, std::nothrow_t const&) noexcept { return allocate(n, ordinary); }
void* operator new(std::size_t n, std::align_val_t a, std::nothrow_t const&) noexcept { return allocate(n, number(a)); }
void* operator new[](std::size_t n, std::align_val_t a, std::nothrow_t const&) noexcept { return allocate(n, number(a)); }
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t) noexcept { release(p); }
void operator delete(void* p, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, std::nothrow_t const&) noexcept { release(p); }
void operator delete[](void* p, std::nothrow_t const&) noexcept { release(p); }
void operator delete(void* p, std::align_val_t, std::nothrow_t const&) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t, std::nothrow_t const&) noexcept { release(p); }

namespace test {

scarce_memory::scarce_memory(std::uint64_t n) noexcept {
    counted = 0;
    has_failed = false;
    fail_at = n;
    counting = true;
}
scarce_memory::~scarce_memory() { counting = false; }
bool          scarce_memory::failed() const noexcept { return has_failed; }
std::uint64_t scarce_memory::allocations() const noexcept { return counted; }
std::int64_t  live_allocations() noexcept { return live; }

std::int64_t allocations::live() noexcept { return live_of_all.load(); }
std::int64_t allocations::total() noexcept { return total_of_all.load(); }
void         allocations::fail_after(std::int64_t n) noexcept { until_failure.store(n); }
bool         allocations::disarm() noexcept { return until_failure.exchange(-1) < 0; }

}  // namespace test
