// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::parse_json — a strict reader of JSON (RFC 8259), for looking at what the library writes.

#include <cstddef>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace test {

struct json {
    enum class kind { null, boolean, number, text, array, object } what = kind::null;
    std::string                 text{};      // of a number: as it was written
    std::vector<json>           items{};
    std::map<std::string, json> members{};

    [[nodiscard]] json const& operator[](std::string const& name) const {
        auto const at = members.find(name);
        if (at == members.end()) throw std::out_of_range("no member " + name);
        return at->second;
    }
    [[nodiscard]] json const& operator[](std::size_t i) const { return items.at(i); }
    [[nodiscard]] bool        has(std::string const& name) const { return members.contains(name); }
};

namespace detail {

class json_reader {
public:
    explicit json_reader(std::string_view text) : rest_(text) {}
    json all() {
        json v = value(0);
        blanks();
        if (!rest_.empty()) fail("more after the value");
        return v;
    }

private:
    [[noreturn]] static void fail(char const* why) { throw std::runtime_error(std::string("no JSON: ") + why); }
    char peek() const {
        if (rest_.empty()) fail("it ends too early");
        return rest_.front();
    }
    char take() {
        char const c = peek();
        rest_.remove_prefix(1);
        return c;
    }
    void expect(char c) {
        if (take() != c) fail("another character was due");
    }
    void blanks() {
        while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_.front()) != std::string_view::npos) rest_.remove_prefix(1);
    }
    json word(std::string_view w, json::kind k) {
        if (!rest_.starts_with(w)) fail("an unknown word");
        rest_.remove_prefix(w.size());
        return {.what = k, .text = std::string(w)};
    }
    void digits(std::string& out) {
        if (peek() < '0' || peek() > '9') fail("a digit was due");
        while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') out += take();
    }
    json number() {
        json v{.what = json::kind::number};
        if (peek() == '-') v.text += take();
        if (peek() == '0')
            v.text += take();
        else
            digits(v.text);
        if (!rest_.empty() && rest_.front() == '.') v.text += take(), digits(v.text);
        if (!rest_.empty() && (rest_.front() == 'e' || rest_.front() == 'E')) {
            v.text += take();
            if (peek() == '+' || peek() == '-') v.text += take();
            digits(v.text);
        }
        return v;
    }
    std::string string() {
        std::string out;
        expect('"');
        for (;;) {
            char const c = take();
            if (c == '"') return out;
            if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a string");
            if (c != '\\') {
                out += c;
                continue;
            }
            char const e = take();
            auto const known = std::string_view("\"\\/bfnrt").find(e);
            if (known != std::string_view::npos) {
                out += "\"\\/\b\f\n\r\t"[known];
            } else if (e == 'u') {
                unsigned code = 0;
                for (int i = 0; i < 4; ++i) {
                    auto const digit = std::string_view("0123456789abcdef").find(take());
                    if (digit == std::string_view::npos) fail("no hexadecimal digit");
                    code = code * 16 + static_cast<unsigned>(digit);
                }
                out += code < 0x80 ? std::string(1, static_cast<char>(code)) : "<" + std::to_string(code) + ">";
            } else {
                fail("an unknown escape");
            }
        }
    }
    json value(int depth) {
        if (depth > 50) fail("too deep");
        blanks();
        switch (peek()) {
            case 'n': return word("null", json::kind::null);
            case 't': return word("true", json::kind::boolean);
            case 'f': return word("false", json::kind::boolean);
            case '"': return {.what = json::kind::text, .text = string()};
            case '[': {
                json v{.what = json::kind::array};
                take();
                blanks();
                if (peek() == ']') return take(), v;
                for (;;) {
                    v.items.push_back(value(depth + 1));
                    blanks();
                    if (peek() == ']') return take(), v;
                    expect(',');
                }
            }
            case '{': {
                json v{.what = json::kind::object};
                take();
                blanks();
                if (peek() == '}') return take(), v;
                for (;;) {
                    blanks();
                    std::string name = string();
                    blanks();
                    expect(':');
                    if (!v.members.emplace(name, value(depth + 1)).second) fail("a name that is there twice");
                    blanks();
                    if (peek() == '}') return take(), v;
                    expect(',');
                }
            }
            default: return number();
        }
    }
    std::string_view rest_;
};

}  // namespace detail

/// Throws std::runtime_error for what is not JSON.
[[nodiscard]] inline json parse_json(std::string_view text) { return detail::json_reader(text).all(); }

}  // namespace test
