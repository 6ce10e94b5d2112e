// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// to_trace_json — a trace_log as a file that Perfetto (ui.perfetto.dev) and Chrome (about:tracing) open.
///
/// Use it for     looking at a run: one row a thread, a box for each task, nested where a task ran inside another's wait
/// Thread-safety  a pure function
/// Complexity     O(events), about 150 bytes of text each
/// Errors         std::bad_alloc. Names are escaped; bytes that are no UTF-8 become U+FFFD
/// Units          microseconds with three decimals, from the clock's beginning: nanoseconds are kept
/// Source         Trace Event Format (the Chromium project): ph X spans, i instants, M names
/// Example        examples/564_trace_export.cpp

#include <sluice/executor/detail/text.hpp>
#include <sluice/executor/trace_recorder.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

struct trace_export_options {
    std::string_view process_name = "sluice";
    std::uint64_t    process = 1;
};

[[nodiscard]] inline std::string to_trace_json(trace_log const& log, trace_export_options options = {}) {
    std::string out = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
    auto const  begin = [&](char ph, std::string_view name) {
        out += out.back() == '[' ? "\n{\"ph\":\"" : ",\n{\"ph\":\"";
        out += ph;
        out += "\",\"name\":";
        detail::append_json_string(out, name);
        out += ",\"pid\":";
        detail::append_number(out, options.process);
    };
    auto const thread = [&](std::uint64_t n) {
        out += ",\"tid\":";
        detail::append_number(out, n);
    };
    auto const meta = [&](std::string_view name) {
        out += ",\"args\":{\"name\":";
        detail::append_json_string(out, name);
        out += "}}";
    };
    begin('M', "process_name");
    meta(options.process_name);
    for (auto const& [n, name] : log.thread_names) {
        begin('M', "thread_name");
        thread(n);
        meta(name);
    }
    for (auto const& entry : log.entries) {
        auto const& e = entry.event;
        bool const  span = e.what == trace_event::kind::span;
        begin(span ? 'X' : 'i', e.name);
        thread(entry.thread);
        out += ",\"ts\":";
        detail::append_fixed(out, e.at.time_since_epoch().count(), 3);
        if (span) {
            out += ",\"dur\":";
            detail::append_fixed(out, std::max<std::int64_t>(0, e.length.count()), 3);
        } else {
            out += ",\"s\":\"t\"";
        }
        if (!e.category.empty()) {
            out += ",\"cat\":";
            detail::append_json_string(out, e.category);
        }
        bool any = false;
        for (int i = 0; i < 2; ++i) {
            if (e.key[i].empty() || (i == 1 && e.key[1] == e.key[0])) continue;
            out += any ? "," : ",\"args\":{";
            detail::append_json_string(out, e.key[i]);
            out += ':';
            detail::append_number(out, e.value[i]);
            any = true;
        }
        out += any ? "}}" : "}";
    }
    out += "\n],\"otherData\":{\"dropped_events\":";
    detail::append_number(out, log.dropped);
    out += "}}\n";
    return out;
}

}  // namespace sluice
