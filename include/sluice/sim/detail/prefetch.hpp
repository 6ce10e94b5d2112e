// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::prefetch — asks for a cache line that is written soon.
///
/// Thread-safety  any thread
/// Complexity     one instruction, or nothing where the compiler has no such thing

namespace sluice::sim::detail {

inline void prefetch([[maybe_unused]] void const* p) noexcept {
#if defined(__GNUC__)
    __builtin_prefetch(p, 1);
#endif
}

}  // namespace sluice::sim::detail
