// SPDX-License-Identifier: BSL-1.0
// One self-contained HTML file from what was measured, and from what the library's own policies do in virtual time.
//
//   sluice_html_report --out FILE [--results results.json] [--word-count word_count.json] [--recording recording.json]
//
// What is not given is left out with a sentence. Exit code: 1 for a file that cannot be read, is not JSON or not what it should
// be, or cannot be written; 2 for a wrong command line.
#include "autoscaling.hpp"
#include "goodput.hpp"
#include "html.hpp"
#include "json.hpp"
#include "page.hpp"
#include "stealing.hpp"
#include "svg.hpp"

#include <sluice/scaling/amdahl_fit.hpp>
#include <sluice/scaling/usl_fit.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace bench;
using html::brief;
using html::escape;
using html::plain;
using json::value;
using kind = json::value::kind;

/// One section of the page.
struct section {
    std::string id, title, body;
};

[[nodiscard]] std::string percent(double share, int decimals = 1) { return html::fixed(100 * share, decimals) + " %"; }

[[nodiscard]] std::optional<double> number_at(value const& object, char const* key) {
    value const& v = object[key];
    if (v.is != kind::number || !std::isfinite(v.number)) return std::nullopt;
    return v.number;
}

[[nodiscard]] double required(value const& object, char const* key, double least) {
    auto const n = number_at(object, key);
    if (!n || *n < least) throw std::runtime_error("\"" + std::string(key) + "\" is not a number of at least " + plain(least));
    return *n;
}

// --- the real workload ----------------------------------------------------------------------------------------------

struct measured_run {
    double workers, seconds, speedup, efficiency;
    value json;
};

struct word_count {
    double megabytes = 0, cores = 1, serial = 0, fit_up_to = 0;
    std::vector<measured_run> runs;
    std::vector<sluice::usl_point> points;  ///< every single run, megabytes a second
};

word_count read_word_count(value const& v) {
    word_count w;
    w.megabytes = required(v, "bytes", 0) / 1e6;
    w.cores = required(v, "cores", 1);
    w.serial = required(v, "serial_seconds", 0);
    if (w.megabytes == 0) return w;
    if (v["runs"].array.empty()) throw std::runtime_error("there are no \"runs\"");
    double largest = 0;
    for (auto const& r : v["runs"].array) {
        measured_run m{required(r, "workers", 1), required(r, "seconds", 1e-9), required(r, "speedup", 0), required(r, "efficiency", 0), r};
        largest = std::max(largest, m.workers);
        bool single = false;
        for (auto const& s : r["all_seconds"].array) {
            if (s.is != kind::number || !(s.number > 0) || !std::isfinite(s.number))
                throw std::runtime_error("\"all_seconds\" holds something that is not a time");
            w.points.push_back({m.workers, w.megabytes / s.number});
            single = true;
        }
        if (!single) w.points.push_back({m.workers, w.megabytes / m.seconds});
        w.runs.push_back(std::move(m));
    }
    std::sort(w.runs.begin(), w.runs.end(), [](auto const& a, auto const& b) { return a.workers < b.workers; });
    w.fit_up_to = number_at(v["fit"], "up_to_workers").value_or(largest);
    return w;
}

[[nodiscard]] std::string interval_text(std::optional<sluice::fit_interval> const& i) {
    if (!i) return "no interval: too few points";
    if (!std::isfinite(i->lower)) return "no peak";
    if (i->lower <= 1 && !std::isfinite(i->upper)) return "anywhere: the runs do not tell";
    return std::isfinite(i->upper) ? brief(i->lower) + " to " + brief(i->upper) : "from " + brief(i->lower) + ", no upper end";
}

