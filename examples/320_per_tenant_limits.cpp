// SPDX-License-Identifier: BSL-1.0
// 320 — per-tenant limits: tenant, group and the whole service decide together, in memory that strangers cannot grow.
// Build:  c++ -std=c++20 -Iinclude examples/320_per_tenant_limits.cpp
#include <sluice/flow/all_of.hpp>
#include <sluice/flow/gcra.hpp>
#include <sluice/flow/keyed.hpp>
#include <sluice/flow/sliding_window_log.hpp>
#include <cstdio>
#include <string>

using clock_type = sluice::manual_clock;
using namespace std::chrono_literals;

int main() {
    clock_type clock;
    sluice::keyed<std::string, sluice::gcra<clock_type>> tenants(
        {.capacity = 1000, .full = sluice::when_full::share_overflow}, {.rate = sluice::per_second(2), .burst = 3}, clock);
    sluice::keyed<std::string, sluice::gcra<clock_type>> groups({.capacity = 100},
                                                                {.rate = sluice::per_second(4), .burst = 4}, clock);
    sluice::sliding_window_log service({.limit = 6, .window = 1s}, clock);  // the contract with the database

    auto const ask = [&](char const* tenant, char const* group) {
        static char const* const names[] = {"tenant", "group", "service"};
        auto tenant_limit = tenants.at(tenant);
        auto group_limit = groups.at(group);
        auto const a = sluice::all_of(tenant_limit, group_limit, service).answer();
        if (a.admitted())
            std::printf("%-6s 200, %d more\n", tenant, static_cast<int>(a.result.remaining));
        else
            std::printf("%-6s 429, %s limit, retry after %d ms\n", tenant, names[a.part],
                        static_cast<int>(a.result.retry_after / 1ms));
    };
    for (int i = 0; i < 4; ++i) ask("ann", "gold");
    for (int i = 0; i < 2; ++i) ask("bob", "gold");
    for (int i = 0; i < 3; ++i) ask("eve", "iron");
    clock.advance(1s);
    ask("eve", "iron");

    // A flood of invented names does not grow the table; those without a place of their own share one limit.
    int served = 0;
    for (int i = 0; i < 100'000; ++i) served += tenants.try_acquire("bot" + std::to_string(i)).admitted() ? 1 : 0;
    std::printf("flood: %d of 100000 served, %d tenants known, ann %s\n", served, static_cast<int>(tenants.size_approx()),
                tenants.try_acquire("ann").admitted() ? "still served" : "denied");
    clock.advance(10s);
    std::printf("after a sweep: %d\n", static_cast<int>((tenants.sweep(), tenants.size_approx())));
}
// Expected output:
//   ann    200, 2 more
//   ann    200, 1 more
//   ann    200, 0 more
//   ann    429, tenant limit, retry after 500 ms
//   bob    200, 0 more
//   bob    429, group limit, retry after 250 ms
//   eve    200, 1 more
//   eve    200, 0 more
//   eve    429, service limit, retry after 1000 ms
//   eve    200, 2 more
//   flood: 1001 of 100000 served, 1000 tenants known, ann still served
//   after a sweep: 0
