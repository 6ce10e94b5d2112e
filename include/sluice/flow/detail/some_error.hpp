// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::some_error — the exception of a failure, also where whoever reported it had none.
///
/// Thread-safety  any thread
/// Errors         noexcept: without memory it is std::bad_alloc

#include <exception>
#include <stdexcept>
#include <utility>

namespace sluice::detail {

/// `error`, or a std::logic_error that says `otherwise` if it is null: a failure stays one, and can be rethrown.
[[nodiscard]] inline std::exception_ptr some_error(std::exception_ptr error, char const* otherwise) noexcept {
    if (error) return error;
    try {
        throw std::logic_error(otherwise);
    } catch (...) {
        return std::current_exception();
    }
}

}  // namespace sluice::detail