section scaling_section(word_count const& w) {
    section s{"scaling", "How the real workload scales", {}};
    if (w.runs.empty()) {
        s.body = html::absent("The word count found nothing to count.");
        return s;
    }
    double most_workers = 0, most = 0;
    for (auto const& r : w.runs) most_workers = std::max(most_workers, r.workers);
    for (auto const& p : w.points) most = std::max(most, p.throughput);
    s.body += html::paragraph("Counting words, " + brief(w.megabytes) + " MB of real files on " + plain(w.cores) +
                              " cores. A dot is one run; the curves are least squares through them.");
    std::vector<sluice::usl_point> used;
    std::set<double> distinct;
    for (auto const& p : w.points)
        if (p.n <= w.fit_up_to) used.push_back(p), distinct.insert(p.n);

    svg::series dots{"measured", {}, svg::drawn::dots, 5};
    for (auto const& p : w.points) dots.points.push_back({p.n, p.throughput});
    std::vector<svg::series> lines{dots};
    std::optional<svg::band> band;
    html::table fits{"The fitted laws", {"law", "parameter", "value", "95 % interval"}, {}, 2};
    html::table throughputs{"Throughput by number of workers, medians", {"workers", "MB/s", "Amdahl", "USL", "speed-up", "efficiency"}};
    double top = most, right = most_workers;
    std::optional<sluice::usl_fit> law;
    std::optional<sluice::amdahl_fit> amdahl;
    if (distinct.size() >= 3) {
        law = sluice::fit_usl(used);
        amdahl = sluice::fit_amdahl(used);
        auto const peak = law->peak();
        auto const interval = sluice::usl_peak_interval(used);
        if (peak && peak->workers <= 2 * most_workers) right = std::max(right, peak->workers * 1.1);
        svg::series a{"Amdahl", {}, svg::drawn::line, 1}, u{"USL", {}, svg::drawn::line, 0};
        for (int i = 0; i <= 80; ++i) {
            double const n = 1 + (right - 1) * i / 80;
            a.points.push_back({n, amdahl->model().throughput(n)});
            u.points.push_back({n, law->model.throughput(n)});
            top = std::max({top, a.points.back().y, u.points.back().y});
        }
        lines.push_back(std::move(u)), lines.push_back(std::move(a));  // dashes on top, where both are the same
        if (peak && interval && std::isfinite(interval->lower) && interval->lower < right)
            band = svg::band{std::max(interval->lower, 0.0), std::min(interval->upper, right), "95 % interval of the peak"};
        auto const range = [](std::optional<sluice::fit_interval> const& i) {
            return i ? brief(i->lower) + " to " + brief(i->upper) : std::string("none: on its bound, or too few points");
        };
        fits.rows.push_back({"Amdahl", "serial fraction", brief(amdahl->serial_fraction),
                             "standard error " + (amdahl->serial_fraction_error ? brief(*amdahl->serial_fraction_error)
                                                                                : std::string("none: on its bound"))});
        fits.rows.push_back({"USL", "contention", brief(law->model.contention()), range(law->contention_interval())});
        fits.rows.push_back({"USL", "coherency", brief(law->model.coherency()), range(law->coherency_interval())});
        fits.rows.push_back({"USL", "one worker, MB/s", brief(law->model.unit_throughput()), range(law->unit_throughput_interval())});
        fits.rows.push_back({"USL", "workers at the peak", peak ? brief(peak->workers) : "no finite peak", interval_text(interval)});
        std::string said = "Serial fraction " + brief(amdahl->serial_fraction) + ", contention " + brief(law->model.contention()) +
                           ", coherency " + brief(law->model.coherency()) + ". ";
        if (!peak)
            said += "The fit has no finite peak: it knows no number of workers beyond which it gets slower.";
        else
            said += "The fit is best at " + std::to_string(peak->whole_workers) + (peak->whole_workers == 1 ? " worker" : " workers") +
                    " (95 % interval: " + interval_text(interval) +
                    "); beyond that it gets slower.";
        if (law->warnings.peak_extrapolated) said += " That peak lies more than twice beyond what was measured: a guess.";
        if (law->warnings.contention_at_bound) said += " Contention was held at 0: the runs speed up more than the law allows without it.";
        if (law->warnings.coherency_at_bound) said += " Coherency was held at 0: nothing in the runs speaks for it.";
        if (law->warnings.few_points) said += " Fewer than six points: take it as a hint.";
        if (w.fit_up_to > w.cores)
            said += " The fit includes more workers than there are cores; those share a core, and to the law that looks like contention.";
        s.body += "<p class=\"big\">" + escape(said) + "</p>\n";
    } else {
        s.body += html::absent("No fit: the laws need at least three different numbers of workers, and " + std::to_string(distinct.size()) +
                               (distinct.size() == 1 ? " was measured." : " were measured."));
    }
    for (auto const& r : w.runs)
        throughputs.rows.push_back({plain(r.workers), brief(w.megabytes / r.seconds),
                                    amdahl ? brief(amdahl->model().throughput(r.workers)) : "–",
                                    law ? brief(law->model.throughput(r.workers)) : "–", brief(r.speedup), brief(r.efficiency)});
    s.body += html::figure(
        svg::chart({"scaling-curve", "Throughput by number of workers",
                    "Measured runs as dots with the fitted laws of Amdahl and Gunther (USL); the table below has the numbers."},
                   {"workers", 0, right}, {"MB/s", 0, top * 1.05}, lines, band),
        throughputs.text());
    if (!fits.rows.empty()) s.body += fits.text();

    s.body += "<h3>Efficiency</h3>\n" +
              html::paragraph("Speed-up over the plain loop, for each worker or core, whichever are fewer. The plain loop took " +
                              brief(w.serial) + " s.");
    svg::series efficiency{"efficiency", {}, svg::drawn::line, 0}, ideal{"ideal: 1", {{0, 1}, {most_workers, 1}}, svg::drawn::line, 5};
    double highest = 1;
    html::table efficiencies{"Efficiency by number of workers", {"workers", "seconds", "efficiency"}};
    for (auto const& r : w.runs) {
        efficiency.points.push_back({r.workers, r.efficiency});
        highest = std::max(highest, r.efficiency);
        efficiencies.rows.push_back({plain(r.workers), brief(r.seconds), brief(r.efficiency)});
    }
    s.body += html::figure(
        svg::chart({"efficiency-curve", "Efficiency by number of workers", "One line from the measured medians, and the ideal of 1."},
                   {"workers", 0, most_workers}, {"efficiency", 0, highest * 1.1}, {ideal, efficiency}),
        html::details("The same as a table", efficiencies));

    s.body += "<h3>Four measures</h3>\n";
    struct column {
        char const *key, *name;
    };
    constexpr column columns[] = {{"utilisation_variation", "utilisation variation"},
                                  {"coordination_overhead", "coordination overhead"},
                                  {"queue_depth_ratio", "queue depth, max/mean"},
                                  {"speedup_ratio", "speed-up had of paid"}};
    html::table measures{"What the pool says of itself, with grades",
                         {"workers", columns[0].name, columns[1].name, columns[2].name, columns[3].name}};
    std::vector<std::string> without;
    for (auto const& c : columns)
        if (std::none_of(w.runs.begin(), w.runs.end(), [&](auto const& r) { return number_at(r.json[c.key], "value").has_value(); }))
            without.push_back(c.name);
    for (auto const& r : w.runs) {
        std::vector<std::string> row{plain(r.workers)};
        for (auto const& c : columns) {
            auto const x = number_at(r.json[c.key], "value");
            std::string const grade = r.json[c.key]["verdict"].string;
            bool const known = grade == "good" || grade == "fair" || grade == "bad";
            row.push_back(!x ? "not measured"
                             : brief(*x) + (known ? " <span class=\"" + grade + "\">" + grade + "</span>" : std::string()));
        }
        measures.rows.push_back(std::move(row));
    }
    s.body += html::paragraph(
        "Good: the busy times of the workers vary by less than 0.1 of their mean; less than 0.05 of the time awake goes into "
        "looking for work; the longest queue is less than twice the mean; more than 0.8 of the time paid for is spent in tasks.");
    s.body += measures.text();
    return s;
}

