// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// steal_result — what one attempt to steal brought: an item, nothing there, or a race lost to somebody else.
///
/// Use it for     telling "look elsewhere" (empty) from "try again" (lost): a thief that is about to park must treat
///                lost as "there may be more", or it sleeps beside work
/// Thread-safety  a plain value
/// Complexity     the size of T and a byte

#include <cstdint>

namespace sluice {

enum class steal_status : std::uint8_t {
    success,  ///< value holds the item, which is now the thief's alone
    empty,    ///< the queue was seen with nothing to take
    lost,     ///< somebody else took the item in the same moment; there may be more
};

template <class T>
struct [[nodiscard]] steal_result {
    steal_status status = steal_status::empty;
    T            value{};  ///< meaningful only on success

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return status == steal_status::success; }
    [[nodiscard]] constexpr T& operator*() noexcept { return value; }
    [[nodiscard]] constexpr T const& operator*() const noexcept { return value; }
};

}  // namespace sluice
