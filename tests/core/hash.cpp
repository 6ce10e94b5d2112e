// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/hash.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

using sluice::xxh3;
using sluice::xxhash64;

namespace {

enum class colour : std::int16_t { none = -1, red = 5 };
enum plain : unsigned { blue = 5 };

struct hash_of_size {
    std::uint32_t operator()(int) const noexcept { return 0; }
};
struct hash_that_may_throw {
    std::uint64_t operator()(int) const { return 0; }
};

}  // namespace

static_assert(sluice::hasher<xxhash64, int> && sluice::hasher<xxhash64, colour>);
static_assert(sluice::hasher<xxhash64, std::string> && sluice::hasher<xxhash64, char const*>);
static_assert(sluice::hasher<xxh3, std::size_t> && sluice::hasher<xxh3, std::string_view>);
static_assert(sluice::hasher<xxh3, std::span<std::byte const>> && sluice::hasher<xxh3, std::vector<std::byte>>);
static_assert(!sluice::hasher<xxhash64, double>, "-0.0 and 0.0 are equal and have different bytes");
static_assert(!sluice::hasher<xxhash64, void*> && !sluice::hasher<xxh3, std::nullptr_t>);
static_assert(!sluice::hasher<xxh3, char8_t[4]>, "its null would count");
static_assert(!sluice::hasher<xxhash64, std::vector<int>>);
static_assert(!sluice::hasher<hash_of_size, int>);
static_assert(!sluice::hasher<hash_that_may_throw, int>);

TEST_CASE("xxhash64: published values for text", "[core][hash][unit]") {
    REQUIRE(xxhash64()("") == 0xEF46DB3751D8E999);
    REQUIRE(xxhash64()("a") == 0xD24EC4F1A98C6E5B);
    REQUIRE(xxhash64()("abc") == 0x44BC2CF5AD770999);
    REQUIRE(xxhash64()(std::string("a")) == 0xD24EC4F1A98C6E5B);
    REQUIRE(xxhash64()(std::string_view()) == 0xEF46DB3751D8E999);
}

TEST_CASE("xxh3: the published value for empty text", "[core][hash][unit]") {
    REQUIRE(xxh3()("") == 0x2D06800538D394C2);
    REQUIRE(xxh3()(std::string_view()) == 0x2D06800538D394C2);
    REQUIRE(xxh3()(std::span<std::byte const>()) == 0x2D06800538D394C2);
}

TEST_CASE("hash: an integer is its eight bytes, least significant first", "[core][hash][unit]") {
    // Expected values: the algorithms' descriptions, worked in another language.
    struct row {
        std::uint64_t key, seed, xxhash64, xxh3;
    };
    for (auto const& [key, seed, old_hash, new_hash] :
         {row{0, 0, 0x34C96ACDCADB1BBB, 0xC77B3ABB6F87ACD9},
          {0, 42, 0xB71B47EBDA15746C, 0x4596708167F8EB2E},
          {5, 0, 0x89BE0B2DD5C2593D, 0x8E03E9AA39AAA78C},
          {5, 42, 0x56C2FCE454766645, 0x53E4368E22C276EC},
          {UINT64_MAX, 0, 0x85D136ADB773C6C9, 0x5111C7E47D784413},
          {UINT64_MAX, 42, 0x358AE035BFB46FD2, 0x412B089853A0709E},
          {0x0123456789ABCDEF, 0, 0xEA3C52081E9843EC, 0xB78DF414284277A6},
          {0x0123456789ABCDEF, 42, 0x1AF0A5ABEE8ED12E, 0xAD2AD1AC61C2919A}}) {
        CAPTURE(key, seed);
        REQUIRE(xxhash64(seed)(key) == old_hash);
        REQUIRE(xxh3(seed)(key) == new_hash);
        std::byte bytes[8];
        for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(key >> (8 * i));
        REQUIRE(xxhash64(seed)(std::span<std::byte const>(bytes)) == old_hash);
        REQUIRE(xxh3(seed)(std::span<std::byte const>(bytes)) == new_hash);
    }
}

TEST_CASE("hash: a character is one key whether char has a sign or not", "[core][hash][unit]") {
    enum class letter : char { e_acute = '\xE9' };
    for (auto const c : {'\x00', 'a', '\x7F', '\x80', '\xE9', '\xFF'}) {
        auto const code = static_cast<unsigned char>(c);
        CHECK(xxhash64()(c) == xxhash64()(std::uint64_t{code}));
        CHECK(xxh3()(c) == xxh3()(std::uint64_t{code}));
    }
    CHECK(xxh3()(letter::e_acute) == xxh3()(0xE9));
    CHECK(xxh3()(static_cast<wchar_t>(-1)) == xxh3()(std::uint64_t{std::make_unsigned_t<wchar_t>(-1)}));
    CHECK(xxh3()(static_cast<signed char>(-1)) == xxh3()(-1));  // a number
    CHECK(xxh3()(u8'a') == xxh3()('a'));
}

