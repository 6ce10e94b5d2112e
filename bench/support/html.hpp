// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// Text, numbers and tables as HTML: everything that comes from outside is escaped here.

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench::html {

[[nodiscard]] inline std::string escape(std::string_view text) {
    std::string s;
    for (char const c : text) {
        switch (c) {
        case '&': s += "&amp;"; break;
        case '<': s += "&lt;"; break;
        case '>': s += "&gt;"; break;
        case '"': s += "&quot;"; break;
        default: s += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
        }
    }
    return s;
}

/// A number with so many digits behind the point; what is not a number has no place in a page.
[[nodiscard]] inline std::string fixed(double x, int decimals = 1) {
    if (!std::isfinite(x)) throw std::domain_error("html: a coordinate that is not finite");
    char text[400];
    std::snprintf(text, sizeof text, "%.*f", decimals, x);
    return text;
}

/// Three significant digits for people; without an exponent between 0.0001 and a million.
[[nodiscard]] inline std::string brief(double x) {
    if (!std::isfinite(x)) return "–";
    double const size = std::fabs(x);
    if (size != 0 && (size < 1e-4 || size >= 1e6)) {
        char text[48];
        std::snprintf(text, sizeof text, "%.3g", x);
        return text;
    }
    int decimals = size >= 99.95 || size == 0 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
    for (double s = size * 10; size != 0 && s < 0.9995; s *= 10) ++decimals;
    return fixed(x, decimals);
}

/// A count or a setting: whole numbers as such.
[[nodiscard]] inline std::string plain(double x) {
    char text[48];
    std::snprintf(text, sizeof text, "%.6g", x);
    return text;
}

/// Cells are HTML already (escape what is not). The first column names the row.
struct table {
    std::string                           caption;
    std::vector<std::string>              head;
    std::vector<std::vector<std::string>> rows{};
    std::size_t                           text_columns = 1;  ///< the first ones, aligned left; the others hold numbers

    [[nodiscard]] std::string text() const {
        std::string s = "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"" + escape(caption) + "\"><table><caption>" +
                        escape(caption) + "</caption>\n<thead><tr>";
        for (std::size_t i = 0; i < head.size(); ++i)
            s += (i < text_columns ? "<th scope=\"col\" class=\"t\">" : "<th scope=\"col\">") + escape(head[i]) + "</th>";
        s += "</tr></thead>\n<tbody>\n";
        for (auto const& row : rows) {
            s += "<tr>";
            for (std::size_t i = 0; i < row.size(); ++i) {
                char const* const tag = i == 0 ? "th" : "td";
                s += std::string("<") + tag + (i == 0 ? " scope=\"row\"" : "") + (i < text_columns ? " class=\"t\">" : ">") + row[i] +
                     "</" + tag + ">";
            }
            s += "</tr>\n";
        }
        return s + "</tbody></table></div>\n";
    }
};

/// A table that is there for those who ask: closed on a screen, open in print.
[[nodiscard]] inline std::string details(std::string_view summary, table const& t) {
    return "<details><summary>" + escape(summary) + "</summary>\n" + t.text() + "</details>\n";
}

[[nodiscard]] inline std::string paragraph(std::string_view text) { return "<p>" + escape(text) + "</p>\n"; }

/// Where there is nothing to show: one sentence that says so.
[[nodiscard]] inline std::string absent(std::string_view text) { return "<p class=\"absent\">" + escape(text) + "</p>\n"; }

/// A chart, which scrolls where it would be too small to read, and the same as a table.
[[nodiscard]] inline std::string figure(std::string const& svg, std::string const& table_text, std::string_view caption = {}) {
    std::string const above = caption.empty() ? std::string() : "<figcaption>" + escape(caption) + "</figcaption>\n";
    return "<figure>\n" + above + "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Chart\">" + svg + "</div>\n" +
           table_text + "</figure>\n";
}

}  // namespace bench::html
