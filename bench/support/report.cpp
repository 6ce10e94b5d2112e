// SPDX-License-Identifier: BSL-1.0
// Merges the files of one run into one JSON, judges it against the targets and prints the table.
//
//   sluice_bench_report --raw DIR --json FILE [--mode M] [--rounds N] [--commit C] [--disturbed N]
//
// Files in DIR are named <family>_<subject>.<round>.json and hold one run of one executable each.
#include "json.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <thread>

#if defined(__unix__)
#include <sys/utsname.h>
#endif

namespace {

using bench::json::value;

// --- what is measured, against whom, and what has to be reached -----------------------------------------------------

struct metric {
    std::string_view name, label;
    bool             more_is_better = false;
    bool             in_text = true;  ///< or in the JSON alone, for the page
};

constexpr metric metrics[] = {
    {"ns_per_item", "ns per item"},
    {"share_stolen", "share stolen", true},
    {"ns_per_task", "ns per task"},
    {"factor_vs_serial", "times the serial function"},
    {"us_per_loop", "µs per loop"},
    {"ms_per_loop", "ms per loop"},
    {"us_p50", "µs of latency, p50"},
    {"us_p99", "µs of latency, p99"},
    {"us_submit", "µs in the submitter, p50"},
    {"ms_cpu", "ms of processor time in 2 s"},
    {"switches", "context switches in 2 s"},
    {"switches_per_task", "context switches per task"},
    {"yields_per_task", "yields and pre-emptions per task"},
    {"us_cpu_per_task", "µs of worker time per task"},
    {"bytes_per_task", "bytes per task, resident"},
    {"malloc_bytes_per_task", "bytes per task, by malloc's count"},
    {"ms_compile", "ms to compile"},
    {"ns_per_call", "ns per call and thread"},
    {"bytes_per_key", "bytes per key"},
    {"us_per_call", "µs per call"},
    {"ns_per_lookup", "ns per look-up"},
    {"bytes_per_node", "bytes per node"},
    {"ms_per_build", "ms to build"},
    {"us_per_change", "µs per node added or removed"},
    {"us_per_fit", "µs per fit"},
    {"us_per_interval", "µs per interval"},
    {"ns_per_decision", "ns per decision"},
    {"ns_per_element", "ns per element"},
    {"ns_per_event", "ns per event"},
    {"us_per_resize", "µs per resize"},
    {"goodput", "answered in time, times the capacity", true},
    {"served_share", "answered at all, share of what was sent", true},
    {"waiting", "most that waited"},
    {"us_p01", "µs of latency, p1", false, false},
    {"us_p05", "µs of latency, p5", false, false},
    {"us_p10", "µs of latency, p10", false, false},
    {"us_p25", "µs of latency, p25", false, false},
    {"us_p75", "µs of latency, p75", false, false},
    {"us_p90", "µs of latency, p90", false, false},
    {"us_p95", "µs of latency, p95", false, false},
    {"us_p999", "µs of latency, p99.9", false, false},
};

/// What Google Benchmark says of each run beside the counters.
constexpr std::string_view not_counters[] = {
    "family_index", "per_family_instance_index", "repetitions", "repetition_index", "threads", "iterations",
    "real_time",    "cpu_time",                  "items_per_second"};

/// The subject whose figure is 1.00 in the ratio column: the best one whose name begins like this.
struct reference {
    std::string_view family, operation, subject;
};

constexpr reference references[] = {
    {"deque", "push_pop", "plain_array"}, {"deque", "", "chase_lev"},     {"forkjoin", "", "tbb"},
    {"post", "single", "asio"},           {"post", "bulk", "tbb"},        {"future", "", "asio"},
    {"loop", "thousand", "tbb"},          {"loop", "", "openmp"},         {"wake", "", "futex"},
    {"idle", "", "asio"},                 {"memory", "", "asio"},         {"compile", "", "std_headers"},
    {"flow", "keyed", "mutex_shards"},    {"flow", "permit", "semaphore"}, {"flow", "", "mutex_bucket"},
    {"placement", "read", "bare"},        {"placement", "", "sorted_vector"}, {"balancer", "", "linear_scan"},
    {"scaling", "", "naive"},             {"priority", "", "asio"},       {"strand", "", "asio"},
    {"timer", "", "asio"},                {"resize", "", "asio"},         {"sort", "", "tbb"},
    {"pipeline", "", "tbb"},              {"graph", "", "tbb"},           {"map_reduce", "", "tbb"},
    {"service", "", "unprotected"},       {"sim", "", "std_priority_queue"},
};

enum class rule {
    ratio,       ///< median of (ours / theirs), round by round, at most `limit`
    at_most,     ///< our median at most `limit`
    at_least,    ///< our median at least `limit`
    difference,  ///< median of (ours - theirs), at most `limit`
};

struct target {
    std::string_view family, operation, argument, metric, subject;
    rule             kind;
    double           limit;
    std::string_view against = {};  ///< for ratio and difference: the best subject whose name begins like this
    double           aim     = 0;   ///< 0: none
};

constexpr target targets[] = {
    {"forkjoin", "fib", "workers:1", "ns_per_task", "sluice", rule::ratio, 1. / 8, "tbb", 1. / 15},
    {"forkjoin", "fib", "workers:2", "ns_per_task", "sluice", rule::ratio, 1. / 8, "tbb", 1. / 15},
    {"forkjoin", "fib", "workers:1", "factor_vs_serial", "sluice", rule::at_most, 4, {}, 2.5},
    {"forkjoin", "nqueens", "workers:1", "ns_per_task", "sluice", rule::ratio, 1, "tbb"},
    {"forkjoin", "nqueens", "workers:2", "ns_per_task", "sluice", rule::ratio, 1, "tbb"},
    {"forkjoin", "uts_t1", "workers:1", "ns_per_task", "sluice", rule::ratio, 1, "tbb"},
    {"forkjoin", "uts_t1", "workers:2", "ns_per_task", "sluice", rule::ratio, 1, "tbb"},
    {"forkjoin", "uts_t3", "workers:1", "ns_per_task", "sluice", rule::ratio, 1, "tbb"},
    {"forkjoin", "uts_t3", "workers:2", "ns_per_task", "sluice", rule::ratio, 1, "tbb"},
    {"forkjoin", "fib", "workers:1", "ns_per_task", "sluice_fork_join", rule::ratio, 2, "sluice"},
    {"forkjoin", "fib", "workers:2", "ns_per_task", "sluice_fork_join", rule::ratio, 2, "sluice"},
    {"post", "single", "outside:1", "ns_per_task", "sluice", rule::ratio, 0.3, "asio"},
    {"post", "single", "outside:4", "ns_per_task", "sluice", rule::ratio, 0.6, "asio"},
    {"post", "bulk", "outside:1", "ns_per_task", "sluice", rule::at_most, 5},
    {"future", "all", "", "ns_per_task", "sluice", rule::ratio, 0.12, "asio"},
    {"future", "one", "", "ns_per_task", "sluice", rule::ratio, 0.12, "asio"},
    {"loop", "thousand", "", "us_per_loop", "sluice", rule::ratio, 0.5, "tbb"},
    {"loop", "saxpy", "", "ms_per_loop", "sluice", rule::ratio, 1.05, "openmp"},
    {"loop", "reduce", "", "ms_per_loop", "sluice", rule::ratio, 1.05, "openmp"},
    {"wake", "pinned", "", "us_p50", "sluice", rule::ratio, 1.10, "futex"},
    {"wake", "pinned", "", "us_p50", "sluice", rule::ratio, 1.10, "asio"},
    {"wake", "pinned", "", "us_p99", "sluice", rule::ratio, 1.10, "futex"},
    {"wake", "pinned", "", "us_p99", "sluice", rule::ratio, 1.10, "asio"},
    {"wake", "blocks", "", "us_submit", "sluice", rule::at_most, 1.5},
    {"idle", "quiet", "workers:64", "ms_cpu", "sluice", rule::at_most, 0.1},
    {"idle", "quiet", "workers:64", "switches", "sluice", rule::at_most, 0},
    {"idle", "herd", "workers:64", "switches_per_task", "sluice", rule::at_most, 1.05},
    {"idle", "herd", "workers:64", "us_cpu_per_task", "sluice", rule::at_most, 4},
    {"memory", "queued", "closure:32", "bytes_per_task", "sluice", rule::at_most, 64},
    {"deque", "push_pop", "batch:1", "ns_per_item", "split", rule::at_most, 3},
    {"deque", "push_pop", "batch:200", "ns_per_item", "split", rule::at_most, 1.5},
    {"deque", "push_pop", "batch:1", "ns_per_item", "chase_lev", rule::difference, 2, "floor_seq_cst_store"},
    {"deque", "push_pop", "batch:200", "ns_per_item", "chase_lev", rule::difference, 2, "floor_seq_cst_store"},
    {"deque", "hand_over", "thieves:1", "ns_per_item", "split", rule::ratio, 2, "chase_lev"},
    {"deque", "contended", "batch:64", "share_stolen", "split", rule::at_least, 0.01},
    {"compile", "include", "", "ms_compile", "thread_pool", rule::at_most, 800},
    {"compile", "include", "", "ms_compile", "chase_lev_deque", rule::at_most, 400},
    {"flow", "acquire", "time:injected/threads:1", "ns_per_call", "token_bucket", rule::at_most, 11},
    {"flow", "acquire", "time:injected/threads:1", "ns_per_call", "gcra", rule::at_most, 11},
    {"flow", "acquire", "time:clock/threads:1", "ns_per_call", "token_bucket", rule::at_most, 24},
    {"flow", "acquire", "time:clock/threads:1", "ns_per_call", "gcra", rule::at_most, 24},
    {"flow", "deny", "time:injected/threads:1", "ns_per_call", "token_bucket", rule::at_most, 1},
    {"flow", "deny", "time:injected/threads:2", "ns_per_call", "token_bucket", rule::at_most, 1},
    {"flow", "deny", "time:injected/threads:1", "ns_per_call", "gcra", rule::at_most, 1},
    {"flow", "deny", "time:injected/threads:2", "ns_per_call", "gcra", rule::at_most, 1},
    {"flow", "acquire", "time:injected/threads:2", "ns_per_call", "leased", rule::at_most, 2},
    {"flow", "keyed", "keys:1000000/threads:2", "ns_per_call", "keyed", rule::at_most, 16},
    {"flow", "permit", "time:injected/threads:1", "ns_per_call", "concurrency_limiter", rule::at_most, 35},
    {"placement", "lookup", "nodes:1000/throughput", "ns_per_lookup", "ring_hash", rule::at_most, 5},
    {"placement", "lookup", "nodes:1000/throughput", "ns_per_lookup", "ring_hash", rule::ratio, 1. / 20, "sorted_vector"},
    {"placement", "lookup", "nodes:1000/throughput", "ns_per_lookup", "ring_hash_each", rule::at_most, 5},
    {"placement", "lookup", "nodes:1000/throughput", "ns_per_lookup", "ring_hash_each", rule::ratio, 1. / 20, "sorted_vector"},
    {"placement", "lookup", "nodes:1000/dependent", "ns_per_lookup", "ring_hash", rule::at_most, 30},
    {"placement", "lookup", "nodes:1000/throughput", "bytes_per_node", "ring_hash", rule::at_most, 2048},
    {"placement", "add_one", "nodes:1000", "us_per_change", "ring_hash", rule::at_most, 300},
    {"placement", "remove_one", "nodes:1000", "us_per_change", "ring_hash", rule::at_most, 300},
    {"placement", "build", "nodes:1000", "ms_per_build", "ring_hash", rule::at_most, 3},
    {"placement", "lookup", "nodes:1000/throughput", "ns_per_lookup", "maglev", rule::at_most, 1},
    {"placement", "lookup", "nodes:1000/throughput", "ns_per_lookup", "jump_hash", rule::at_most, 50},
    {"placement", "lookup", "nodes:1000/throughput", "ns_per_lookup", "anchor_hash_2x", rule::at_most, 12},
    {"placement", "lookup", "nodes:1000/throughput", "ns_per_lookup", "anchor_hash_2x_each", rule::at_most, 12},
    {"placement", "lookup", "nodes:100/throughput", "ns_per_lookup", "rendezvous_hash", rule::at_most, 100},
    {"placement", "read", "readers:2", "ns_per_lookup", "routing_table", rule::difference, 1, "bare"},
    {"balancer", "choose", "nodes:1000/threads:1", "ns_per_call", "static_stride", rule::at_most, 16},
    {"balancer", "choose", "nodes:1000/threads:1", "ns_per_call", "edf", rule::at_most, 60},
    {"balancer", "choose", "nodes:1000/threads:1", "ns_per_call", "p2c_peak_ewma", rule::at_most, 25},
    {"scaling", "usl_fit", "points:32", "us_per_fit", "sluice", rule::at_most, 50},
    {"scaling", "profile_interval", "points:32", "us_per_interval", "sluice", rule::at_most, 2000},
    {"scaling", "erlang_c", "servers:1000000", "us_per_call", "sluice", rule::at_most, 10'000},
    {"scaling", "decide", "stages:all", "ns_per_decision", "sluice", rule::at_most, 200},
    {"sort", "integers_random", "", "ns_per_element", "sluice", rule::ratio, 1.1, "tbb"},
    {"sort", "strings", "", "ns_per_element", "sluice", rule::ratio, 1.1, "tbb"},
    {"service", "load", "1.5", "goodput", "sluice", rule::at_least, 0.95},
    {"service", "load", "3", "goodput", "sluice", rule::at_least, 0.95},
    {"service", "load", "1.5", "us_p99", "sluice", rule::at_most, 50'000},
    {"service", "load", "3", "us_p99", "sluice", rule::at_most, 50'000},
    {"sim", "hold", "nodes:10000", "ns_per_event", "sluice", rule::at_most, 200},
    {"sim", "hold", "nodes:10000", "ns_per_event", "sluice", rule::ratio, 1 / 1.5, "std_priority_queue"},
};

constexpr std::string_view ours[]     = {"sluice", "chase_lev", "split", "bounded", "thread_pool", "token_bucket",
                                         "gcra",   "leased",    "keyed", "concurrency_limiter",
                                         "ring_hash", "maglev", "jump_hash", "anchor_hash", "rendezvous_hash", "memento_hash",
                                         "dx_hash", "multi_probe_hash", "routing_table", "static_stride", "edf", "p2c",
                                         "p2c_peak_ewma", "least_loaded", "weighted_round_robin", "round_robin", "random",
                                         "weighted_random"};
constexpr std::string_view families[] = {"forkjoin", "post",   "future",  "loop", "deque",
                                         "wake",     "idle",   "memory",  "priority", "strand",
                                         "timer",    "resize", "sort",    "pipeline", "graph",
                                         "map_reduce", "flow", "placement", "balancer", "service",
                                         "scaling",  "sim",    "compile"};

// --- what was measured ----------------------------------------------------------------------------------------------

double median(std::vector<double> v) {
    if (v.empty()) return std::nan("");
    std::sort(v.begin(), v.end());
    std::size_t const m = v.size() / 2;
    return v.size() % 2 == 1 ? v[m] : (v[m - 1] + v[m]) / 2;
}

struct row {
    std::string                          size;    ///< the n: of its name, if any
    std::map<int, double>                rounds;  ///< the value in each round
    std::string                          error;

    [[nodiscard]] std::vector<double> values() const {
        std::vector<double> v;
        for (auto const& [round, x] : rounds) v.push_back(x);
        return v;
    }
    [[nodiscard]] double middle() const { return median(values()); }
};

struct key {
    std::size_t family, metric;
    std::string operation, argument;
    auto        operator<=>(key const&) const = default;
};

struct group {
    std::map<std::string, row> subjects;
};

using order = std::tuple<std::size_t, std::string, std::string, std::size_t>;  // family, operation, argument, metric

struct results {
    std::map<order, group>             groups;
    std::map<std::string, std::string> versions;
    std::set<std::string>              errors;
};

template <class Range, class Get>
std::size_t index_of(Range const& range, std::string_view name, Get get) {
    auto const found = std::find_if(std::begin(range), std::end(range), [&](auto const& e) { return get(e) == name; });
    return static_cast<std::size_t>(found - std::begin(range));
}

std::size_t family_index(std::string_view name) {
    return index_of(families, name, [](std::string_view f) { return f; });
}

std::size_t metric_index(std::string_view name) {
    return index_of(metrics, name, [](metric const& m) { return m.name; });
}

/// family/operation/subject/arguments; what Google Benchmark appends is dropped, n: is set apart.
struct parsed_name {
    std::string family, operation, subject, argument, size;
};

parsed_name parse_name(std::string const& name) {
    std::vector<std::string> parts;
    std::stringstream        stream(name);
    for (std::string part; std::getline(stream, part, '/');) parts.push_back(part);
    parsed_name p;
    if (parts.size() < 3) return p;
    p.family = parts[0], p.operation = parts[1], p.subject = parts[2];
    for (std::size_t i = 3; i < parts.size(); ++i) {
        std::string_view const part = parts[i];
        if (part == "manual_time" || part == "real_time" || part.starts_with("iterations:") ||
            part.starts_with("min_time:") || part.starts_with("repeats:"))
            continue;
        if (part.starts_with("n:")) p.size = part.substr(2);
        else p.argument += (p.argument.empty() ? "" : "/") + std::string(part);
    }
    return p;
}

void take(results& all, std::filesystem::path const& file) {
    int const   round   = std::atoi(file.stem().extension().string().substr(1).c_str());
    value const content = bench::json::read(file.string());
    for (auto const& [name, v] : content["context"].object)
        if (name.starts_with("version_") && v.is == value::kind::string) all.versions[name.substr(8)] = v.string;
    for (auto const& b : content["benchmarks"].array) {
        auto const p = parse_name(b["name"].string);
        if (family_index(p.family) == std::size(families)) {
            all.errors.insert(b["name"].string + ": the report knows no such family");
            continue;
        }
        if (b["error_occurred"].boolean) {
            all.errors.insert(b["name"].string + ": " + b["error_message"].string);
            continue;
        }
        for (auto const& [counter, v] : b.object) {
            if (v.is != value::kind::number || std::ranges::find(not_counters, counter) != std::end(not_counters)) continue;
            std::size_t const m = metric_index(counter);
            if (m == std::size(metrics)) {
                all.errors.insert(b["name"].string + ": the report knows no metric " + counter);
                continue;
            }
            row& r = all.groups[{family_index(p.family), p.operation, p.argument, m}].subjects[p.subject];
            r.rounds[round] = v.number;
            r.size          = p.size;
        }
    }
}

// --- comparing ------------------------------------------------------------------------------------------------------

/// The subject with the lowest median among those whose names begin with `prefix`.
std::optional<std::string> best_of(group const& g, std::string_view prefix) {
    std::optional<std::string> best;
    for (auto const& [name, r] : g.subjects)
        if (name.starts_with(prefix) && (!best || r.middle() < g.subjects.at(*best).middle())) best = name;
    return best;
}

/// The median over the rounds in which both were measured.
template <class F>
double paired(row const& a, row const& b, F f) {
    std::vector<double> v;
    for (auto const& [round, x] : a.rounds)
        if (auto const other = b.rounds.find(round); other != b.rounds.end()) v.push_back(f(x, other->second));
    return median(v);
}

double ratio(row const& a, row const& b) {
    return paired(a, b, [](double x, double y) { return x / y; });
}

std::string_view reference_of(std::string_view family, std::string_view operation) {
    for (auto const& r : references)
        if (r.family == family && (r.operation.empty() || r.operation == operation)) return r.subject;
    return {};
}

struct verdict {
    target const* asked;
    std::string   against;         ///< the peer's full name, if any
    double        reached = 0;     ///< in the rule's own terms
    bool          measured = false, met = false, aim_met = false;
};

verdict judge(target const& t, results const& all) {
    verdict    v{.asked = &t, .against = {}};
    auto const found = all.groups.find({family_index(t.family), std::string(t.operation), std::string(t.argument),
                                        metric_index(t.metric)});
    if (found == all.groups.end()) return v;
    group const& g    = found->second;
    auto const   mine = g.subjects.find(std::string(t.subject));
    if (mine == g.subjects.end()) return v;
    row const* theirs = nullptr;
    if (!t.against.empty()) {
        auto const peer = best_of(g, t.against);
        if (!peer) return v;
        v.against = *peer;
        theirs    = &g.subjects.at(*peer);
    }
    switch (t.kind) {
    case rule::ratio: v.reached = ratio(mine->second, *theirs); break;
    case rule::difference: v.reached = paired(mine->second, *theirs, [](double x, double y) { return x - y; }); break;
    case rule::at_most:
    case rule::at_least: v.reached = mine->second.middle(); break;
    }
    if (std::isnan(v.reached)) return v;
    auto const within = [&](double limit) {
        return t.kind == rule::at_least ? v.reached >= limit : v.reached <= limit;
    };
    v.measured        = true;
    v.met             = within(t.limit);
    v.aim_met         = t.aim != 0 && within(t.aim);
    return v;
}

// --- printing -------------------------------------------------------------------------------------------------------

/// Three significant digits, never an exponent.
std::string brief(double x) {
    if (!std::isfinite(x)) return "-";
    double const size     = std::fabs(x);
    int const    decimals = size >= 99.95 || size == 0 ? 0 : size >= 9.995 ? 1 : size >= 0.995 ? 2 : 3;
    char         text[48];
    std::snprintf(text, sizeof text, "%.*f", decimals, x);
    return text;
}

/// The same for a limit, without zeros that say nothing.
std::string limit_text(double x) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3g", x);
    return text;
}

std::size_t width_of(std::string_view utf8) {
    return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string left(std::string s, std::size_t width) {
    s.append(width > width_of(s) ? width - width_of(s) : 0, ' ');
    return s;
}

std::string right(std::string const& s, std::size_t width) {
    return std::string(width > width_of(s) ? width - width_of(s) : 0, ' ') + s;
}

std::string describe(target const& t, std::string const& peer) {
    switch (t.kind) {
    case rule::ratio: return (t.limit == 1 ? "ahead of " : "≤ " + limit_text(t.limit) + " × ") + peer;
    case rule::difference: return "≤ " + peer + " + " + limit_text(t.limit);
    case rule::at_most: return "≤ " + limit_text(t.limit);
    case rule::at_least: return "≥ " + limit_text(t.limit);
    }
    return {};
}

std::string outcome(verdict const& v) {
    if (!v.measured) return "not measured";
    std::string s = (v.met ? "yes" : "NO") + (", " + brief(v.reached));
    if (v.asked->aim != 0) s += std::string("; aim ") + limit_text(v.asked->aim) + (v.aim_met ? " yes" : " no");
    return s;
}

constexpr std::size_t label_width = 62;

bool is_ours(std::string_view subject) {
    return std::any_of(std::begin(ours), std::end(ours), [&](auto p) { return subject.starts_with(p); });
}

void print_group(order const& id, group const& g, std::vector<verdict> const& verdicts) {
    auto const& [family, operation, argument, m] = id;
    auto const  reference = best_of(g, reference_of(families[family], operation));
    std::string title     = std::string(families[family]) + "/" + operation;
    if (!argument.empty()) title += "  " + argument;
    std::cout << "\n" << left(title + ", " + std::string(metrics[m].label), label_width);
    std::cout << right("median", 9) << right("min", 9) << right("max", 9) << right("ratio", 8) << "  target" << "\n";

    std::vector<std::pair<std::string, row const*>> rows;
    for (auto const& [name, r] : g.subjects) rows.emplace_back(name, &r);
    std::sort(rows.begin(), rows.end(), [&](auto const& a, auto const& b) {
        bool const a_ours = is_ours(a.first), b_ours = is_ours(b.first);
        if (a_ours != b_ours) return a_ours;
        double const x = a.second->middle(), y = b.second->middle();
        return metrics[m].more_is_better ? x > y : x < y;
    });
    std::string const usual = rows.front().second->size;
    for (auto const& [name, r] : rows) {
        auto const v     = r->values();
        auto const label = "  " + name + (r->size != usual && !r->size.empty() ? " (n = " + r->size + ")" : "");
        std::cout << left(label, label_width) << right(brief(r->middle()), 9)
                  << right(brief(*std::min_element(v.begin(), v.end())), 9)
                  << right(brief(*std::max_element(v.begin(), v.end())), 9)
                  << right(reference ? brief(ratio(*r, g.subjects.at(*reference))) : "", 8);
        bool first = true;
        for (auto const& verdict : verdicts) {
            target const& t = *verdict.asked;
            if (t.family != families[family] || t.operation != operation || t.argument != argument ||
                t.metric != metrics[m].name || t.subject != name)
                continue;
            if (!first) std::cout << "\n" << std::string(label_width + 35, ' ');
            std::cout << "  " << describe(t, verdict.against) << ": " << outcome(verdict);
            first = false;
        }
        std::cout << "\n";
    }
}

/// One line per target: the part to read first. Returns how many could be judged.
std::size_t print_summary(results const& all, std::vector<verdict> const& verdicts) {
    std::size_t measured = 0;
    std::cout << "\n" << left("what", label_width) << right("ours", 9) << "  " << left("peer", 31) << left("target", 14)
              << "met\n";
    for (auto const& v : verdicts) {
        if (!v.measured) continue;
        ++measured;
        target const& t = *v.asked;
        auto const&   g = all.groups.at({family_index(t.family), std::string(t.operation), std::string(t.argument),
                                         metric_index(t.metric)});
        std::string   what = std::string(t.family) + "/" + std::string(t.operation);
        if (t.subject != "sluice") what += "/" + std::string(t.subject);
        if (!t.argument.empty()) what += " " + std::string(t.argument);
        what += ", " + std::string(metrics[metric_index(t.metric)].label);
        std::string const peer = v.against.empty() ? "-" : v.against + " " + brief(g.subjects.at(v.against).middle());
        std::string const asked = t.kind == rule::ratio        ? "≤ " + limit_text(t.limit) + " ×"
                                  : t.kind == rule::difference ? "≤ peer + " + limit_text(t.limit)
                                                               : describe(t, {});
        std::cout << left(what, label_width) << right(brief(g.subjects.at(std::string(t.subject)).middle()), 9) << "  "
                  << left(peer, 31) << left(asked, 14) << outcome(v) << "\n";
    }
    return measured;
}

// --- the machine ----------------------------------------------------------------------------------------------------

std::string first_after(char const* file, std::string_view field) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);)
        if (line.starts_with(field))
            if (auto const colon = line.find(": "); colon != std::string::npos) return line.substr(colon + 2);
    return "unknown";
}

std::string kernel() {
#if defined(__unix__)
    utsname u{};
    if (uname(&u) == 0) return std::string(u.sysname) + " " + u.release + " " + u.machine;
#endif
    return "unknown";
}

std::string load_average() {
    std::ifstream in("/proc/loadavg");
    std::string   one = "unknown";
    in >> one;
    return one;
}

}  // namespace

