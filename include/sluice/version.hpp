// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// version_string — the version of this copy of the library: major.minor.patch.
///
/// Use it for     logs and bug reports. Builds ask for a version with find_package(sluice 0.1)
/// Thread-safety  a constant
/// Differs        the only place where the version is written; CMake reads it from the line marked SLUICE_VERSION

namespace sluice {

inline constexpr char version_string[] = "0.1.0";  // SLUICE_VERSION is read here

}  // namespace sluice
