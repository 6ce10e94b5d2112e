// SPDX-License-Identifier: BSL-1.0
// 350 — a retry storm: a server does 40 calls in 100 ms and gets 25; then 1000 clients lose their connection in one moment.
// Without jitter they come back together, again and again; without a budget the retries are more than the calls.
// Build:  c++ -std=c++20 -Iinclude examples/350_retry_storm.cpp
#include <sluice/flow/backoff_policy.hpp>
#include <sluice/flow/retry.hpp>
#include <sluice/flow/retry_budget.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <queue>
#include <vector>

using namespace std::chrono_literals;

void run(char const* name, sluice::jitter spread, double ratio) {
    using plan = sluice::retry_plan<sluice::exponential_backoff, sluice::retry_budget<>>;
    struct attempt {
        sluice::time_point at;
        std::size_t        call;
        // The earliest on top.
        bool operator<(attempt const& other) const { return at != other.at ? at > other.at : call > other.call; }
    };
    sluice::retry_budget<>       budget({.ratio = ratio, .reserve = std::nullopt, .ttl = 10s});
    sluice::exponential_backoff  backoff({.base = 400ms, .cap = 3200ms, .spread = spread});
    sluice::xoshiro256ss         random(1);
    std::vector<plan>            calls;
    std::priority_queue<attempt> due;
    auto const add = [&](sluice::time_point at) {
        due.push({at, calls.size()});
        calls.emplace_back(sluice::retry_options{.max_attempts = 5}, backoff, budget);
    };
    for (int i = 0; i < 3750; ++i) add(sluice::time_point(i * 4ms));  // the usual calls of 15 s
    for (int i = 0; i < 1000; ++i) add(sluice::time_point(5s));       // and those who fail together

    int        retries = 0, worst = 0, served = 0, busy = 0, retries_now = 0;
    auto       tick = sluice::time_point{};
    while (!due.empty()) {
        auto const [now, which] = due.top();
        due.pop();
        for (; now >= tick + 100ms; tick += 100ms) busy = retries_now = 0;
        auto&      call = calls[which];
        bool const first = call.attempts() == 0;
        if (first) static_cast<void>(call.start(now));
        else ++retries, worst = std::max(worst, ++retries_now);
        bool const good = ++busy <= 40;  // the server does so many, the rest fails
        served += good && which < 3750 ? 1 : 0;
        auto const next = call.next(good ? sluice::attempt_result::success() : sluice::attempt_result::retryable(), now, random);
        if (next.action == sluice::retry_action::attempt) due.push({next.at, which});
    }
    std::printf("%-24s %4d retries, up to %3d in 100 ms; of 3750 usual calls %4d served\n", name, retries, worst, served);
}

int main() {
    run("no budget, no jitter", sluice::jitter::none(), 1000);
    run("no budget, full jitter", sluice::jitter::full(), 1000);
    run("10 % budget, no jitter", sluice::jitter::none(), 0.1);
    run("10 % budget, full jitter", sluice::jitter::full(), 0.1);
}
// Expected output:
//   no budget, no jitter     3851 retries, up to 985 in 100 ms; of 3750 usual calls 3722 served
//   no budget, full jitter   4300 retries, up to 349 in 100 ms; of 3750 usual calls 3717 served
//   10 % budget, no jitter    237 retries, up to 227 in 100 ms; of 3750 usual calls 3704 served
//   10 % budget, full jitter  235 retries, up to  65 in 100 ms; of 3750 usual calls 3693 served
