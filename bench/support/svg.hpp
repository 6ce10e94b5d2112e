// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// Charts as inline SVG: lines over two axes, bars with whiskers, spans on rows. Colours are classes that the page's style
/// sheet gives a light and a dark value; lines differ by their dashes too. Every chart has a title and a description.

#include "html.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench::svg {

using html::brief;
using html::escape;
using html::fixed;
using html::plain;

struct point {
    double x, y;
};

enum class drawn { line, steps, dots };

struct series {
    std::string name;
    std::vector<point> points;
    drawn as = drawn::line;
    int colour = 0;  ///< 0 … 4; grey is 5
};

struct axis {
    std::string label;
    double from = 0, to = 1;
    bool log = false;
};

/// A range of x that is marked from top to bottom.
struct band {
    double from, to;
    std::string name;
};

struct about {
    std::string id, title, description;
};

[[nodiscard]] inline std::string open(about const& a, double width, double height) {
    return "<svg viewBox=\"0 0 " + fixed(width, 0) + " " + fixed(height, 0) + "\" role=\"img\" aria-labelledby=\"" + a.id + "-t " + a.id +
           "-d\">\n<title id=\"" + a.id + "-t\">" + escape(a.title) + "</title><desc id=\"" + a.id + "-d\">" + escape(a.description) +
           "</desc>\n";
}

[[nodiscard]] inline std::string text(double x, double y, std::string_view words, char const* anchor = "start", char const* kind = "") {
    return "<text x=\"" + fixed(x) + "\" y=\"" + fixed(y) + "\" text-anchor=\"" + anchor + "\"" +
           (*kind != 0 ? std::string(" class=\"") + kind + "\"" : std::string()) + ">" + escape(words) + "</text>\n";
}

[[nodiscard]] inline std::string line(double x1, double y1, double x2, double y2, char const* kind) {
    return "<line x1=\"" + fixed(x1) + "\" y1=\"" + fixed(y1) + "\" x2=\"" + fixed(x2) + "\" y2=\"" + fixed(y2) + "\" class=\"" + kind +
           "\"/>\n";
}

[[nodiscard]] inline std::string rect(double x, double y, double width, double height, std::string_view kind) {
    return "<rect x=\"" + fixed(x) + "\" y=\"" + fixed(y) + "\" width=\"" + fixed(std::max(width, 0.0)) + "\" height=\"" +
           fixed(std::max(height, 0.0)) + "\" class=\"" + std::string(kind) + "\"/>\n";
}

