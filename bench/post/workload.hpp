// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The post family: detached tasks that only add to their thread's counter, from outside the pool, two workers.
///
///   single   one outside thread, or four at once, post one task at a time: nanoseconds per task until all have run
///   bulk     one call that makes n tasks
///
/// The same counter and the same way of waiting for it serve every subject.

#include <support/bench.hpp>
#include <support/measure_tasks.hpp>
#include <support/tally.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace bench::post {

inline constexpr unsigned workers = 2;

/// Started once, outside the timed part; each go() makes all of them run `f(thread)` at the same time.
class submitters {
public:
    template <class F>
    submitters(unsigned n, F f) {
        for (unsigned i = 0; i < n; ++i)
            threads_.emplace_back([this, i, f] {
                for (std::uint64_t seen = 0;;) {
                    round_.wait(seen);
                    seen = round_.load();
                    if (seen == stop) return;
                    f(i);
                }
            });
    }
    submitters(submitters const&)            = delete;
    submitters& operator=(submitters const&) = delete;
    ~submitters() {
        round_ = stop;
        round_.notify_all();
        for (auto& t : threads_) t.join();
    }
    void go() {
        ++round_;
        round_.notify_all();
    }

private:
    static constexpr std::uint64_t stop = ~std::uint64_t{0};
    std::atomic<std::uint64_t>     round_{0};
    std::vector<std::thread>       threads_;
};

/// Pool(workers), post(f).
template <class Pool>
void single(benchmark::State& state, unsigned outside) {
    std::uint64_t const n = sized<std::uint64_t>(100'000, 400'000) / outside * outside;
    Pool                pool(workers);
    auto const post_some = [&pool, each = n / outside](unsigned) {
        for (std::uint64_t i = 0; i < each; ++i) pool.post([] { tally::add(1); });
    };
    auto const before = tally::now();
    post_some(0);  // warm-up
    (void)tally::await(before, n / outside);
    submitters others(outside > 1 ? outside : 0, post_some);
    measure_tasks(
        state, n,
        [&] {
            if (outside > 1) others.go();
            else post_some(0);
        },
        [n](std::uint64_t sum) { return sum == n; });
}

/// Bulk(workers), bulk(n, f): calls f(0) … f(n-1), may return before they have run.
template <class Bulk>
void bulk(benchmark::State& state) {
    std::uint64_t const n = sized<std::uint64_t>(500'000, 1'000'000);
    Bulk                pool(workers);
    auto const          task   = [](std::uint64_t i) { tally::add(i); };
    auto const          before = tally::now();
    pool.bulk(n, task);
    (void)tally::await(before, n);
    measure_tasks(state, n, [&] { pool.bulk(n, task); }, [n](std::uint64_t sum) { return sum == n * (n - 1) / 2; });
}

template <class Pool>
void register_single(std::string const& subject) {
    for (unsigned const outside : {1u, 4u})
        add("post/single/" + subject + "/outside:" + std::to_string(outside),
            [outside](benchmark::State& state) { single<Pool>(state, outside); });
}

template <class Bulk>
void register_bulk(std::string const& subject) {
    add("post/bulk/" + subject + "/outside:1", bulk<Bulk>);
}

}  // namespace bench::post
