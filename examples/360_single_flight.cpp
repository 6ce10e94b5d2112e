// SPDX-License-Identifier: BSL-1.0
// 360 — single flight: a cache entry has expired and 100 requests come at once; one of them renders the page for all.
// Build:  c++ -std=c++20 -Iinclude examples/360_single_flight.cpp -pthread
#include <sluice/flow/single_flight.hpp>
#include <cstdio>
#include <string>
#include <vector>

int main() {
    using flights = sluice::single_flight<std::string, std::string>;
    flights pages;
    int     renders = 0;

    // An event loop does not block: it joins, and does the work only if it is the one who should.
    std::vector<flights::ticket> requests;
    for (int i = 0; i < 100; ++i) requests.push_back(pages.join("/front"));

    for (auto& r : requests)
        if (r.leads()) r.complete("page " + std::to_string(++renders));
    int same = 0;
    for (auto& r : requests)
        if (r.poll() == sluice::once_status::done && r.value() == "page 1") ++same;
    std::printf("100 requests, %d rendered, %d got the same page\n", renders, same);

    // The one who should hangs up. The next in line takes over; nobody fails because of it.
    auto first = pages.join("/news"), second = pages.join("/news"), third = pages.join("/news");
    first.abandon();
    std::printf("after a hang-up the second %s\n", second.poll() == sluice::once_status::first ? "leads" : "waits");
    second.complete("news");
    third.poll();
    std::printf("and the third gets \"%s\"\n", third.value().c_str());

    // Threads may block. Whoever comes after the end begins anew; a failure is shared with those who waited, and not kept.
    try {
        static_cast<void>(pages.run("/front", []() -> std::string { throw 503; }));
    } catch (int code) {
        std::printf("failed with %d\n", code);
    }
    auto const page = pages.run("/front", [&] { return "page " + std::to_string(++renders); });
    std::printf("then %s\n", page->c_str());
}
// Expected output:
//   100 requests, 1 rendered, 100 got the same page
//   after a hang-up the second leads
//   and the third gets "news"
//   failed with 503
//   then page 2
