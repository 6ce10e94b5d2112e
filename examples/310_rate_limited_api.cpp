// SPDX-License-Identifier: BSL-1.0
// 310 — an API that answers 429 with retry-after: three requests at once, then two per second.
// Build:  c++ -std=c++20 -Iinclude examples/310_rate_limited_api.cpp
#include <sluice/flow/gcra.hpp>
#include <cstdio>

using namespace std::chrono_literals;

static long long ms(sluice::duration d) {
    return static_cast<long long>(std::chrono::ceil<std::chrono::milliseconds>(d).count());
}

// A handler would write these numbers into the headers of its response.
static void handle(char const* what, sluice::gcra_answer const& a) {
    if (a.admitted())
        std::printf("%-12s 200  limit %llu  remaining %llu  reset %lld ms\n", what, static_cast<unsigned long long>(a.limit),
                    static_cast<unsigned long long>(a.result.remaining), ms(a.reset_after));
    else if (a.result.kind == sluice::verdict_kind::wait)
        std::printf("%-12s 429  retry-after %lld ms\n", what, ms(a.result.retry_after));
    else
        std::printf("%-12s 413  more than the limit of %llu\n", what, static_cast<unsigned long long>(a.limit));
}

int main() {
    sluice::manual_clock clock;  // in production: steady_clock, the default
    sluice::gcra         limit({.emission_interval = 500ms, .burst_tolerance = 1s}, clock);

    for (int i = 1; i <= 4; ++i) handle("GET /item", limit.answer());
    handle("POST /batch", limit.answer(5));  // costs as much as five

    clock.advance(499ms);
    handle("too early", limit.answer());
    clock.advance(1ms);
    handle("on time", limit.answer());

    // A patient client reserves its turn instead of asking again and again.
    auto turn = limit.reserve(2);
    std::printf("reserved     in %lld ms\n", ms(turn.wait(clock.now())));
    turn.cancel();  // and changes its mind: nothing is lost
    handle("after that", limit.answer());

    clock.advance(1h);
    handle("much later", limit.answer());
}
// Expected output:
//   GET /item    200  limit 3  remaining 2  reset 500 ms
//   GET /item    200  limit 3  remaining 1  reset 1000 ms
//   GET /item    200  limit 3  remaining 0  reset 1500 ms
//   GET /item    429  retry-after 500 ms
//   POST /batch  413  more than the limit of 3
//   too early    429  retry-after 1 ms
//   on time      200  limit 3  remaining 0  reset 1500 ms
//   reserved     in 1000 ms
//   after that   429  retry-after 500 ms
//   much later   200  limit 3  remaining 2  reset 500 ms
