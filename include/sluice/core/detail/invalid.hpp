// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::require_option, detail::shown — one sentence for each impossible parameter: its name, its value, what would be possible.
///
/// Thread-safety  any thread
/// Errors         std::invalid_argument

#include <concepts>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace sluice::detail {

/// A number for a message: nine digits of a fraction, wherever they are (std::to_string has six, behind the point).
template <class T>
[[nodiscard]] std::string shown(T value) {
    if constexpr (std::floating_point<T>) {
        char digits[32];
        std::snprintf(digits, sizeof digits, "%.9g", static_cast<double>(value));
        return digits;
    } else {
        return std::to_string(value);
    }
}

template <class T>
[[noreturn]] void throw_invalid(char const* name_and_range, T value) {
    throw std::invalid_argument("sluice: " + std::string(name_and_range) + " is " + shown(value));
}

template <class T>
void require_option(bool possible, char const* name_and_range, T value) {
    if (!possible) throw_invalid(name_and_range, value);
}

[[noreturn]] inline void throw_logic_error(char const* what) { throw std::logic_error(what); }

}  // namespace sluice::detail
