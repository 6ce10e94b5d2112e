// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/random.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using sluice::splitmix64;
using sluice::uniform_below;
using sluice::uniform_real;
using sluice::xoshiro256ss;

namespace {

/// Gives the numbers it was told to, then zeros.
class scripted_source {
public:
    using result_type = std::uint64_t;

    explicit scripted_source(std::vector<std::uint64_t> numbers) : numbers_(std::move(numbers)) {}

    result_type operator()() { return taken_ < numbers_.size() ? numbers_[taken_++] : 0; }
    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return UINT64_MAX; }
    std::size_t taken() const { return taken_; }

private:
    std::vector<std::uint64_t> numbers_;
    std::size_t taken_ = 0;
};

template <class Generator>
constexpr auto first_numbers(Generator generator) {
    std::array<std::uint64_t, 5> numbers{};
    for (auto& number : numbers) number = generator();
    return numbers;
}

}  // namespace

static_assert(std::uniform_random_bit_generator<splitmix64> && std::uniform_random_bit_generator<xoshiro256ss>);
static_assert(sluice::random_source<splitmix64> && sluice::random_source<xoshiro256ss>);
static_assert(sluice::random_source<std::mt19937_64>);
static_assert(!sluice::random_source<std::mt19937>, "32 bits are not enough");
static_assert(!sluice::random_source<std::minstd_rand>);

TEST_CASE("splitmix64: the published numbers", "[core][random][unit]") {
    STATIC_REQUIRE(first_numbers(splitmix64(1234567)) ==
                   std::array<std::uint64_t, 5>{6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                                4593380528125082431u, 16408922859458223821u});
}

TEST_CASE("xoshiro256ss: the published numbers", "[core][random][unit]") {
    xoshiro256ss generator(std::array<std::uint64_t, 4>{1, 2, 3, 4});
    for (auto const expected : {11520u, 0u, 1509978240u}) REQUIRE(generator() == expected);
    for (auto const expected : {1215971899390074240u, 1216172134540287360u, 607988272756665600u, 16172922978634559625u,
                                8476171486693032832u, 10595114339597558777u, 2904607092377533576u})
        REQUIRE(generator() == expected);
}

TEST_CASE("xoshiro256ss: a seed is spread by splitmix64", "[core][random][unit]") {
    STATIC_REQUIRE(xoshiro256ss(0)() == 0x99EC5F36CB75F2B4);
    STATIC_REQUIRE(xoshiro256ss(1234567)() == 0x30A3A1C363600467);
    splitmix64 words(77);
    std::array<std::uint64_t, 4> state{};
    for (auto& word : state) word = words();
    REQUIRE(xoshiro256ss(77) == xoshiro256ss(state));
    REQUIRE_FALSE(xoshiro256ss(77) == xoshiro256ss(78));
}

TEST_CASE("xoshiro256ss: jump is 2^128 steps, long_jump 2^192", "[core][random][unit]") {
    // Expected states: the step as a matrix over GF(2), squared 128 and 192 times.
    xoshiro256ss const start(std::array<std::uint64_t, 4>{1, 2, 3, 4});
    auto jumped = start;
    jumped.jump();
    REQUIRE(jumped == xoshiro256ss(std::array<std::uint64_t, 4>{0x8C7A153956B5F3D1, 0x701F1A713401D85E,
                                                                0x6527F66A65469085, 0x8386B786C4408050}));
    auto far = start;
    far.long_jump();
    REQUIRE(far == xoshiro256ss(std::array<std::uint64_t, 4>{0x096A8EB71295A400, 0xDBF84991E50F4516,
                                                             0x534EE745810D2A0E, 0x31655CA1A2215BF1}));

    auto step_then_jump = start, jump_then_step = start;
    step_then_jump();
    step_then_jump.jump();
    jump_then_step.jump();
    jump_then_step();
    REQUIRE(step_then_jump == jump_then_step);
}

TEST_CASE("xoshiro256ss: the state of zeros is refused", "[core][random][unit]") {
    REQUIRE_THROWS_AS(xoshiro256ss(std::array<std::uint64_t, 4>{}), std::invalid_argument);
    REQUIRE_THROWS_WITH(xoshiro256ss(std::array<std::uint64_t, 4>{}), test::contains("state = {0, 0, 0, 0}"));
    REQUIRE_NOTHROW(xoshiro256ss(std::array<std::uint64_t, 4>{0, 0, 0, 1}));
}

