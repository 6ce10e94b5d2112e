// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/export_trace.hpp>

#include "support/catch.hpp"
#include "support/json.hpp"

#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using sluice::time_point;
using sluice::trace_event;

TEST_CASE("export_trace: the reader of these tests is strict", "[executor][export_trace][unit]") {
    for (auto const* good : {"1", "-0.5e+3", "[]", "{}", "[1, {\"a\":null}]", "\"\\u00e9\\n\""}) CHECK_NOTHROW(test::parse_json(good));
    for (auto const* bad : {"", "01", "1.", ".5", "[1,]", "{\"a\":1,}", "{a:1}", "NaN", "\"\\x\"", "\"\n\"", "1 2", "[1", "+1",
                            "{\"a\":1,\"a\":2}", "'a'", "-"})
        CHECK_THROWS_AS(test::parse_json(bad), std::runtime_error);
}

TEST_CASE("export_trace: spans, instants, names", "[executor][export_trace][unit]") {
    sluice::trace_log log;
    log.thread_names[3] = "worker 0";
    log.dropped = 5;
    log.entries.push_back({3, {.name = "sort", .category = "ran", .what = trace_event::kind::span, .at = time_point(1'234'567ns),
                               .length = 2'000'001ns, .key = {"id", "waited_ns"}, .value = {7, 30}}});
    log.entries.push_back({4, {.name = "steal", .at = time_point(-1ns), .key = {"", "victim"}, .value = {1, 2}}});
    log.entries.push_back({4, {.name = "", .what = trace_event::kind::span, .at = time_point(0ns), .length = -5ns}});
    auto const all = test::parse_json(to_trace_json(log, {.process_name = "a \"b\"", .process = 9}));
    CHECK(all["otherData"]["dropped_events"].text == "5");
    auto const& e = all["traceEvents"];
    REQUIRE(e.items.size() == 5);
    CHECK(e[0]["ph"].text == "M");
    CHECK(e[0]["name"].text == "process_name");
    CHECK(e[0]["args"]["name"].text == "a \"b\"");
    CHECK(e[1]["name"].text == "thread_name");
    CHECK(e[1]["tid"].text == "3");
    CHECK(e[1]["args"]["name"].text == "worker 0");
    CHECK(e[2]["ph"].text == "X");
    CHECK(e[2]["pid"].text == "9");
    CHECK(e[2]["tid"].text == "3");
    CHECK(e[2]["ts"].text == "1234.567");
    CHECK(e[2]["dur"].text == "2000.001");
    CHECK(e[2]["cat"].text == "ran");
    CHECK(e[2]["args"]["id"].text == "7");
    CHECK(e[2]["args"]["waited_ns"].text == "30");
    CHECK(e[3]["ph"].text == "i");
    CHECK(e[3]["s"].text == "t");
    CHECK(e[3]["ts"].text == "-0.001");
    CHECK_FALSE(e[3].has("dur"));
    CHECK_FALSE(e[3].has("cat"));
    CHECK(e[3]["args"].members.size() == 1);
    CHECK(e[3]["args"]["victim"].text == "2");
    CHECK(e[4]["dur"].text == "0.000");
    CHECK_FALSE(e[4].has("args"));
    CHECK(test::parse_json(sluice::to_trace_json({}))["traceEvents"].items.size() == 1);
}

TEST_CASE("export_trace: every byte in a name is escaped or valid", "[executor][export_trace][unit]") {
    struct row {
        std::string name, expected;
    };
    std::string all_low;
    for (char c = 0; c < 0x20; ++c) all_low += c;
    for (auto const& r : {row{"a\\b\"c/", "a\\b\"c/"}, row{all_low, all_low}, row{"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
                          row{"\xF0\x9F\x98\x80\xE2\x82\xAC", "\xF0\x9F\x98\x80\xE2\x82\xAC"}, row{"x\xC3", "x<65533>"},
                          row{"\xFFz", "<65533>z"}, row{"\xC0\x80", "<65533><65533>"}, row{"\xED\xA0\x80", "<65533><65533><65533>"},
                          row{"\xE0\x80\x80", "<65533><65533><65533>"}, row{"\xF4\x90\x80\x80", "<65533><65533><65533><65533>"},
                          row{"\xE2\x82", "<65533><65533>"}, row{"\x80", "<65533>"}, row{"\x7F", "\x7F"}}) {
        std::string out;
        sluice::detail::append_json_string(out, r.name);
        CHECK(test::parse_json(out).text == r.expected);
    }
}

TEST_CASE("export_trace: numbers are exact", "[executor][export_trace][unit]") {
    auto const fixed = [](std::int64_t n, unsigned digits) {
        std::string out;
        sluice::detail::append_fixed(out, n, digits);
        return out;
    };
    CHECK(fixed(0, 3) == "0.000");
    CHECK(fixed(5, 3) == "0.005");
    CHECK(fixed(-1500, 3) == "-1.500");
    CHECK(fixed(INT64_MIN, 3) == "-9223372036854775.808");
    CHECK(fixed(INT64_MAX, 9) == "9223372036.854775807");
}
