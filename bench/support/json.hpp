// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// As much JSON as the report needs: reads what Google Benchmark writes, quotes what we write.

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench::json {

struct value {
    enum class kind { null, boolean, number, string, array, object } is = kind::null;
    bool                         boolean = false;
    double                       number  = 0;
    std::string                  string;
    std::vector<value>           array;
    std::map<std::string, value> object;

    [[nodiscard]] value const& operator[](std::string const& key) const {
        static value const nothing;
        auto const         found = object.find(key);
        return found == object.end() ? nothing : found->second;
    }
};

class parser {
public:
    static value parse(std::string const& text) {
        parser p(text);
        value  v = p.any();
        p.space();
        if (p.at_ != text.size()) p.fail();
        return v;
    }

private:
    explicit parser(std::string const& text) : text_(text) {}

    [[noreturn]] void fail() const { throw std::runtime_error("JSON: unexpected text at byte " + std::to_string(at_)); }
    void              space() {
        while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    }
    char peek() {
        space();
        if (at_ == text_.size()) fail();
        return text_[at_];
    }
    bool skip(char c) {
        if (peek() != c) return false;
        ++at_;
        return true;
    }
    void expect(char c) {
        if (!skip(c)) fail();
    }
    bool word(char const* w) {
        std::size_t const n = std::char_traits<char>::length(w);
        if (text_.compare(at_, n, w) != 0) return false;
        at_ += n;
        return true;
    }

    value any() {
        if (++depth_ > 200) fail();  // nobody's results, and deep enough for a stack
        value v = one();
        --depth_;
        return v;
    }

    value one() {
        value v;
        switch (peek()) {
        case '{':
            v.is = value::kind::object;
            ++at_;
            if (skip('}')) return v;
            do {
                std::string key = (space(), text());
                expect(':');
                v.object[std::move(key)] = any();
            } while (skip(','));
            expect('}');
            return v;
        case '[':
            v.is = value::kind::array;
            ++at_;
            if (skip(']')) return v;
            do v.array.push_back(any());
            while (skip(','));
            expect(']');
            return v;
        case '"':
            v.is     = value::kind::string;
            v.string = text();
            return v;
        default:
            if (word("true") || word("false")) {
                v.is      = value::kind::boolean;
                v.boolean = text_[at_ - 2] == 'u';
            } else if (word("null")) {
                v.is = value::kind::null;
            } else if (word("NaN") || word("Infinity") || word("-Infinity")) {  // not JSON, but written by some
                v.is     = value::kind::number;
                v.number = std::strtod("nan", nullptr);
            } else {
                char* end = nullptr;
                v.is      = value::kind::number;
                v.number  = std::strtod(text_.c_str() + at_, &end);
                if (end == text_.c_str() + at_) fail();
                at_ = static_cast<std::size_t>(end - text_.c_str());
            }
            return v;
        }
    }

    std::string text() {
        expect('"');
        std::string s;
        while (at_ < text_.size() && text_[at_] != '"') {
            if (text_[at_] == '\\' && ++at_ < text_.size()) {
                char const c = text_[at_];
                s += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'u' ? '?' : c;
                at_ = std::min(at_ + (c == 'u' ? 5 : 1), text_.size());
            } else {
                s += text_[at_++];
            }
        }
        expect('"');
        return s;
    }

    std::string const& text_;
    std::size_t        at_    = 0;
    int                depth_ = 0;
};

[[nodiscard]] inline value read(std::string const& path) {
    std::ifstream     in(path, std::ios::binary);
    std::string const text{std::istreambuf_iterator<char>(in), {}};
    return parser::parse(text);
}

[[nodiscard]] inline std::string quoted(std::string const& s) {
    std::string q = "\"";
    for (char const c : s) {
        if (c == '"' || c == '\\') (q += '\\') += c;
        else if (static_cast<unsigned char>(c) < 0x20) q += ' ';
        else q += c;
    }
    return q + '"';
}

[[nodiscard]] inline std::string number(double x) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", x);
    return x == x && x - x == 0 ? text : "null";
}

}  // namespace bench::json