// --- what was measured against whom ----------------------------------------------------------------------------------

[[nodiscard]] std::string label_of(value const& result) {
    return result["label"].string.empty() ? result["metric"].string : result["label"].string;
}

[[nodiscard]] bool ours(value const& result) { return result["ours"].boolean || result["subject"].string.starts_with("sluice"); }

/// The share behind a name such as us_p50, us_p999 or us_max.
[[nodiscard]] std::optional<double> quantile_of(std::string_view metric) {
    auto const p = metric.rfind("_p");
    if (p == metric.npos || p + 2 == metric.size() || metric.size() - p > 8) return std::nullopt;
    double q = 0, unit = 0.1;
    for (char const c : metric.substr(p + 2)) {
        if (c < '0' || c > '9') return std::nullopt;
        q += unit * (c - '0');
        unit /= 10;
    }
    return q > 0 && q < 1 ? std::optional(q) : std::nullopt;
}

section peers_section(value const& results) {
    section s{"peers", "Beside others", {}};
    s.body += html::paragraph(
        "Medians over the rounds; whiskers reach from the least round to the most. Bold: ours. Less is better unless the unit says "
        "otherwise. Where values lie far apart, dots on a logarithmic axis.");
    using order = std::tuple<std::string, std::string, std::string>;
    std::vector<std::string> families;
    std::map<std::string, std::vector<std::pair<order, std::vector<value const*>>>> all;
    for (auto const& r : results["results"].array) {
        std::string const& family = r["family"].string;
        auto const q = quantile_of(r["metric"].string);
        if (q && *q != 0.5 && std::abs(*q - 0.99) > 1e-9) continue;  // a curve has the others: the section on latencies
        if (all.find(family) == all.end()) families.push_back(family);
        order const id{r["operation"].string, r["argument"].string, r["metric"].string};
        auto& groups = all[family];
        auto found = std::find_if(groups.begin(), groups.end(), [&](auto const& g) { return g.first == id; });
        if (found == groups.end()) found = groups.insert(groups.end(), {id, {}});
        found->second.push_back(&r);
    }
    int n = 0;
    for (auto const& family : families) {
        s.body += "<h3>" + escape(family) + "</h3>\n";
        for (auto const& [id, rows] : all[family]) {
            auto const& [operation, argument, metric] = id;
            std::string const title = family + "/" + operation + (argument.empty() ? "" : ", " + argument) + ": " + label_of(*rows.front());
            std::vector<svg::bar> bars;
            html::table t{title, {"subject", "median", "min", "max", "ratio"}};
            for (value const* r : rows) {
                auto const middle = number_at(*r, "median"), least = number_at(*r, "min"), most = number_at(*r, "max");
                auto const ratio = number_at(*r, "ratio");
                t.rows.push_back({escape((*r)["subject"].string), middle ? brief(*middle) : "–", least ? brief(*least) : "–",
                                  most ? brief(*most) : "–", ratio ? brief(*ratio) : ""});
                if (middle && least && most && *least <= *middle && *middle <= *most)
                    bars.push_back({(*r)["subject"].string, *middle, *least, *most, ours(*r)});
            }
            std::sort(bars.begin(), bars.end(),
                      [](auto const& a, auto const& b) { return a.middle != b.middle ? a.middle < b.middle : a.name < b.name; });
            if (bars.empty())
                s.body += html::absent(title + ": no round left a number.") + t.text();
            else
                s.body += html::figure(
                    svg::bars({"bars-" + std::to_string(n++), title, "One bar for each subject; the table below has the numbers."},
                              label_of(*rows.front()), bars),
                    html::details("The same as a table", t), title);
        }
    }
    return s;
}