/// Characters, not bytes.
[[nodiscard]] inline double width_of(std::string_view utf8, double each = 7) {
    return each * static_cast<double>(std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

/// From values to places on the picture.
class scale {
public:
    scale(axis a, double begin, double end) : axis_(std::move(a)), begin_(begin), end_(end) {
        if (axis_.log) {
            axis_.from = std::max(axis_.from, std::numeric_limits<double>::min());
            axis_.to = std::max(axis_.to, axis_.from);
        }
        if (!(axis_.to > axis_.from)) axis_.to = axis_.log ? axis_.from * 10 : axis_.from + 1;
    }

    [[nodiscard]] double operator()(double value) const {
        value = std::clamp(value, axis_.from, axis_.to);
        double const share =
            axis_.log ? std::log(value / axis_.from) / std::log(axis_.to / axis_.from) : (value - axis_.from) / (axis_.to - axis_.from);
        return begin_ + share * (end_ - begin_);
    }

    [[nodiscard]] std::vector<double> ticks() const {
        std::vector<double> t;
        if (axis_.log) {
            double const decades = std::log10(axis_.to / axis_.from);
            for (double p = std::pow(10, std::floor(std::log10(axis_.from))); p <= axis_.to * 1.0001; p *= 10)
                for (double const m : {1.0, 2.0, 5.0})
                    if ((m == 1 || decades < 2.5) && p * m >= axis_.from * 0.9999 && p * m <= axis_.to * 1.0001) t.push_back(p * m);
            if (decades > 8) {  // every third power of ten is enough
                std::vector<double> fewer;
                for (std::size_t i = 0; i < t.size(); i += 3) fewer.push_back(t[i]);
                t = fewer;
            }
            return t;
        }
        double const rough = (axis_.to - axis_.from) / 6, power = std::pow(10, std::floor(std::log10(rough)));
        double const step = power * (rough / power <= 1 ? 1 : rough / power <= 2 ? 2 : rough / power <= 5 ? 5 : 10);
        double const first = std::ceil(axis_.from / step) * step;
        for (int i = 0; i < 20; ++i) {  // counted: far from 0 a step may be too small to be added
            double const v = first + i * step;
            if (v > axis_.to + step * 1e-6) break;
            t.push_back(std::fabs(v) < step * 1e-6 ? 0 : v);
        }
        return t;
    }

    [[nodiscard]] axis const& of() const { return axis_; }

private:
    axis axis_;
    double begin_, end_;
};

/// Lines or dots over two axes, with a legend above.
[[nodiscard]] inline std::string chart(about const& a, axis const& x_axis, axis const& y_axis, std::vector<series> const& all,
                                       std::optional<band> const& marked = {}) {
    constexpr double width = 720, left = 64, right = 16;
    double legend_x = left, legend_y = 18;
    std::string legend;
    auto const entry = [&](std::string const& name, std::string const& sample) {
        double const wide = 34 + width_of(name) + 14;
        if (legend_x > left && legend_x + wide > width - right) legend_x = left, legend_y += 20;
        legend += "<g transform=\"translate(" + fixed(legend_x) + " " + fixed(legend_y) + ")\">" + sample + text(30, 0, name) + "</g>\n";
        legend_x += wide;
    };
    for (auto const& s : all) {
        std::string const colour = std::to_string(s.colour);
        entry(s.name, s.as == drawn::dots ? "<circle cx=\"12\" cy=\"-4\" r=\"4\" class=\"f" + colour + "\"/>"
                                          : "<path d=\"M0 -4H24\" class=\"l l" + colour + "\"/>");
    }
    if (marked) entry(marked->name, rect(0, -10, 24, 12, "band"));

    double const top = legend_y + 18, bottom = top + 240, height = bottom + 44;
    scale const x(x_axis, left, width - right), y(y_axis, bottom, top);
    std::string s = open(a, width, height) + legend;
    if (marked) {
        double const from = x(marked->from), to = x(marked->to);
        s += rect(std::min(from, to), top, std::max(std::fabs(to - from), 1.0), bottom - top, "band");
    }
    for (double const t : y.ticks()) s += line(left, y(t), width - right, y(t), "grid") + text(left - 8, y(t) + 4, plain(t), "end");
    for (double const t : x.ticks()) s += line(x(t), bottom, x(t), bottom + 5, "axis") + text(x(t), bottom + 19, plain(t), "middle");
    s += line(left, bottom, width - right, bottom, "axis");
    s += text((left + width - right) / 2, height - 6, x_axis.label, "middle", "label");
    s += "<text transform=\"translate(14 " + fixed((top + bottom) / 2) + ") rotate(-90)\" text-anchor=\"middle\" class=\"label\">" +
         escape(y_axis.label) + "</text>\n";
    for (auto const& one : all) {
        std::string const colour = std::to_string(one.colour);
        if (one.as == drawn::dots) {
            for (auto const& p : one.points)
                s += "<circle cx=\"" + fixed(x(p.x)) + "\" cy=\"" + fixed(y(p.y)) + "\" r=\"4\" class=\"f" + colour + "\"/>\n";
            continue;
        }
        std::string path;
        for (auto const& p : one.points) {
            if (path.empty())
                path = "M" + fixed(x(p.x)) + " " + fixed(y(p.y));
            else if (one.as == drawn::steps)
                path += "H" + fixed(x(p.x)) + "V" + fixed(y(p.y));
            else
                path += "L" + fixed(x(p.x)) + " " + fixed(y(p.y));
        }
        if (!path.empty()) s += "<path d=\"" + path + "\" class=\"l l" + colour + "\"/>\n";
    }
    return s + "</svg>\n";
}

struct bar {
    std::string name;
    double middle, least, most;  ///< finite, least <= middle <= most
    bool ours = false;
};

/// Horizontal bars from 0, each with a whisker from its least to its most. Where the values lie further apart than bars can
/// show, dots on a logarithmic axis instead: a bar needs a zero.
[[nodiscard]] inline std::string bars(about const& a, std::string const& unit, std::vector<bar> const& all) {
    double most = 0, least = std::numeric_limits<double>::infinity(), names = 60;
    for (auto const& b : all) {
        most = std::max(most, b.most);
        least = std::min(least, b.least);
        names = std::max(names, width_of(b.name, 8) + 14);  // bold or with wide letters
    }
    bool const log = least > 0 && most / least > 60;
    constexpr double width = 720, row = 24, values = 76;
    double const left = std::min(names, 300.0), bottom = 8 + row * static_cast<double>(all.size()), height = bottom + 40;
    axis const axis_of_values{unit, log ? least / 1.3 : std::min(least, 0.0), log ? most * 1.3 : most, log};
    scale const x(axis_of_values, left, width - values);
    std::string s = open(a, width, height);
    for (double const t : x.ticks()) s += line(x(t), 4, x(t), bottom, "grid") + text(x(t), bottom + 15, plain(t), "middle");
    s += text((left + width - values) / 2, height - 6, unit + (log ? ", logarithmic" : ""), "middle", "label");
    double y = 8;
    for (auto const& b : all) {
        double const middle = y + row / 2 - 2;
        s += text(left - 8, middle + 4, b.name, "end", b.ours ? "ours" : "");
        if (log)
            s += "<circle cx=\"" + fixed(x(b.middle)) + "\" cy=\"" + fixed(middle) + "\" r=\"5\" class=\"" + (b.ours ? "f0" : "f5") +
                 "\"/>\n";
        else
            s += rect(std::min(x(0), x(b.middle)), y, std::fabs(x(b.middle) - x(0)), row - 6, b.ours ? "f0" : "f5");
        s += line(x(b.least), middle, x(b.most), middle, "whisker") + line(x(b.least), middle - 4, x(b.least), middle + 4, "whisker") +
             line(x(b.most), middle - 4, x(b.most), middle + 4, "whisker");
        s += text(x(b.most) + 8, middle + 4, brief(b.middle), "start", b.ours ? "ours" : "");
        y += row;
    }
    return s + line(x(log ? axis_of_values.from : 0), 4, x(log ? axis_of_values.from : 0), bottom, "axis") + "</svg>\n";
}

struct span {
    std::size_t row;
    double from, to;
    std::string name;
    int colour = 0;
};

/// Spans on named rows: who did what and when.
[[nodiscard]] inline std::string spans(about const& a, std::string const& unit, std::vector<std::string> const& rows,
                                       std::vector<span> const& all) {
    double from = all.empty() ? 0 : all.front().from, to = from;
    for (auto const& s : all) from = std::min(from, s.from), to = std::max(to, s.to);
    constexpr double width = 720, row = 30, left = 90;
    double const bottom = 6 + row * static_cast<double>(rows.size()), height = bottom + 40;
    scale const x({unit, from, to}, left, width - 16);
    std::string s = open(a, width, height);
    for (double const t : x.ticks()) s += line(x(t), 4, x(t), bottom, "grid") + text(x(t), bottom + 15, plain(t), "middle");
    s += text((left + width - 16) / 2, height - 6, unit, "middle", "label");
    for (std::size_t i = 0; i < rows.size(); ++i) s += text(left - 8, 6 + row * static_cast<double>(i) + 18, rows[i], "end");
    for (auto const& one : all) {
        double const y = 6 + row * static_cast<double>(one.row) + 3, wide = x(one.to) - x(one.from);
        s += rect(x(one.from), y, std::max(wide - 1, 1.5), row - 8, "f" + std::to_string(one.colour));
        if (wide > width_of(one.name) + 3) s += text(x(one.from) + wide / 2, y + 15, one.name, "middle", "on");
    }
    return s + "</svg>\n";
}

}  // namespace bench::svg
