// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/mix64.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <bit>
#include <cstdint>

namespace {

constexpr std::uint64_t undo_shift(std::uint64_t y, int shift) {
    std::uint64_t x = y;
    for (int known = shift; known < 64; known += shift) x = y ^ (x >> shift);
    return x;
}

constexpr std::uint64_t inverse_of(std::uint64_t odd) {  // Newton: each step doubles the correct bits
    std::uint64_t x = odd;
    for (int i = 0; i < 6; ++i) x *= 2 - odd * x;
    return x;
}

constexpr std::uint64_t unmix64(std::uint64_t x) {
    x = undo_shift(x, 31) * inverse_of(0x94D049BB133111EB);
    x = undo_shift(x, 27) * inverse_of(0xBF58476D1CE4E5B9);
    return undo_shift(x, 30);
}

}  // namespace

TEST_CASE("mix64: it is splitmix64's finaliser", "[core][mix64][unit]") {
    STATIC_REQUIRE(sluice::mix64(0) == 0);
    STATIC_REQUIRE(sluice::mix64(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF);  // first number of splitmix64 with seed 0
    STATIC_REQUIRE(sluice::mix64(2 * 0x9E3779B97F4A7C15u) == 0x6E789E6AA1B965F4);
}

TEST_CASE("mix64: different numbers give different results", "[core][mix64][property]") {
    REQUIRE(unmix64(sluice::mix64(UINT64_MAX)) == UINT64_MAX);
    for (std::uint64_t x = 0; x < 1000; ++x) REQUIRE(unmix64(sluice::mix64(x)) == x);
    for (auto const x : test::keys(10'000, test::seed())) REQUIRE(unmix64(sluice::mix64(x)) == x);
}

TEST_CASE("mix64: each input bit changes each output bit half of the time", "[core][mix64][property]") {
    constexpr int samples = 4096;
    auto const inputs = test::keys(samples, test::seed());
    for (int in = 0; in < 64; ++in) {
        int changed[64] = {};
        for (auto const x : inputs) {
            auto difference = sluice::mix64(x) ^ sluice::mix64(x ^ (std::uint64_t{1} << in));
            for (; difference != 0; difference &= difference - 1) ++changed[std::countr_zero(difference)];
        }
        for (int out = 0; out < 64; ++out) {
            CAPTURE(in, out);
            REQUIRE(changed[out] > samples / 2 - 256);  // eight standard deviations of 32
            REQUIRE(changed[out] < samples / 2 + 256);
        }
    }
}