section targets_section(value const& results) {
    section s{"targets", "Targets", {}};
    html::table t{"Targets and what was reached", {"what", "subject", "target", "reached", "met", "aim"}, {}, 3};
    html::table unknown{"Targets that were not measured", {"what", "subject", "target"}, {}, 3};
    std::size_t met = 0, judged = 0;
    for (auto const& v : results["targets"].array) {
        bool const known = v["met"].is == kind::boolean;
        auto const aim = number_at(v, "aim");
        if (known) ++judged, met += v["met"].boolean;
        std::string const what = v["family"].string + "/" + v["operation"].string +
                                 (v["argument"].string.empty() ? "" : " " + v["argument"].string) + ", " + label_of(v);
        if (!known) {
            unknown.rows.push_back({escape(what), escape(v["subject"].string), escape(v["target"].string)});
            continue;
        }
        auto const reached = number_at(v, "reached");
        t.rows.push_back({escape(what), escape(v["subject"].string), escape(v["target"].string), reached ? brief(*reached) : "–",
                          v["met"].boolean ? "<span class=\"good\">met</span>" : "<span class=\"bad\">missed</span>",
                          !aim ? "" : brief(*aim) + (v["aim_met"].boolean ? ", reached" : ", not reached")});
    }
    if (t.rows.empty() && unknown.rows.empty()) s.body = html::absent("The results hold no targets.");
    if (!t.rows.empty())
        s.body += html::paragraph(std::to_string(met) + " of " + std::to_string(judged) +
                                  " that were measured are met. A ratio is taken round by "
                                  "round, and its median counts.") +
                  t.text();
    if (!unknown.rows.empty())
        s.body +=
            html::paragraph(std::to_string(unknown.rows.size()) + " were not measured in this run.") + html::details("Which", unknown);
    return s;
}

/// Latencies by quantile on a logarithmic axis.
std::string latency_figure(std::string const& id, std::string const& title, std::string const& unit,
                           std::vector<std::pair<std::string, std::vector<std::pair<double, double>>>> const& all) {
    std::vector<svg::series> lines;
    html::table t{title, {"quantile"}};
    std::map<double, std::vector<std::string>> rows;
    double least = HUGE_VAL, most = 0;
    for (auto const& [name, quantiles] : all) {
        svg::series one{name, {}, svg::drawn::line, static_cast<int>(lines.size() % 5)};
        for (auto const& [q, x] : quantiles) {
            rows[q].resize(all.size(), "–");
            rows[q][lines.size()] = brief(x);
            if (!(x > 0)) continue;  // has no place on this axis; the table has it
            one.points.push_back({x, q});
            least = std::min(least, x), most = std::max(most, x);
        }
        t.head.push_back(name);
        lines.push_back(std::move(one));
    }
    for (auto& [q, cells] : rows) {
        cells.insert(cells.begin(), plain(q));
        t.rows.push_back(cells);
    }
    if (!(most > 0)) return t.text();
    return html::figure(svg::chart({id, title, "Share of the answers that took no longer, by time on a logarithmic axis."},
                                   {unit + ", logarithmic", least / 1.2, most * 1.2, true}, {"share not above", 0, 1}, lines),
                        t.text());
}

/// From metrics that are quantiles (us_p50, us_p99, …): a curve needs three of them.
std::string measured_latencies(value const& results) {
    using place = std::tuple<std::string, std::string, std::string, std::string>;  // family, operation, argument, prefix
    std::map<place, std::map<std::string, std::map<double, double>>> found;
    for (auto const& r : results["results"].array) {
        std::string const& metric = r["metric"].string;
        auto const q = quantile_of(metric);
        auto const middle = number_at(r, "median");
        if (q && middle)
            found[{r["family"].string, r["operation"].string, r["argument"].string, metric.substr(0, metric.rfind("_p"))}]
                 [r["subject"].string][*q] = *middle;
    }
    std::string s;
    int n = 0;
    for (auto const& [id, subjects] : found) {
        std::vector<std::pair<std::string, std::vector<std::pair<double, double>>>> all;
        for (auto const& [name, quantiles] : subjects)
            if (quantiles.size() >= 3) all.push_back({name, {quantiles.begin(), quantiles.end()}});
        if (all.empty()) continue;
        auto const& [family, operation, argument, unit] = id;
        s += latency_figure("latency-" + std::to_string(n++), family + "/" + operation + (argument.empty() ? "" : ", " + argument), unit,
                            all);
    }
    return s;
}

section latency_section(value const* results, std::vector<goodput::curve> const& curves) {
    section s{"latency", "Latencies", {}};
    auto const measured = results != nullptr ? measured_latencies(*results) : std::string();
    s.body += !measured.empty()
                  ? measured
                  : html::absent(
                        results != nullptr
                            ? "The results hold at most two quantiles of each latency, too few for a curve; they are among the bars above."
                            : "No results were given, so there are no measured latencies.");
    std::vector<std::pair<std::string, std::vector<std::pair<double, double>>>> all;
    for (auto const& c : curves) all.emplace_back(c.name, c.latency);
    s.body += "<h3>In virtual time, at 1.5 times the capacity</h3>\n" +
              html::paragraph(
                  "From arrival to the end, of the requests that were served in the experiment under “Load and goodput”. Quantiles are at "
                  "most 3.2 % too large.") +
              latency_figure("latency-virtual", "Latency of what is served at 1.5 times the capacity", "ms", all);
    return s;
}

