// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::md5 — the digest of RFC 1321, for rings of other programs that are made with it.
///
/// Not for        anything that has to do with security
/// Thread-safety  an object belongs to one thread; copies continue from the same text
/// Complexity     O(bytes); constexpr, no allocation
/// Source         Rivest, RFC 1321, doi:10.17487/RFC1321

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::detail {

class md5 {
public:
    /// The four words of a digest; its bytes are those of each word, the least significant first.
    using digest = std::array<std::uint32_t, 4>;

    constexpr md5& add(std::string_view text) noexcept {
        for (char const c : text) {
            block_[length_++ % 64] = static_cast<unsigned char>(c);
            if (length_ % 64 == 0) compress();
        }
        return *this;
    }

    /// Of all that was added; then the object is used up.
    [[nodiscard]] constexpr digest finish() noexcept {
        std::uint64_t const bits = length_ * 8;
        pad(0x80);
        while (length_ % 64 != 56) pad(0);
        for (unsigned i = 0; i < 8; ++i) pad(static_cast<unsigned char>(bits >> (8 * i) & 0xFFu));
        return state_;
    }

    [[nodiscard]] static constexpr digest of(std::string_view text) noexcept { return md5().add(text).finish(); }

private:
    constexpr void pad(unsigned char byte) noexcept {
        block_[length_++ % 64] = byte;
        if (length_ % 64 == 0) compress();
    }

    constexpr void compress() noexcept {
        std::array<std::uint32_t, 16> words{};
        for (std::size_t i = 0; i < 64; ++i) words[i / 4] |= std::uint32_t{block_[i]} << (8 * (i % 4));
        auto [a, b, c, d] = state_;
        for (unsigned i = 0; i < 64; ++i) {
            std::uint32_t mixed = 0;
            unsigned      word = 0;
            if (i < 16) mixed = (b & c) | (~b & d), word = i;
            else if (i < 32) mixed = (d & b) | (~d & c), word = (5 * i + 1) % 16;
            else if (i < 48) mixed = b ^ c ^ d, word = (3 * i + 5) % 16;
            else mixed = c ^ (b | ~d), word = 7 * i % 16;
            std::uint32_t const next = b + std::rotl(a + mixed + sines[i] + words[word], shifts[i / 16][i % 4]);
            a = d;
            d = c;
            c = b;
            b = next;
        }
        state_[0] += a;
        state_[1] += b;
        state_[2] += c;
        state_[3] += d;
    }

    // floor(2^32 · |sin(i + 1)|)
    static constexpr std::array<std::uint32_t, 64> sines{
        0xD76AA478u, 0xE8C7B756u, 0x242070DBu, 0xC1BDCEEEu, 0xF57C0FAFu, 0x4787C62Au, 0xA8304613u, 0xFD469501u,
        0x698098D8u, 0x8B44F7AFu, 0xFFFF5BB1u, 0x895CD7BEu, 0x6B901122u, 0xFD987193u, 0xA679438Eu, 0x49B40821u,
        0xF61E2562u, 0xC040B340u, 0x265E5A51u, 0xE9B6C7AAu, 0xD62F105Du, 0x02441453u, 0xD8A1E681u, 0xE7D3FBC8u,
        0x21E1CDE6u, 0xC33707D6u, 0xF4D50D87u, 0x455A14EDu, 0xA9E3E905u, 0xFCEFA3F8u, 0x676F02D9u, 0x8D2A4C8Au,
        0xFFFA3942u, 0x8771F681u, 0x6D9D6122u, 0xFDE5380Cu, 0xA4BEEA44u, 0x4BDECFA9u, 0xF6BB4B60u, 0xBEBFBC70u,
        0x289B7EC6u, 0xEAA127FAu, 0xD4EF3085u, 0x04881D05u, 0xD9D4D039u, 0xE6DB99E5u, 0x1FA27CF8u, 0xC4AC5665u,
        0xF4292244u, 0x432AFF97u, 0xAB9423A7u, 0xFC93A039u, 0x655B59C3u, 0x8F0CCC92u, 0xFFEFF47Du, 0x85845DD1u,
        0x6FA87E4Fu, 0xFE2CE6E0u, 0xA3014314u, 0x4E0811A1u, 0xF7537E82u, 0xBD3AF235u, 0x2AD7D2BBu, 0xEB86D391u
    };
    static constexpr int shifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

    digest                        state_{0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u};
    std::array<unsigned char, 64> block_{};
    std::uint64_t                 length_ = 0;
};

}  // namespace sluice::detail
