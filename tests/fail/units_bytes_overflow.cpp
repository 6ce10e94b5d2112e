// SPDX-License-Identifier: BSL-1.0
// Expected: more bytes than std::size_t can count
#include <sluice/core/units.hpp>

#if defined(SLUICE_FAIL)
constexpr auto bytes = sluice::literals::operator""_GiB(~0ULL);
#else
constexpr auto bytes = sluice::literals::operator""_GiB(3);
#endif
static_assert(bytes > 0);