// --- in virtual time -------------------------------------------------------------------------------------------------

section autoscaling_section() {
    section s{"autoscaling", "Autoscalers", {}};
    auto const all = autoscaling::all();
    s.body += html::paragraph(
        "Computed in virtual time with the library's own policies: a step from 20 to 100 tasks a second after half an hour, a spike to "
        "160, a slope down. "
        "A task takes a second, a worker a minute to start, a decision is due every 15 seconds. Late is who meets more than 5 s of queue. "
        "The ideal knows the future; nobody can have it. Ours, with its defaults, orders enough to be rid of a backlog within 5 s of their "
        "start; "
        "hence its short peak after the step.");
    svg::series need{"needed at 70 % utilisation", {}, svg::drawn::steps, 5};
    std::vector<svg::series> lines, queues;
    double most = 0, longest = 0;
    for (std::size_t i = 0; i < all.front().ready.size(); ++i)
        need.points.push_back({static_cast<double>(i), autoscaling::needed(static_cast<int>(i) * autoscaling::sample_every)});
    lines.push_back(need);
    html::table summary{"What it costs and what it loses", {"policy", "late", "longest queue", "worker-hours"}};
    html::table course{"Ready workers", {"minute", "needed"}};
    for (auto const& r : all) {
        int const colour = std::array{2, 1, 3, 0}[lines.size() - 1];
        svg::series one{r.name, {}, svg::drawn::steps, colour}, queue{r.name, {}, svg::drawn::line, colour};
        for (std::size_t i = 0; i < r.ready.size(); ++i) {
            one.points.push_back({static_cast<double>(i), r.ready[i]});
            queue.points.push_back({static_cast<double>(i), r.waiting[i]});
            most = std::max({most, r.ready[i], need.points[i].y}), longest = std::max(longest, r.waiting[i]);
        }
        lines.push_back(std::move(one)), queues.push_back(std::move(queue));
        course.head.push_back(r.name);
        summary.rows.push_back({escape(r.name), percent(r.late, 2), brief(r.most_waiting), brief(r.worker_hours)});
    }
    for (std::size_t i = 0; i < need.points.size(); i += 5) {
        std::vector<std::string> row{std::to_string(i), brief(need.points[i].y)};
        for (auto const& r : all) row.push_back(brief(r.ready[i]));
        course.rows.push_back(std::move(row));
    }
    double const minutes = autoscaling::seconds / 60.0;
    s.body += html::figure(svg::chart({"autoscaling-ready", "Workers that are ready, by minute",
                                       "Four policies and what would be needed; the tables below have the numbers."},
                                      {"minute", 0, minutes}, {"ready workers", 0, most * 1.05}, lines),
                           summary.text() + html::details("Ready workers, every five minutes", course));
    html::table waiting{"Tasks that wait", {"minute"}};
    for (auto const& r : all) waiting.head.push_back(r.name);
    for (std::size_t i = 0; i < all.front().waiting.size(); i += 5) {
        std::vector<std::string> row{std::to_string(i)};
        for (auto const& r : all) row.push_back(brief(r.waiting[i]));
        waiting.rows.push_back(std::move(row));
    }
    s.body += html::figure(svg::chart({"autoscaling-queue", "Tasks that wait, by minute", "The queue that each policy lets grow."},
                                      {"minute", 0, minutes}, {"tasks waiting", 0, std::max(longest, 1.0) * 1.05}, queues),
                           html::details("Tasks that wait, every five minutes", waiting));
    return s;
}

/// What the family service measured at one load, medians over the rounds.
struct live_load {
    std::optional<double> goodput, least, most, served, p50_ms, p99_ms, waiting;
};

/// By subject, ours first, and by load as a multiple of the capacity.
[[nodiscard]] std::vector<std::pair<std::string, std::map<double, live_load>>> live_loads(value const& results) {
    std::vector<std::pair<std::string, std::map<double, live_load>>> all;
    for (auto const& r : results["results"].array) {
        if (r["family"].string != "service" || r["operation"].string != "load") continue;
        std::string const& argument = r["argument"].string;
        char* end = nullptr;
        double const times = std::strtod(argument.c_str(), &end);
        if (argument.empty() || *end != 0 || !(times > 0) || !std::isfinite(times)) continue;
        std::string const& subject = r["subject"].string;
        auto found = std::find_if(all.begin(), all.end(), [&](auto const& one) { return one.first == subject; });
        if (found == all.end()) found = all.insert(ours(r) ? all.begin() : all.end(), {subject, {}});
        auto& at = found->second[times];
        auto const middle = number_at(r, "median");
        auto const milliseconds = middle ? std::optional(*middle / 1000) : std::nullopt;
        std::string const& metric = r["metric"].string;
        if (metric == "goodput") at.goodput = middle, at.least = number_at(r, "min"), at.most = number_at(r, "max");
        if (metric == "served_share") at.served = middle;
        if (metric == "us_p50") at.p50_ms = milliseconds;
        if (metric == "us_p99") at.p99_ms = milliseconds;
        if (metric == "waiting") at.waiting = middle;
    }
    return all;
}

