// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// Catch2, version 2.13 or 3, through one include.

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_approx.hpp>
#include <catch2/catch_session.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_all.hpp>

using Catch::Approx;  // as version 2 has it

namespace test {

/// Matcher for a message that contains the text.
inline auto contains(std::string const& text) { return Catch::Matchers::ContainsSubstring(text); }

}  // namespace test
#else
#include <catch2/catch.hpp>

namespace test {

/// Matcher for a message that contains the text.
inline auto contains(std::string const& text) { return Catch::Matchers::Contains(text); }

}  // namespace test
#endif
