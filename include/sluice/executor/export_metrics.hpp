// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// to_prometheus, to_json — pool_metrics for a monitoring system, and for whatever reads JSON.
///
/// Use it for     the answer to GET /metrics; a record beside a benchmark's result
/// Thread-safety  pure functions
/// Complexity     O(workers); some 100 bytes of text for each worker and number
/// Errors         std::invalid_argument for a label name that Prometheus does not allow (or "worker", which is used here);
///                std::bad_alloc. Values and JSON strings are escaped
/// Units          seconds, exact to the nanosecond; counters count from the start of the pool and never fall
/// Source         Prometheus text exposition format 0.0.4; RFC 8259
/// Example        examples/565_metrics_export.cpp

#include <sluice/executor/detail/text.hpp>
#include <sluice/executor/metrics.hpp>
#include <sluice/executor/triage.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sluice {

struct metric_label {
    std::string_view name;
    std::string_view value;
};

namespace detail {

inline void append_labels(std::string& out, std::span<metric_label const> labels, std::size_t const* worker) {
    char separator = '{';
    for (auto const& l : labels) {
        bool good = !l.name.empty() && l.name != "worker" && !(l.name[0] >= '0' && l.name[0] <= '9');
        for (char const c : l.name)
            good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_');
        if (!good) throw std::invalid_argument("sluice: a metric_label's name is \"" + std::string(l.name) + "\"");
        out += separator;
        out += l.name;
        out += "=\"";
        for (char const c : l.value) {
            if (c == '\\' || c == '"') out += '\\';
            if (c == '\n')
                out += "\\n";
            else
                out += c;
        }
        out += '"';
        separator = ',';
    }
    if (worker != nullptr) {
        out += separator;
        out += "worker=\"" + std::to_string(*worker) + "\"";
        separator = ',';
    }
    if (separator == ',') out += '}';
}

}  // namespace detail

[[nodiscard]] inline std::string to_prometheus(pool_metrics const& m, std::span<metric_label const> labels = {}) {
    std::string out;
    auto const  head = [&](char const* name, char const* type, char const* help) {
        out += std::string("# HELP ") + name + ' ' + help + "\n# TYPE " + name + ' ' + type + '\n';
    };
    auto const sample = [&](char const* name, std::size_t const* worker, auto append_value) {
        out += name;
        detail::append_labels(out, labels, worker);
        out += ' ';
        append_value();
        out += '\n';
    };
    auto const each_worker = [&](char const* name, char const* type, char const* help, auto append_value) {
        head(name, type, help);
        for (std::size_t i = 0; i < m.workers.size(); ++i) sample(name, &i, [&] { append_value(m.workers[i]); });
    };
    auto const count = [&](char const* name, char const* help, std::uint64_t worker_metrics::*field) {
        each_worker(name, "counter", help, [&](worker_metrics const& w) { detail::append_number(out, w.*field); });
    };
    auto const time = [&](char const* name, char const* help, std::chrono::nanoseconds worker_metrics::*field) {
        each_worker(name, "counter", help, [&](worker_metrics const& w) { detail::append_fixed(out, (w.*field).count(), 9); });
    };
    auto const total = [&](char const* name, char const* help, std::uint64_t n) {
        head(name, "counter", help);
        sample(name, nullptr, [&] { detail::append_number(out, n); });
    };
    auto const gauge = [&](char const* name, char const* help, double x) {
        head(name, "gauge", help);
        sample(name, nullptr, [&] { detail::append_number(out, x, x > 0 ? "+Inf" : x < 0 ? "-Inf" : "NaN"); });
    };

    count("sluice_pool_tasks_total", "Tasks run.", &worker_metrics::tasks);
    count("sluice_pool_steals_total", "Attempts to steal that brought something.", &worker_metrics::steals);
    count("sluice_pool_steals_lost_total", "Attempts to steal that were lost to another thread.", &worker_metrics::steals_lost);
    count("sluice_pool_steals_empty_total", "Attempts to steal from a worker that had nothing.", &worker_metrics::steals_empty);
    time("sluice_pool_busy_seconds_total", "Time in tasks.", &worker_metrics::busy);
    time("sluice_pool_searching_seconds_total", "Time awake without a task.", &worker_metrics::searching);
    time("sluice_pool_parked_seconds_total", "Time asleep.", &worker_metrics::parked);
    time("sluice_pool_absent_seconds_total", "Time without a thread.", &worker_metrics::absent);
    each_worker("sluice_pool_queue_depth", "gauge", "Tasks in the worker's queues now.",
                [&](worker_metrics const& w) { detail::append_number(out, static_cast<std::uint64_t>(w.depth)); });
    each_worker("sluice_pool_mean_queue_depth", "gauge", "Tasks in the worker's queues, averaged over the starts of its tasks.",
                [&](worker_metrics const& w) { detail::append_number(out, w.mean_depth, "NaN"); });
    total("sluice_pool_errors_handled_total", "Exceptions of detached tasks that were given to the handler.", m.errors_handled);
    total("sluice_pool_errors_dropped_total", "Exceptions that nobody asked for.", m.errors_dropped);
    total("sluice_pool_tasks_discarded_total", "Tasks dropped unrun.", m.tasks_discarded);
    head("sluice_pool_elapsed_seconds_total", "counter", "Time since the pool was made.");
    sample("sluice_pool_elapsed_seconds_total", nullptr, [&] { detail::append_fixed(out, m.elapsed.count(), 9); });
    gauge("sluice_pool_utilisation_variation", "Standard deviation over mean of busy times; good below 0.1, bad above 0.3.",
          m.utilisation_variation().value);
    gauge("sluice_pool_coordination_overhead", "Searching over awake; good below 0.05, bad above 0.2.", m.coordination_overhead().value);
    gauge("sluice_pool_queue_depth_ratio", "Largest over mean depth; good below 2, bad above 10.", m.queue_depth_ratio().value);
    gauge("sluice_pool_speedup_ratio", "Busy over paid-for time; good above 0.8, bad below 0.5.", m.speedup_ratio().value);
    return out;
}