std::string live_goodput(value const* results) {
    auto const all = results != nullptr ? live_loads(*results) : decltype(live_loads(*results)){};
    std::string s = "<h3>Measured</h3>\n";
    std::vector<svg::series> useful, tails;
    double right = 1, top = 1, least = HUGE_VAL, most = 0;
    constexpr double limit_ms = 50;
    std::size_t others = 0;
    html::table t{"Live, medians over the rounds",
                  {"load, times capacity", "subject", "in time, times capacity", "least to most", "answered, share of what came",
                   "p50, ms", "p99, ms", "most that waited"}, {}, 2};
    auto const text = [](std::optional<double> const& x) { return x ? brief(*x) : std::string("–"); };
    std::set<double> loads;
    for (auto const& [name, curve] : all) {
        int const colour = name == "unprotected" ? 1 : std::array{0, 2, 3, 4}[others++ % 4];  // 1 as in the model
        svg::series one{name, {}, svg::drawn::line, colour}, tail = one;
        for (auto const& [times, at] : curve) {
            loads.insert(times);
            right = std::max(right, times);
            if (at.goodput) one.points.push_back({times, *at.goodput}), top = std::max(top, *at.goodput);
            if (at.p99_ms && *at.p99_ms > 0) {
                tail.points.push_back({times, *at.p99_ms});
                least = std::min(least, *at.p99_ms), most = std::max(most, *at.p99_ms);
            }
        }
        useful.push_back(std::move(one)), tails.push_back(std::move(tail));
    }
    auto const drawn = [](auto const& lines) {
        return std::any_of(lines.begin(), lines.end(), [](auto const& line) { return !line.points.empty(); });
    };
    if (!drawn(useful) && !drawn(tails))
        return s + html::absent(results == nullptr ? "No results were given, so nothing was measured: the model alone."
                                                   : "The family “service” was not run, so nothing was measured: the model alone.");
    for (double const times : loads)
        for (auto const& [name, curve] : all)
            if (auto const found = curve.find(times); found != curve.end()) {
                auto const& at = found->second;
                t.rows.push_back({plain(times), escape(name), text(at.goodput),
                                  at.least && at.most ? brief(*at.least) + " to " + brief(*at.most) : "–",
                                  at.served ? percent(*at.served) : "–", text(at.p50_ms), text(at.p99_ms),
                                  at.waiting ? plain(*at.waiting) : "–"});
            }
    s += html::paragraph(
        "A live open-loop test: requests of some 500 µs for two workers arrive in bursts too, whether or not earlier ones have been "
        "answered; in time is what is answered within 50 ms. The capacity is what the same process could do just before. "
        "Latencies are those of what was served. “sluice” has deadlines and a bounded queue; “unprotected” is the same pool and “asio” "
        "Asio's, both accept everything.");
    svg::series ideal{"ideal", {{0, 0}, {1, 1}, {right, 1}}, svg::drawn::line, 5};
    ideal.points.resize(right > 1 ? 3 : 2);
    std::string charts;
    if (drawn(useful)) {
        auto lines = useful;
        lines.insert(lines.begin(), ideal);
        svg::axis const useful_axis{"in time, times capacity", 0, top * 1.05};
        charts += html::figure(svg::chart({"live-goodput", "Measured: load against goodput",
                                           "Requests answered in time by offered load, one line for each subject; see the table."},
                                          {"offered load, times capacity", 0, right}, useful_axis, lines),
                               t.text());
    }
    if (drawn(tails)) {
        html::table p99{"p99 of what was served, ms", {"load, times capacity"}};
        for (auto const& [name, curve] : all) p99.head.push_back(name);
        for (double const times : loads) {
            std::vector<std::string> row{plain(times)};
            for (auto const& [name, curve] : all) {
                auto const found = curve.find(times);
                row.push_back(found == curve.end() ? "–" : text(found->second.p99_ms));
            }
            p99.rows.push_back(std::move(row));
        }
        svg::axis const p99_axis{"p99 in ms, logarithmic", std::min(least, limit_ms) / 1.5, std::max(most, limit_ms) * 1.5, true};
        auto lines = tails;
        lines.insert(lines.begin(), {"limit: 50 ms", {{0, limit_ms}, {right, limit_ms}}, svg::drawn::line, 5});
        charts += html::figure(svg::chart({"live-p99", "Measured: load against p99",
                                           "The 99th percentile of the latency by offered load, logarithmic; see the table."},
                                          {"offered load, times capacity", 0, right}, p99_axis, lines),
                               drawn(useful) ? html::details("The same as a table", p99) : t.text());
    }
    return s + charts;
}

