// SPDX-License-Identifier: BSL-1.0
// Whether a page is what the report promises: well-formed, alone, every picture with words and a table, every number a number.
//
//   sluice_check_html FILE [TEXT…]   one line for each complaint; each TEXT must occur. Exit code 1 with complaints
//   sluice_check_html --self-test    pages with one fault each: every one must be found
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using strings = std::vector<std::string>;

std::string lower(std::string s) {
    for (char& c : s) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return s;
}

class page {
public:
    explicit page(std::string text) : text_(std::move(text)) {
        read();
        for (auto const& name : open_) complain("<" + name + "> is never closed");
        for (auto const& id : referred_)
            if (!ids_.contains(id)) complain("refers to \"" + id + "\", which is not there");
        if (awaits_table_) complain("a picture without a table");
    }

    strings complaints;

private:
    void complain(std::string what) { complaints.push_back("byte " + std::to_string(at_) + ": " + std::move(what)); }

    void read() {
        static std::set<std::string> const empty{"meta", "link", "br", "hr", "img", "input"};
        while ((at_ = text_.find('<', at_)) != text_.npos) {
            if (text_.compare(at_, 2, "<!") == 0) {
                at_ = text_.find('>', at_);
                continue;
            }
            bool const closing = text_.compare(at_, 2, "</") == 0;
            at_ += closing ? 2 : 1;
            std::string name;
            while (at_ < text_.size() && std::isalnum(static_cast<unsigned char>(text_[at_])) != 0) name += text_[at_++];
            if (name.empty()) return complain("a < that begins no tag");
            std::map<std::string, std::string> attributes;
            bool closed_itself = false;
            if (!read_attributes(attributes, closed_itself)) return complain("<" + name + "> has a broken attribute");
            if (closing) {
                if (open_.empty() || open_.back() != name)
                    return complain("</" + name + "> where " + (open_.empty() ? "nothing" : "<" + open_.back() + ">") + " is open");
                open_.pop_back();
                leave(name);
                continue;
            }
            enter(name, attributes);
            if (closed_itself || empty.contains(name)) continue;
            if (name == "script" || name == "style") {
                auto const end = text_.find("</" + name, at_);
                auto const body = lower(text_.substr(at_, end - at_));
                for (char const* const loads : {"http:", "https:", "@import", "url(", "fetch(", "import("})
                    if (body.find(loads) != body.npos) complain("<" + name + "> has " + loads);
                if (end == text_.npos) return complain("<" + name + "> is never closed");
                at_ = end;
            }
            open_.push_back(name);
        }
        at_ = text_.size();
    }

    bool read_attributes(std::map<std::string, std::string>& attributes, bool& closed_itself) {
        for (;;) {
            while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
            if (at_ >= text_.size()) return false;
            if (text_[at_] == '>') return ++at_, true;
            if (text_.compare(at_, 2, "/>") == 0) return at_ += 2, closed_itself = true;
            std::string name, value;
            while (at_ < text_.size() && std::string_view(" \n=>/\"<").find(text_[at_]) == std::string_view::npos) name += text_[at_++];
            if (name.empty()) return false;
            if (text_.compare(at_, 2, "=\"") == 0) {
                auto const end = text_.find('"', at_ + 2);
                if (end == text_.npos) return false;
                value = text_.substr(at_ + 2, end - at_ - 2);
                at_ = end + 1;
                if (value.find('<') != value.npos) return false;
            } else if (at_ < text_.size() && text_[at_] == '=')
                return false;
            if (!attributes.emplace(name, value).second) return false;
        }
    }

    void enter(std::string const& name, std::map<std::string, std::string> const& attributes) {
        if (!open_.empty() && open_.back() == "svg" && svg_children_ == 0 && name != "title")
            complain("<svg> does not begin with its title");
        if (!open_.empty() && open_.back() == "svg" && svg_children_ == 1 && name != "desc") complain("<svg> has no description");
        if (!open_.empty() && open_.back() == "svg") ++svg_children_;
        if (name == "svg") {
            if (awaits_table_) complain("a picture without a table");
            svg_children_ = 0;
            if (!attributes.contains("aria-labelledby")) complain("<svg> has no name");
        }
        bool const picture = name == "svg" || std::find(open_.begin(), open_.end(), "svg") != open_.end();
        if (name == "table") awaits_table_ = false, columns_ = 0;
        if (name == "tr") cells_ = 0;
        if (name == "td" || name == "th") ++cells_;
        for (auto const& [key, value] : attributes) {
            auto const small = lower(value);
            if ((small.find("http:") != small.npos || small.find("https:") != small.npos || small.starts_with("//")))
                complain(key + " refers to the network: " + value);
            if (key == "id" && !ids_.insert(value).second) complain("two have the id " + value);
            if (key == "aria-labelledby")
                for (std::size_t i = 0; i < value.size();) {
                    auto const end = std::min(value.find(' ', i), value.size());
                    referred_.insert(value.substr(i, end - i));
                    i = end + 1;
                }
            if (key == "href" && value.starts_with("#"))
                referred_.insert(value.substr(1));
            else if ((key == "href" || key == "src" || key == "srcset") && !small.starts_with("data:"))
                complain(key + " loads " + value);
            if (key.starts_with("on")) complain(key + " is a script in an attribute");
            bool const words = key == "id" || key == "class" || key == "role" || key.starts_with("aria") || key == "text-anchor";
            if (picture && !words)
                for (char const* const no_number : {"nan", "inf"})
                    if (small.find(no_number) != small.npos) complain(key + "=\"" + value + "\" is not a place");
        }
    }

