// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::as_function — what f(x) calls where std::invoke(f, x) is meant: a member pointer as a function, anything else as it is.
///
/// Thread-safety  any thread
/// Complexity     nothing
/// Errors         none

#include <functional>
#include <type_traits>

namespace sluice::detail {

template <class F>
[[nodiscard]] constexpr decltype(auto) as_function(F& f) noexcept {
    if constexpr (std::is_member_pointer_v<std::remove_cv_t<F>>)
        return std::mem_fn(f);
    else
        return static_cast<F&>(f);
}

}  // namespace sluice::detail