section goodput_section(value const* results, std::vector<goodput::curve> const& all) {
    section s{"goodput", "Load and goodput", {}};
    s.body += live_goodput(results);
    s.body += "<h3>The model</h3>\n";
    s.body += html::paragraph(
        "Computed in virtual time, 20 s for each load, with the library's own queue: requests come at random, the server needs a "
        "millisecond on average, "
        "clients leave after 100 ms. Useful is what is done by then. Without protection everybody waits, and the server works for clients "
        "that have left.");
    std::vector<svg::series> lines;
    html::table t{"Model: useful work as a share of the capacity", {"load, times capacity"}};
    html::table more{"Model: what becomes of the requests",
                     {"load", "policy", "useful", "served", "refused of what came", "p99, ms"}, {}, 2};
    for (auto const& c : all) {
        svg::series one{c.name, {}, svg::drawn::line, std::array{1, 2, 0}[lines.size() % 3]};
        for (auto const& o : c.at) one.points.push_back({o.load, o.useful});
        lines.push_back(std::move(one));
        t.head.push_back(c.name);
    }
    for (std::size_t i = 0; i < all.front().at.size(); ++i) {
        std::vector<std::string> row{plain(all.front().at[i].load)};
        for (auto const& c : all) {
            auto const& o = c.at[i];
            row.push_back(percent(o.useful));
            more.rows.push_back({plain(o.load), escape(c.name), percent(o.useful), percent(o.served), percent(o.refused), brief(o.p99_ms)});
        }
        t.rows.push_back(std::move(row));
    }
    s.body += html::figure(svg::chart({"goodput-curve", "Model: load against goodput",
                                       "Useful work by offered load, with and without protection; the table below has the numbers."},
                                      {"offered load, times capacity", 0, 3}, {"useful work, times capacity", 0, 1.05}, lines),
                           t.text() + html::details("Served, refused, latency", more));
    return s;
}

section stealing_section(stealing::run const& r, bool recorded) {
    section s{"stealing", "Work stealing, step by step", {}};
    s.body += html::paragraph(
        (recorded ? "Recorded from a real run" + (r.source.empty() ? std::string() : ": " + r.source) : "Not a recording: " + r.source) +
        ". A task that stands for several hands over half of them to its worker's queue until it stands for one. A worker takes its own "
        "newest task; "
        "one that has none takes the oldest of another.");
    constexpr std::size_t most_frames = 60;
    auto frames = stealing::frames(r);
    auto const stolen = static_cast<std::size_t>(std::count_if(r.tasks.begin(), r.tasks.end(), [](auto const& t) { return t.stolen(); }));
    std::vector<std::string> rows;
    for (std::size_t w = 0; w < r.workers; ++w) rows.push_back("worker " + std::to_string(w));
    std::vector<svg::span> spans;
    html::table t{"The tasks", {"task", "pushed by", "at", "run by", "began", "ended", ""}};
    for (auto const& one : r.tasks) {
        spans.push_back({one.run_by, one.began_at, one.ended_at, std::to_string(one.id), one.stolen() ? 1 : 0});
        t.rows.push_back({std::to_string(one.id), one.pushed_by ? std::to_string(*one.pushed_by) : "outside", plain(one.pushed_at),
                          std::to_string(one.run_by), plain(one.began_at), plain(one.ended_at), one.stolen() ? "stolen" : ""});
    }
    s.body +=
        html::paragraph(std::to_string(r.tasks.size()) + " tasks on " + std::to_string(r.workers) + " workers, " + std::to_string(stolen) +
                        " of them stolen (orange; blue: run by the worker that had pushed it, or from outside).");
    s.body += html::figure(svg::spans({"stealing-course", "Who ran which task, and when",
                                       "One row for each worker; stolen tasks have another colour. The table below lists them."},
                                      r.unit, rows, spans),
                           html::details("The tasks as a table", t));
    if (frames.size() > most_frames) {
        s.body +=
            html::paragraph("The steps below are the first " + std::to_string(most_frames) + " of " + std::to_string(frames.size()) + ".");
        frames.resize(most_frames);
    }
    s.body +=
        "<div class=\"stepper\" role=\"group\" aria-label=\"Work stealing step by step; arrow keys move\" tabindex=\"0\">\n"
        "<div class=\"controls\" hidden><button type=\"button\" class=\"first\">First</button><button type=\"button\" "
        "class=\"back\">Back</button>"
        "<button type=\"button\" class=\"next\">Next</button><button type=\"button\" class=\"last\">Last</button>"
        "<button type=\"button\" class=\"play\">Play</button><span class=\"said\" aria-live=\"polite\"></span></div>\n<div "
        "class=\"steps\">\n";
    for (auto const& f : frames) {
        std::string what;
        for (auto const* one : f.began)
            what += (what.empty() ? "" : "; ") + ("worker " + std::to_string(one->run_by)) +
                    (one->stolen()    ? " steals task " + std::to_string(one->id) + " from " + std::to_string(*one->pushed_by)
                     : one->pushed_by ? " takes its own task " + std::to_string(one->id)
                                      : " takes task " + std::to_string(one->id) + " from outside");
        s.body += "<div class=\"frame\"><div class=\"what\">" + escape(plain(f.at) + " " + r.unit + ": " + what) +
                  "</div><table><thead><tr><th scope=\"col\">worker</th><th scope=\"col\">runs</th><th scope=\"col\">queue, oldest "
                  "first</th></tr></thead><tbody>\n";
        for (std::size_t w = 0; w < r.workers; ++w) {
            auto const* const now = f.running[w];
            s.body += "<tr><th scope=\"row\">" + std::to_string(w) + "</th><td>" +
                      (now == nullptr ? "–"
                                      : "<span class=\"chip " + std::string(now->stolen() ? "stolen" : "own") + "\">" +
                                            std::to_string(now->id) + "</span>" + (now->stolen() ? " stolen" : "")) +
                      "</td><td>";
            for (auto const* one : f.waiting[w]) s.body += "<span class=\"chip\">" + std::to_string(one->id) + "</span>";
            s.body += "</td></tr>\n";
        }
        s.body += "</tbody></table></div>\n";
    }
    s.body += "</div></div>\n";
    return s;
}