    void leave(std::string const& name) {
        if (name == "svg") {
            awaits_table_ = true;
            if (svg_children_ < 3) complain("<svg> shows nothing");
        }
        if (name == "section" && awaits_table_) complain("a picture without a table"), awaits_table_ = false;
        if (name != "tr") return;
        if (columns_ == 0) columns_ = cells_;
        if (cells_ != columns_) complain("a row of " + std::to_string(cells_) + " cells in a table of " + std::to_string(columns_));
    }

    std::string text_;
    std::size_t at_ = 0;
    strings open_;
    std::set<std::string> ids_, referred_;
    int svg_children_ = 0, columns_ = 0, cells_ = 0;
    bool awaits_table_ = false;
};

int self_test() {
    std::string const picture = "<svg aria-labelledby=\"a\"><title id=\"a\">t</title><desc>d</desc><path d=\"M0 1\"/></svg>";
    std::string const table = "<table><tr><th>1</th><th>2</th></tr><tr><td>1</td><td>2</td></tr></table>";
    auto const with = [&](std::string const& from, std::string const& to) {
        std::string s = "<!DOCTYPE html><html><section>" + picture + table + "</section></html>";
        return from.empty() ? s : s.replace(s.find(from), from.size(), to);
    };
    struct fault {
        char const *name, *from, *to;
    };
    constexpr fault faults[] = {{"an open tag", "</section>", ""},
                                {"a crossed tag", "</th><th>", "<b></th></b><th>"},
                                {"no title", "<title id=\"a\">t</title>", "<g id=\"a\"></g>"},
                                {"no description", "<desc>d</desc>", "<g></g>"},
                                {"no table", "<table><tr><th>1</th><th>2</th></tr><tr><td>1</td><td>2</td></tr></table>", "<p>x</p>"},
                                {"NaN", "M0 1", "M0 -nan"},
                                {"infinity", "M0 1", "M0 inf"},
                                {"a link", "<section>", "<section><a href=\"https://x.invalid\">x</a>"},
                                {"a script from elsewhere", "<section>", "<section><script src=\"x.js\"></script>"},
                                {"a font", "<section>", "<style>@import 'x';</style><section>"},
                                {"a short row", "<td>2</td>", ""},
                                {"two ids", "<section>", "<section id=\"a\">"},
                                {"a reference to nothing", "aria-labelledby=\"a\"", "aria-labelledby=\"b\""},
                                {"a bare <", "<td>2", "<td>< 2"},
                                {"a raw quote", "d=\"M0 1\"", "d=\"M0\"1\""},
                                {"nothing drawn", "<path d=\"M0 1\"/>", ""},
                                {"a handler", "<section>", "<section onclick=\"x()\">"}};
    int missed = page(with("", "")).complaints.empty() ? 0 : (std::puts("the page without a fault is refused"), 1);
    for (auto const& f : faults)
        if (page(with(f.from, f.to)).complaints.empty()) std::printf("not found: %s\n", f.name), ++missed;
    std::printf("%zu faults, %d missed\n", std::size(faults), missed);
    return missed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    if (std::string_view(argv[1]) == "--self-test") return self_test();
    std::ifstream in(argv[1], std::ios::binary);
    std::string const text{std::istreambuf_iterator<char>(in), {}};
    if (text.empty()) return std::printf("%s: cannot be read, or empty\n", argv[1]), 1;
    page p(text);
    for (int i = 2; i < argc; ++i)
        if (text.find(argv[i]) == text.npos) p.complaints.push_back(std::string("does not say: ") + argv[i]);
    for (auto const& c : p.complaints) std::printf("%s: %s\n", argv[1], c.c_str());
    return p.complaints.empty() ? 0 : 1;
}
