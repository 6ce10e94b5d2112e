// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::scarce_memory — lets the n-th allocation of this thread fail.

#include <cstddef>
#include <cstdint>

namespace test {

/// While it lives, the n-th allocation by this thread through operator new (counted from 0) throws std::bad_alloc, and
/// all others succeed. Sweep n upward until failed() is false: then every allocation has failed once.
class scarce_memory {
public:
    explicit scarce_memory(std::uint64_t n) noexcept;
    ~scarce_memory();
    scarce_memory(scarce_memory const&) = delete;
    scarce_memory& operator=(scarce_memory const&) = delete;
    [[nodiscard]] bool          failed() const noexcept;
    [[nodiscard]] std::uint64_t allocations() const noexcept;
};

/// Blocks from operator new that this thread has taken minus those that it has given back.
[[nodiscard]] std::int64_t live_allocations() noexcept;

}  // namespace test