[[nodiscard]] inline std::string to_json(pool_metrics const& m) {
    std::string out = "{\"elapsed_seconds\":";
    detail::append_fixed(out, m.elapsed.count(), 9);
    auto const count = [&](char const* name, std::uint64_t n) {
        out += std::string(",\"") + name + "\":";
        detail::append_number(out, n);
    };
    auto const time = [&](char const* name, std::chrono::nanoseconds d) {
        out += std::string(",\"") + name + "\":";
        detail::append_fixed(out, d.count(), 9);
    };
    count("errors_handled", m.errors_handled);
    count("errors_dropped", m.errors_dropped);
    count("tasks_discarded", m.tasks_discarded);
    out += ",\"measures\":{";
    auto const graded = [&](char const* name, measure x) {
        out += out.back() == '{' ? "\"" : ",\"";
        out += std::string(name) + "\":{\"value\":";
        detail::append_number(out, x.value, "null");
        out += std::string(",\"grade\":\"") + to_string(x.grade) + "\"}";
    };
    graded("utilisation_variation", m.utilisation_variation());
    graded("coordination_overhead", m.coordination_overhead());
    graded("queue_depth_ratio", m.queue_depth_ratio());
    graded("speedup_ratio", m.speedup_ratio());
    out += "},\"findings\":[";
    for (auto const f : triage(m).findings) out += std::string(out.back() == '[' ? "\"" : ",\"") + to_string(f) + '"';
    out += "],\"workers\":[";
    for (std::size_t i = 0; i < m.workers.size(); ++i) {
        auto const& w = m.workers[i];
        out += i == 0 ? "{\"worker\":" : ",{\"worker\":";
        detail::append_number(out, static_cast<std::uint64_t>(i));
        count("tasks", w.tasks);
        count("steals", w.steals);
        count("steals_lost", w.steals_lost);
        count("steals_empty", w.steals_empty);
        count("depth", w.depth);
        out += ",\"mean_depth\":";
        detail::append_number(out, w.mean_depth, "null");
        time("busy_seconds", w.busy);
        time("searching_seconds", w.searching);
        time("parked_seconds", w.parked);
        time("absent_seconds", w.absent);
        out += '}';
    }
    out += "]}\n";
    return out;
}

}  // namespace sluice
