// SPDX-License-Identifier: BSL-1.0
// 564 — a trace: what ran when, as a file that ui.perfetto.dev and about:tracing open.
// Build:  c++ -std=c++20 -Iinclude examples/564_trace_export.cpp -pthread
#include <sluice/core/clock.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/export_trace.hpp>
#include <sluice/executor/observer.hpp>
#include <sluice/executor/trace_recorder.hpp>
#include <cstdio>
#include <deque>
#include <utility>

/// An executor of one thread, this one, so that the example always prints the same; a thread_pool is observed alike.
struct line {
    std::deque<sluice::unique_function<void()>> tasks;
    template <class F>
    void post(F&& f) { tasks.emplace_back(std::forward<F>(f)); }
    void run() {
        for (; !tasks.empty(); tasks.pop_front()) tasks.front()();
    }
};

int main() {
    using namespace std::chrono_literals;
    sluice::manual_clock   clock;
    sluice::trace_recorder trace;
    line                   queue;
    auto                   executor = sluice::observe(queue, trace, clock);
    trace.name_this_thread("worker 0");

    executor.post([&] { clock.advance(300us); }, "load");  // "work" is virtual time that passes
    executor.post([&] {
        clock.advance(50us);
        trace.record({.name = "cache miss", .category = "app", .at = clock.now()});
        clock.advance(150us);
    }, "parse");
    queue.run();

    std::printf("%s", sluice::to_trace_json(trace.take()).c_str());
    std::printf("The picture: one row, \"worker 0\". A box \"load\" from 0 to 300 us; right behind it a box \"parse\" to 500 us that\n"
                "had waited for 300 us, with an arrow \"cache miss\" at 350 us.\n");
}
// Expected output:
//   {"displayTimeUnit":"ns","traceEvents":[
//   {"ph":"M","name":"process_name","pid":1,"args":{"name":"sluice"}},
//   {"ph":"M","name":"thread_name","pid":1,"tid":1,"args":{"name":"worker 0"}},
//   {"ph":"X","name":"load","pid":1,"tid":1,"ts":0.000,"dur":300.000,"cat":"ran","args":{"id":1,"waited_ns":0}},
//   {"ph":"X","name":"parse","pid":1,"tid":1,"ts":300.000,"dur":200.000,"cat":"ran","args":{"id":2,"waited_ns":300000}},
//   {"ph":"i","name":"cache miss","pid":1,"tid":1,"ts":350.000,"s":"t","cat":"app"}
//   ],"otherData":{"dropped_events":0}}
//   The picture: one row, "worker 0". A box "load" from 0 to 300 us; right behind it a box "parse" to 500 us that
//   had waited for 300 us, with an arrow "cache miss" at 350 us.