TEST_CASE("uniform_below: worked examples", "[core][random][unit]") {
    constexpr auto most = UINT64_MAX;
    struct row {
        std::vector<std::uint64_t> numbers;
        std::uint64_t n, result;
        std::size_t taken;
    };
    std::vector<row> const rows{
        {{most}, 1, 0, 1},                                  // nothing else to choose
        {{0}, 1, 0, 1},                                     // 2^64 mod 1 = 0: nothing is rejected
        {{most}, 10, 9, 1},                                 //
        {{0, most}, 10, 9, 2},                              // 2^64 mod 10 = 6: a low word below 6 is rejected, 0 here
        {{std::uint64_t{1} << 63}, 2, 1, 1},                // powers of two never reject
        {{(std::uint64_t{1} << 63) - 1}, 2, 0, 1},          //
        {{0}, std::uint64_t{1} << 63, 0, 1},                //
        {{most}, most, most - 1, 1},                        // the low word is 1, and 2^64 mod (2^64 - 1) = 1
        {{0, 1, most}, most, 0, 2},                         // 0 is rejected; 1 gives low word 2^64 - 1
        {{0x5555555555555556, 7}, 3, 1, 1},                 // 2^64 mod 3 = 1, low word 2: kept
        {{0x5555555555555555, 0x5555555555555556}, 3, 0, 1} // low word 2^64 - 1
    };
    for (auto const& [numbers, n, result, taken] : rows) {
        CAPTURE(numbers, n);
        scripted_source source(numbers);
        REQUIRE(uniform_below(source, n) == result);
        REQUIRE(source.taken() == taken);
    }
}

TEST_CASE("uniform_below: no number is favoured where a remainder would favour some", "[core][random][property]") {
    // With n = 3/4 · 2^64, source() % n would give the lowest third twice as often as the rest.
    constexpr auto n = std::uint64_t{3} << 62;
    constexpr int samples = 30'000;
    xoshiro256ss generator(test::seed());
    int thirds[3] = {};
    for (int i = 0; i < samples; ++i) {
        auto const x = uniform_below(generator, n);
        REQUIRE(x < n);
        ++thirds[x >> 62];
    }
    for (auto const count : thirds) {  // standard deviation 82
        REQUIRE(count > samples / 3 - 600);
        REQUIRE(count < samples / 3 + 600);
    }
}

TEST_CASE("uniform_below: small ranges are even", "[core][random][property]") {
    for (std::size_t const n : {1u, 2u, 3u, 6u, 7u, 10u}) {
        xoshiro256ss generator(test::seed() + n);
        std::vector<double> counts(n);
        constexpr double samples = 20'000;
        for (int i = 0; i < static_cast<int>(samples); ++i)
            ++counts.at(static_cast<std::size_t>(uniform_below(generator, n)));
        double chi_squared = 0;
        for (auto const count : counts) {
            auto const expected = samples / static_cast<double>(n);
            chi_squared += (count - expected) * (count - expected) / expected;
        }
        CAPTURE(n);
        REQUIRE(chi_squared < static_cast<double>(n) + 40);
    }
}

TEST_CASE("uniform_real: from 0 to just below 1", "[core][random][unit]") {
    scripted_source source({0, UINT64_MAX, std::uint64_t{1} << 63, 0x7FF, 0x800});
    REQUIRE(uniform_real(source) == 0.0);
    auto const largest = uniform_real(source);
    REQUIRE(largest < 1.0);
    REQUIRE(largest == std::nextafter(1.0, 0.0));
    REQUIRE(uniform_real(source) == 0.5);
    REQUIRE(uniform_real(source) == 0.0);
    REQUIRE(uniform_real(source) == 0x1p-53);
}

TEST_CASE("uniform_real: mean and variance are those of the uniform distribution", "[core][random][property]") {
    xoshiro256ss generator(test::seed());
    double sum = 0, squares = 0;
    constexpr int samples = 100'000;
    for (int i = 0; i < samples; ++i) {
        auto const x = uniform_real(generator);
        sum += x;
        squares += x * x;
    }
    auto const mean = sum / samples;
    REQUIRE(std::abs(mean - 0.5) < 0.006);  // six standard errors
    REQUIRE(std::abs(squares / samples - mean * mean - 1.0 / 12) < 0.002);
}

TEST_CASE("random: everything also runs in constant expressions", "[core][random][unit]") {
    constexpr auto below = [] {
        xoshiro256ss generator(1);
        generator.jump();
        return uniform_below(generator, 100);
    }();
    constexpr auto real = [] {
        xoshiro256ss generator(1);
        generator.jump();
        return uniform_real(generator);
    }();
    STATIC_REQUIRE(below == static_cast<std::uint64_t>(real * 100));
}