TEST_CASE("hash: one value is one key, whatever its type", "[core][hash][unit]") {
    auto const five = xxhash64()(std::uint64_t{5});
    REQUIRE(xxhash64()(5) == five);
    REQUIRE(xxhash64()(5u) == five);
    REQUIRE(xxhash64()(std::int8_t{5}) == five);
    REQUIRE(xxhash64()(std::size_t{5}) == five);
    REQUIRE(xxhash64()(colour::red) == five);
    REQUIRE(xxhash64()(blue) == five);

    auto const minus_one = xxh3()(std::int64_t{-1});
    REQUIRE(xxh3()(-1) == minus_one);
    REQUIRE(xxh3()(std::int16_t{-1}) == minus_one);
    REQUIRE(xxh3()(colour::none) == minus_one);
    REQUIRE(xxh3()(UINT64_MAX) == minus_one);
    REQUIRE(xxh3()(UINT32_MAX) != minus_one);
}

TEST_CASE("hash: text and the same bytes agree, at every length", "[core][hash][property]") {
    std::string text;
    for (auto const key : test::keys(600, test::seed())) {
        std::vector<std::byte> bytes;
        for (auto const c : text) bytes.push_back(static_cast<std::byte>(c));
        REQUIRE(xxhash64(key)(text) == xxhash64(key)(bytes));
        REQUIRE(xxh3(key)(text) == xxh3(key)(bytes));
        REQUIRE(xxh3(key)(text) != xxh3(key + 1)(text));
        text.push_back(static_cast<char>(key));
    }
}

TEST_CASE("hash: a row of bytes is its bytes, whatever they are called", "[core][hash][unit]") {
    auto const same = [](auto const& bytes) {
        return xxh3()(bytes) == xxh3()(std::string_view("abc")) && xxhash64()(bytes) == 0x44BC2CF5AD770999;
    };
    REQUIRE(same(std::array<unsigned char, 3>{'a', 'b', 'c'}));
    REQUIRE(same(std::vector<unsigned char>{'a', 'b', 'c'}));
    REQUIRE(same(std::vector<signed char>{'a', 'b', 'c'}));
    REQUIRE(same(std::vector<char>{'a', 'b', 'c'}));
    REQUIRE(same(std::array<std::byte, 3>{std::byte{97}, std::byte{98}, std::byte{99}}));
    std::string text = "abc";
    REQUIRE(same(std::span<char>(text)));
    REQUIRE(same(std::span<char const, 3>(text)));
    REQUIRE(same(std::u8string_view(u8"abc")));
    REQUIRE(same(std::u8string(u8"abc")));
    unsigned char const array[] = {'a', 'b', 'c'};
    REQUIRE(same(array));
    REQUIRE(xxh3()(std::vector<unsigned char>()) == xxh3()(""));
}

TEST_CASE("hash: published values of xxHash's own check at every kind of length", "[core][hash][unit]") {
    std::vector<unsigned char> buffer;
    for (std::uint64_t g = 2654435761u; buffer.size() < 1024; g *= 11400714785074694797u)
        buffer.push_back(static_cast<unsigned char>(g >> 56));
    struct row {
        std::size_t   length;
        std::uint64_t old_0, old_seeded, new_0, new_seeded;
    };
    for (auto const& r : {row{1, 0xE934A84ADB052768, 0x5014607643A9B4C3, 0xC44BDFF4074EECDB, 0x032BE332DD766EF8},
                          row{14, 0x8282DCC4994E35C8, 0xC3BD6BF63DEB6DF0, 0x1AC0BBDA2B9FCF03, 0xA7F68521581B173F},
                          row{17, 0x0D39A2D051A30C2C, 0x495CD68A647C7A22, 0x796F5ACD3A60F862, 0xF3EC5067F4306DB3},
                          row{129, 0x41C280132D697ABA, 0x1668B87489935FF5, 0x98F1B0A679A2CA29, 0x21FFFDBCA099C844},
                          row{241, 0x95D76C8B4D8FC4D6, 0x19D5AD5F4BD6CB9F, 0xC5A639ECD2030E5E, 0xDDA9B0A161D4829A},
                          row{1024, 0x4775BF7CACE4D177, 0x238CF9296898B465, 0xDD85C9B5C1109C5C, 0xEF368A8A2EBABAEF}}) {
        std::span const bytes(buffer.data(), r.length);
        CHECK(xxhash64()(bytes) == r.old_0);
        CHECK(xxhash64(2654435761u)(bytes) == r.old_seeded);
        CHECK(xxh3()(bytes) == r.new_0);
        CHECK(xxh3(11400714785074694797u)(bytes) == r.new_seeded);
    }
}

TEST_CASE("hash: the seed is kept, and 0 unless given", "[core][hash][unit]") {
    STATIC_REQUIRE(xxhash64().seed() == 0);
    STATIC_REQUIRE(xxh3().seed() == 0);
    STATIC_REQUIRE(xxhash64(7).seed() == 7);
    STATIC_REQUIRE(xxh3(UINT64_MAX).seed() == UINT64_MAX);
}