// --- the page --------------------------------------------------------------------------------------------------------

[[nodiscard]] value read_file(std::string const& path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error) || !std::ifstream(path, std::ios::binary))
        throw std::runtime_error("cannot be read");
    return json::read(path);
}

[[nodiscard]] std::string page_of(std::vector<section> const& sections, std::string const& machine, std::string const& footer) {
    std::string s =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, "
        "initial-scale=1\">\n"
        "<title>sluice: report</title><link rel=\"icon\" href=\"data:,\">\n<style>" +
        std::string(page::style) +
        "</style></head>\n<body>\n<header><a class=\"skip\" href=\"#content\">To the content</a><h1>sluice: report</h1>\n" + machine +
        "<nav aria-label=\"Sections\"><ul>\n";
    for (auto const& one : sections) s += "<li><a href=\"#" + one.id + "\">" + escape(one.title) + "</a></li>\n";
    s += "</ul></nav></header>\n<main id=\"content\">\n";
    for (auto const& one : sections)
        s += "<section aria-labelledby=\"" + one.id + "\"><h2 id=\"" + one.id + "\">" + escape(one.title) + "</h2>\n" + one.body +
             "</section>\n";
    return s + "</main>\n<footer>" + footer + "</footer>\n<script>" + page::script + "</script>\n</body></html>\n";
}

int make(std::map<std::string, std::string>& given) {
    std::string stage;
    try {
        std::optional<value> results;
        std::optional<word_count> words;
        std::optional<stealing::run> recording;
        if (given.contains("--results")) {
            results = read_file(stage = given["--results"]);
            if (results->is != kind::object || (*results)["results"].is != kind::array)
                throw std::runtime_error("there are no \"results\"");
        }
        if (given.contains("--word-count")) words = read_word_count(read_file(stage = given["--word-count"]));
        if (given.contains("--recording")) recording = stealing::read(read_file(stage = given["--recording"]));
        stage = "the report";

        auto const curves = goodput::all();
        std::vector<section> sections;
        sections.push_back(words ? scaling_section(*words)
                                 : section{"scaling", "How the real workload scales",
                                           html::absent("No word count was given: cmake -P cmake/main.cmake makes one.")});
        if (results)
            sections.push_back(targets_section(*results)), sections.push_back(peers_section(*results));
        else
            sections.push_back({"peers", "Beside others", html::absent("No results were given: cmake -P bench/run.cmake makes them.")});
        sections.push_back(latency_section(results ? &*results : nullptr, curves));
        sections.push_back(goodput_section(results ? &*results : nullptr, curves));
        sections.push_back(autoscaling_section());
        sections.push_back(recording ? stealing_section(*recording, true) : stealing_section(stealing::computed(4, 24, 7), false));

        std::string machine, errors;
        if (results) {
            html::table t{"Under which conditions", {"what", "value"}, {}, 2};
            for (auto const& [name, v] : (*results)["context"].object)
                if (v.is == kind::string) t.rows.push_back({escape(name), escape(v.string)});
            machine = html::details("Machine, compiler, commit", t);
            if ((*results)["context"]["mode"].string != "full")
                machine += html::paragraph("Quick mode: small sizes and few rounds, not to be quoted.");
            for (auto const& e : (*results)["errors"].array) errors += "<li>" + escape(e.string) + "</li>";
            if (!errors.empty())
                machine += "<p class=\"bad\">Benchmarks that gave a wrong answer or left no result:</p><ul>" + errors + "</ul>\n";
        }
        std::string const page =
            page_of(sections, machine, "Everything is in this one file. Sections “in virtual time” are computed, not measured.");
        std::ofstream out(stage = given["--out"], std::ios::binary);
        out << page;
        if (!out.flush()) throw std::runtime_error("cannot be written");
        return 0;
    } catch (std::exception const& e) {
        std::cerr << "html_report: " << stage << ": " << e.what() << "\n";
        return 1;
    }
}

}  // namespace

int main(int argc, char** argv) {
    static std::set<std::string> const known{"--out", "--results", "--word-count", "--recording"};
    std::map<std::string, std::string> given;
    bool good = argc % 2 == 1;
    for (int i = 1; good && i + 1 < argc; i += 2) good = known.contains(argv[i]) && given.emplace(argv[i], argv[i + 1]).second;
    if (!good || !given.contains("--out")) {
        std::cerr << "usage: " << argv[0] << " --out FILE [--results FILE] [--word-count FILE] [--recording FILE]\n";
        return 2;
    }
    return make(given);
}
