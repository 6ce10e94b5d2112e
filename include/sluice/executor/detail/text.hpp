// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::append_json_string, append_number — texts and numbers as JSON and Prometheus want them, whatever the locale.
///
/// Thread-safety  any thread
/// Errors         std::bad_alloc

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace sluice::detail {

inline void append_number(std::string& out, std::uint64_t n) { out += std::to_string(n); }

/// The shortest text that gives the same number again. Infinity and NaN, which are no numbers in JSON: `otherwise`.
inline void append_number(std::string& out, double x, std::string_view otherwise) {
    if (!(x - x == 0)) {
        out += otherwise;
        return;
    }
    char       text[40];
    auto const end = std::to_chars(text, text + sizeof text, x);
    out.append(text, end.ec == std::errc() ? static_cast<std::size_t>(end.ptr - text) : 0);
}

/// n / 10^digits, exactly.
inline void append_fixed(std::string& out, std::int64_t n, unsigned digits) {
    std::uint64_t magnitude = n < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n);
    if (n < 0) out += '-';
    std::string text = std::to_string(magnitude);
    if (text.size() <= digits) text.insert(0, digits + 1 - text.size(), '0');
    text.insert(text.size() - digits, 1, '.');
    out += text;
}

/// How many bytes of the text are one character of UTF-8; 0: they are none.
[[nodiscard]] inline std::size_t utf8_length(std::string_view s) noexcept {
    auto const byte = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0U; };
    auto const more = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
    unsigned const a = byte(0), b = byte(1);
    if (a < 0x80) return 1;
    if (a < 0xC2 || a > 0xF4) return 0;
    if (a < 0xE0) return more(1) ? 2 : 0;
    if (a < 0xF0) return more(1) && more(2) && !(a == 0xE0 && b < 0xA0) && !(a == 0xED && b >= 0xA0) ? 3 : 0;
    return more(1) && more(2) && more(3) && !(a == 0xF0 && b < 0x90) && !(a == 0xF4 && b >= 0x90) ? 4 : 0;
}

/// In quotes, escaped; bytes that are no UTF-8 become U+FFFD.
inline void append_json_string(std::string& out, std::string_view s) {
    static constexpr char hex[] = "0123456789abcdef";
    out += '"';
    while (!s.empty()) {
        std::size_t const n = utf8_length(s);
        unsigned char const c = static_cast<unsigned char>(s[0]);
        if (n == 0) {
            out += "\\ufffd";
        } else if (c == '"' || c == '\\') {
            out += '\\';
            out += static_cast<char>(c);
        } else if (c < 0x20) {
            out += "\\u00";
            out += hex[c / 16];
            out += hex[c % 16];
        } else {
            out += s.substr(0, n);
        }
        s.remove_prefix(n == 0 ? 1 : n);
    }
    out += '"';
}

}  // namespace sluice::detail