int main(int argc, char** argv) {
    std::map<std::string, std::string> options{{"--mode", "quick"}, {"--rounds", "?"}, {"--commit", "unknown"},
                                               {"--disturbed", "unknown"}};
    for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
    if (!options.contains("--raw") || !options.contains("--json")) {
        std::cerr << "usage: " << argv[0] << " --raw DIR --json FILE [--mode M] [--rounds N] [--commit C] [--disturbed N]\n";
        return 2;
    }

    results all;
    for (auto const& entry : std::filesystem::directory_iterator(options["--raw"])) {
        if (entry.path().extension() != ".json") continue;
        try {
            take(all, entry.path());
        } catch (std::exception const& e) {
            all.errors.insert(entry.path().filename().string() + ": " + e.what());
        }
    }

    std::vector<verdict> verdicts;
    for (auto const& t : targets) verdicts.push_back(judge(t, all));
    for (auto const& [id, g] : all.groups)
        if (metrics[std::get<3>(id)].in_text) print_group(id, g, verdicts);

    std::size_t const measured = print_summary(all, verdicts);
    std::size_t const met      = static_cast<std::size_t>(
        std::count_if(verdicts.begin(), verdicts.end(), [](verdict const& v) { return v.met; }));
    std::time_t const now = std::time(nullptr);
    char              date[32];
    std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
    std::map<std::string, std::string> const context{
        {"date", date},
        {"commit", options["--commit"]},
        {"mode", options["--mode"]},
        {"rounds", options["--rounds"]},
        {"compiler", SLUICE_BENCH_COMPILER},
        {"flags", SLUICE_BENCH_FLAGS},
        {"cpu", first_after("/proc/cpuinfo", "model name")},
        {"cores", std::to_string(std::thread::hardware_concurrency())},
        {"kernel", kernel()},
        {"load_average_at_end", load_average()},
        {"disturbed_runs", options["--disturbed"]},
    };

    std::cout << "\nratio: against the row with 1.00, round by round, median; min and max over the rounds\n"
              << "targets met: " << met << " of " << measured << " measured";
    if (measured < verdicts.size()) std::cout << " (" << verdicts.size() - measured << " not measured)";
    std::cout << "\n";
    for (auto const& e : all.errors) std::cout << "  FAILED: " << e << "\n";
    if (options["--mode"] != "full") std::cout << "quick mode: small sizes and few rounds; quote only -DMODE=full\n";
    std::cout << "runs beside processes that took more than a fifth of the machine: " << options["--disturbed"] << "\n";
    std::cout << context.at("cpu") << ", " << context.at("cores") << " cores, " << context.at("kernel") << "; "
              << context.at("compiler") << " " << context.at("flags") << "; commit " << context.at("commit") << "\n";

    using bench::json::number;
    using bench::json::quoted;
    std::ofstream out(options["--json"]);
    out << "{\n  \"context\": {";
    for (auto const& [name, text] : context) out << "\n    " << quoted(name) << ": " << quoted(text) << ",";
    out << "\n    \"versions\": {";
    for (auto const* comma = ""; auto const& [name, text] : all.versions) {
        out << comma << quoted(name) << ": " << quoted(text);
        comma = ", ";
    }
    out << "}\n  },\n  \"results\": [";
    for (auto const* comma = ""; auto const& [id, g] : all.groups) {
        auto const& [family, operation, argument, m] = id;
        auto const reference = best_of(g, reference_of(families[family], operation));
        for (auto const& [name, r] : g.subjects) {
            auto const v = r.values();
            out << comma << "\n    {\"family\": " << quoted(std::string(families[family]))
                << ", \"operation\": " << quoted(operation) << ", \"argument\": " << quoted(argument)
                << ", \"subject\": " << quoted(name) << ", \"n\": " << quoted(r.size)
                << ", \"metric\": " << quoted(std::string(metrics[m].name))
                << ", \"label\": " << quoted(std::string(metrics[m].label)) << ", \"ours\": " << (is_ours(name) ? "true" : "false")
                << ", \"median\": " << number(r.middle())
                << ", \"min\": " << number(*std::min_element(v.begin(), v.end()))
                << ", \"max\": " << number(*std::max_element(v.begin(), v.end()));
            if (reference)
                out << ", \"reference\": " << quoted(*reference)
                    << ", \"ratio\": " << number(ratio(r, g.subjects.at(*reference)));
            out << ", \"rounds\": [";
            for (std::size_t i = 0; i < v.size(); ++i) out << (i == 0 ? "" : ", ") << number(v[i]);
            out << "]}";
            comma = ",";
        }
    }
    out << "\n  ],\n  \"targets\": [";
    for (auto const* comma = ""; auto const& v : verdicts) {
        target const& t = *v.asked;
        out << comma << "\n    {\"family\": " << quoted(std::string(t.family))
            << ", \"operation\": " << quoted(std::string(t.operation))
            << ", \"argument\": " << quoted(std::string(t.argument))
            << ", \"metric\": " << quoted(std::string(t.metric))
            << ", \"label\": " << quoted(std::string(metrics[metric_index(t.metric)].label))
            << ", \"subject\": " << quoted(std::string(t.subject))
            << ", \"target\": " << quoted(describe(t, v.against))
            << ", \"reached\": " << (v.measured ? number(v.reached) : "null")
            << ", \"met\": " << (!v.measured ? "null" : v.met ? "true" : "false");
        if (t.aim != 0)
            out << ", \"aim\": " << number(t.aim) << ", \"aim_met\": " << (v.aim_met ? "true" : "false");
        out << "}";
        comma = ",";
    }
    out << "\n  ],\n  \"errors\": [";
    for (auto const* comma = ""; auto const& e : all.errors) {
        out << comma << quoted(e);
        comma = ", ";
    }
    out << "]\n}\n";
    if (!out.flush()) {
        std::cerr << "cannot write " << options["--json"] << "\n";
        return 1;
    }
    return all.errors.empty() ? 0 : 3;
}
