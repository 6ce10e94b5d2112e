// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/trace_recorder.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using sluice::time_point;
using sluice::trace_event;
using sluice::trace_recorder;

namespace {

trace_event at(int t, std::string_view name = "x", int length = 0) {
    return {.name = name, .what = length > 0 ? trace_event::kind::span : trace_event::kind::instant,
            .at = time_point(std::chrono::nanoseconds(t)), .length = std::chrono::nanoseconds(length)};
}

}  // namespace

TEST_CASE("trace_recorder: what was recorded comes out once, in order of time", "[executor][trace_recorder][unit]") {
    trace_recorder trace({.threads = 4, .events = 8});
    trace.name_this_thread("main");
    trace.record(at(5, "inner", 1));
    trace.record(at(5, "outer", 9));
    trace.record(at(1, "first"));
    std::thread([&] { trace.record(at(3, "other")); }).join();
    auto const log = trace.take();
    REQUIRE(log.entries.size() == 4);
    std::vector<std::string> names;
    for (auto const& e : log.entries) names.emplace_back(e.event.name);
    CHECK(names == std::vector<std::string>{"first", "other", "outer", "inner"});
    CHECK(log.entries[0].thread == log.entries[2].thread);
    CHECK(log.entries[0].thread != log.entries[1].thread);
    CHECK(log.thread_names.size() == 1);
    CHECK(log.thread_names.at(log.entries[0].thread) == "main");
    CHECK(log.dropped == 0);
    CHECK(trace.take().entries.empty());
    CHECK_THROWS_AS(trace_recorder({.threads = 0}), std::invalid_argument);
    CHECK_THROWS_AS(trace_recorder({.events = 0}), std::invalid_argument);
}

TEST_CASE("trace_recorder: tasks are spans; one that never ran is an instant", "[executor][trace_recorder][unit]") {
    trace_recorder    trace;
    sluice::task_info t{.name = "sort", .id = 7, .submitted = time_point(100ns), .started = time_point(130ns),
                        .finished = time_point(180ns)};
    trace.on_submit(t);
    trace.on_start(t);
    trace.on_finish(t, sluice::task_status::ran);
    t.name = {};
    t.finished = time_point(0ns);  // a clock that went backwards
    trace.on_finish(t, sluice::task_status::threw);
    trace.on_finish({.id = 8, .submitted = time_point(500ns)}, sluice::task_status::dropped);
    auto const log = trace.take();
    REQUIRE(log.entries.size() == 3);
    auto const& first = log.entries[0].event;
    CHECK(first.name == "sort");
    CHECK(first.category == "ran");
    CHECK(first.what == trace_event::kind::span);
    CHECK(first.at == time_point(130ns));
    CHECK(first.length == 50ns);
    CHECK(first.value[0] == 7);
    CHECK(first.value[1] == 30);
    CHECK(log.entries[1].event.name == "task");
    CHECK(log.entries[1].event.length == 0ns);
    CHECK(log.entries[1].event.category == "threw");
    CHECK(log.entries[2].event.what == trace_event::kind::instant);
    CHECK(log.entries[2].event.key[1].empty());
}

TEST_CASE("trace_recorder: memory is bounded, and what finds no room is counted", "[executor][trace_recorder][fault]") {
    trace_recorder trace({.threads = 2, .events = 4});
    for (int i = 0; i < 10; ++i) trace.record(at(i));
    auto log = trace.take();
    REQUIRE(log.entries.size() == 4);
    CHECK(log.entries.back().event.at == time_point(3ns));  // the first ones stay
    CHECK(log.dropped == 6);
    for (int i = 0; i < 3; ++i) trace.record(at(i));  // there is room again
    std::thread([&] { trace.record(at(20)); }).join();
    std::thread([&] {
        for (int i = 0; i < 3; ++i) trace.record(at(30));
    }).join();  // a third thread
    log = trace.take();
    CHECK(log.entries.size() == 4);
    CHECK(log.dropped == 9);
    CHECK(trace.dropped() == 9);
}

TEST_CASE("trace_recorder: only a thread's first event takes memory; without any it is dropped", "[executor][trace_recorder][fault]") {
    trace_recorder trace({.threads = 8, .events = 16});
    std::thread([&] {
        std::uint64_t taken = 0;
        for (std::uint64_t n = 0; n < 2; ++n) {
            test::scarce_memory const none(n);
            trace.record(at(1));
        }
        trace.record(at(2));
        {
            test::scarce_memory const none(0);
            trace.record(at(3));
            taken = none.allocations();
        }
        if (taken != 0 || trace.dropped() != 2) throw std::logic_error("allocates");
    }).join();
    CHECK(trace.take().entries.size() == 2);
    trace.record(at(1));
    trace.record(at(2));
    {
        test::scarce_memory const none(1);  // after the first block, for the names or the entries
        CHECK_THROWS_AS(trace.take(), std::bad_alloc);
    }
    auto const log = trace.take();
    CHECK(log.entries.size() + log.dropped == 2 + 2);
}

TEST_CASE("trace_recorder: many threads record while one takes", "[executor][trace_recorder][stress]") {
    trace_recorder                  trace({.threads = 8, .events = 64});
    std::atomic<int>                left{4};
    std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
    std::uint64_t                   twice = 0;
    bool                            in_order = true;
    test::run_threads(5, [&](std::size_t i) {
        if (i < 4) {
            for (std::uint64_t k = 0; k < 5000; ++k) {
                trace_event e = at(0);
                e.value[0] = i;
                e.value[1] = k;
                trace.record(e);
            }
            left.fetch_sub(1);
            return;
        }
        for (bool last = false;; last = left.load() == 0) {
            std::uint64_t before[4] = {};
            for (auto const& x : trace.take().entries) {
                twice += seen.emplace(x.event.value[0], x.event.value[1]).second ? 0 : 1;
                in_order = in_order && x.event.value[1] >= before[x.event.value[0]];
                before[x.event.value[0]] = x.event.value[1];
            }
            if (last) break;
        }
    });
    CHECK(twice == 0);
    CHECK(in_order);
    CHECK(seen.size() + trace.dropped() == 20'000);
    CHECK(seen.size() >= 4 * 64);
}
