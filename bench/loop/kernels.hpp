// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace bench::loop {

/// y += a x
void saxpy(float a, float const* x, float* y, std::size_t n) noexcept;

/// The sum of x, added up in float: exact for blocks of small whole numbers.
[[nodiscard]] float sum(float const* x, std::size_t n) noexcept;

}  // namespace bench::loop
