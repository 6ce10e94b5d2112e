// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::prefetch, prefetch_for_write — asks for a cache line that is read, or written, soon.
///
/// Thread-safety  any thread
/// Complexity     one instruction, or nothing where the compiler has no such thing

namespace sluice::detail {

inline void prefetch([[maybe_unused]] void const* p) noexcept {
#if defined(__GNUC__)
    __builtin_prefetch(p);
#endif
}
inline void prefetch_for_write([[maybe_unused]] void const* p) noexcept {
#if defined(__GNUC__)
    __builtin_prefetch(p, 1);
#endif
}

}  // namespace sluice::detail
