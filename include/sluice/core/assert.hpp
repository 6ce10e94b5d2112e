// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// SLUICE_ASSERT — the one macro of the library: a documented precondition was broken.
///
/// Use it for     conditions that the documentation calls "requires"; never for an ordinary outcome
/// Thread-safety  any thread
/// Errors         prints the condition, file and line to stderr and aborts
/// Complexity     nothing where NDEBUG is defined: the condition is then not evaluated
///
/// A program may define SLUICE_ASSERT itself before its first include, for example to call a model checker's own
/// failure function. The definition must be the same in every translation unit.

#if !defined(SLUICE_ASSERT)
#if defined(NDEBUG)
#define SLUICE_ASSERT(condition) static_cast<void>(sizeof(!(condition)))
#else
#include <cstdio>
#include <cstdlib>

namespace sluice::detail {

[[noreturn]] inline void assert_failed(char const* condition, char const* file, int line) noexcept {
    std::fprintf(stderr, "%s:%d: sluice: requires %s\n", file, line, condition);
    std::abort();
}

}  // namespace sluice::detail

#define SLUICE_ASSERT(condition) \
    ((condition) ? static_cast<void>(0) : ::sluice::detail::assert_failed(#condition, __FILE__, __LINE__))
#endif
#endif
