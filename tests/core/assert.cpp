// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/assert.hpp>

#include "support/catch.hpp"
#include "support/death.hpp"

#if defined(NDEBUG)

TEST_CASE("assert: the condition is not evaluated where NDEBUG is defined", "[core][assert][unit]") {
    int evaluated = 0;
    SLUICE_ASSERT(++evaluated > 1);
    REQUIRE(evaluated == 0);
    auto const result = test::in_child([] { SLUICE_ASSERT(1 + 1 == 3); });
    REQUIRE(result.returned);
    REQUIRE(result.errors.empty());
}

#else

TEST_CASE("assert: a condition that holds is evaluated once and does nothing else", "[core][assert][unit]") {
    int evaluated = 0;
    SLUICE_ASSERT(++evaluated == 1);
    REQUIRE(evaluated == 1);
}

TEST_CASE("assert: a broken condition is printed with its place and ends the program", "[core][assert][unit]") {
    int const line = __LINE__ + 1;
    auto const result = test::in_child([] { SLUICE_ASSERT(1 + 1 == 3); });
    REQUIRE(result.aborted);
    auto const sentence = "assert.cpp:" + std::to_string(line) + ": sluice: requires 1 + 1 == 3\n";
    REQUIRE_THAT(result.errors, test::contains(sentence));
}

#endif

TEST_CASE("assert: it is an expression, also in constants and after an unbraced if", "[core][assert][unit]") {
    constexpr auto half = [](int even) {
        SLUICE_ASSERT(even % 2 == 0);
        return even / 2;
    };
    STATIC_REQUIRE(half(6) == 3);

    bool reached_else = false;
    if (half(2) != 1)
        SLUICE_ASSERT(half(4) == 2);
    else
        reached_else = true;
    REQUIRE(reached_else);
}
