// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The flow family: what one question to a limiter costs the one who asks, alone and with a second thread at the same
/// object. Nanoseconds are per call and thread: a subject that scales has the same figure with two threads as with one.
///
/// A subject is made from a rate and a burst and gives each thread a session. A session has acquire(now), with a time
/// that is handed in (nanoseconds), or acquire(), which asks the subject's own clock; both say whether it was admitted.
/// Every benchmark knows how many must be.

#include <support/bench.hpp>
#include <support/threads.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace bench::flow {

/// What has been asked so far: `rate` and `burst` of the limiter under test.
struct setting {
    std::uint64_t events;      ///< so many …
    std::int64_t  nanoseconds; ///< … in so many
    std::uint64_t burst;
};

/// Admits everything that a benchmark asks for: a million a second, and a burst that is never used up.
constexpr setting generous{1'000'000, 1'000'000'000, std::uint64_t{1} << 31};
/// One an hour, and that one is taken before the clock starts.
constexpr setting shut{1, 3'600'000'000'000, 1};

/// `calls` by each thread; ask(session, i) says whether the i-th was admitted; `admitted` of all must have been.
template <class Subject, class Ask>
void run(benchmark::State& state, Subject& subject, unsigned threads, std::uint64_t calls, std::uint64_t admitted, Ask ask) {
    std::atomic<std::uint64_t> yes{0};
    double                     total = 0, iterations = 0;
    for (auto _ : state) {
        yes.store(0);
        double const elapsed = together(threads, [&](unsigned thread) {
            auto          session = subject.session();
            std::uint64_t mine    = 0;
            for (std::uint64_t i = 0; i < calls; ++i) mine += ask(session, i, thread) ? 1 : 0;
            yes.fetch_add(mine);
        });
        state.SetIterationTime(elapsed);
        total += elapsed;
        iterations += 1;
        if (yes.load() != admitted) {
            state.SkipWithError("admitted what it must not, or refused what it had");
            return;
        }
    }
    state.counters["ns_per_call"] = total / (iterations * static_cast<double>(calls)) * 1e9;
    state.SetItemsProcessed(static_cast<std::int64_t>(iterations * static_cast<double>(calls * threads)));
}

constexpr std::int64_t origin = 1'000'000'000;

template <class Subject>
void register_acquire(std::string const& subject) {
    for (unsigned const threads : {1u, 2u}) {
        std::string const argument = "/threads:" + std::to_string(threads);
        add("flow/acquire/" + subject + "/time:injected" + argument, [=](benchmark::State& state) {
            std::uint64_t const calls = sized<std::uint64_t>(300'000, 2'000'000);
            auto                s     = std::make_unique<Subject>(generous);
            std::int64_t        begin = origin;
            run(state, *s, threads, calls, calls * threads, [&](auto& session, std::uint64_t i, unsigned) {
                return session.acquire(begin + static_cast<std::int64_t>(i));
            });
        });
        if constexpr (requires(Subject& s) { s.session().acquire(); })
            add("flow/acquire/" + subject + "/time:clock" + argument, [=](benchmark::State& state) {
                std::uint64_t const calls = sized<std::uint64_t>(300'000, 2'000'000);
                auto                s     = std::make_unique<Subject>(generous);
                run(state, *s, threads, calls, calls * threads,
                    [](auto& session, std::uint64_t, unsigned) { return session.acquire(); });
            });
        add("flow/deny/" + subject + "/time:injected" + argument, [=](benchmark::State& state) {
            std::uint64_t const calls = sized<std::uint64_t>(1'000'000, 10'000'000);
            auto                s     = std::make_unique<Subject>(shut);
            if (!s->session().acquire(origin)) state.SkipWithError("refused the first");
            run(state, *s, threads, calls, 0, [&](auto& session, std::uint64_t i, unsigned) {
                return session.acquire(origin + static_cast<std::int64_t>(i & 1023));
            });
        });
    }
}

[[nodiscard]] inline std::uint64_t nth_key(std::uint64_t n) noexcept { return n * 0x9E37'79B9'7F4A'7C15u; }

/// 10^6 keys that have all been seen, asked for in a random order; a subject is made from a setting and a number of keys,
/// and says how many bytes it holds. Session: acquire(key, now).
template <class Subject>
void register_keyed(std::string const& subject) {
    for (std::uint64_t const keys : {std::uint64_t{1'000}, std::uint64_t{1'000'000}})
        for (unsigned const threads : {1u, 2u})
            add("flow/keyed/" + subject + "/keys:" + std::to_string(keys) + "/threads:" + std::to_string(threads),
                [=](benchmark::State& state) {
                    std::uint64_t const calls = sized<std::uint64_t>(500'000, 2'000'000);
                    // Steady use at half the rate: nothing is evicted, nothing refused.
                    auto s = std::make_unique<Subject>(setting{1'000'000, 1'000'000'000, 1'000'000}, keys);
                    for (std::uint64_t k = 0; k < keys; ++k)
                        if (!s->session().acquire(nth_key(k), origin)) state.SkipWithError("refused the first");
                    std::int64_t  now = origin;
                    struct alignas(128) generator {
                        std::uint64_t state;
                    } generators[2] = {{88172645463325252u}, {1181783497276652981u}};  // a line for each thread
                    run(state, *s, threads, calls, calls * threads,
                        [&](auto& session, std::uint64_t, unsigned thread) {
                            std::uint64_t& r = generators[thread].state;
                            r ^= r << 13, r ^= r >> 7, r ^= r << 17;
                            return session.acquire(nth_key((r >> 32) * keys >> 32), now);
                        });
                    state.counters["bytes_per_key"] = static_cast<double>(s->bytes()) / static_cast<double>(keys);
                });
}

/// A permit taken and given back as a success. Session: acquire(now) and acquire(), which do both.
template <class Subject>
void register_permit(std::string const& subject) {
    for (unsigned const threads : {1u, 2u}) {
        std::string const argument = "/threads:" + std::to_string(threads);
        add("flow/permit/" + subject + "/time:injected" + argument, [=](benchmark::State& state) {
            std::uint64_t const calls = sized<std::uint64_t>(300'000, 2'000'000);
            auto                s     = std::make_unique<Subject>(1000u);
            run(state, *s, threads, calls, calls * threads, [](auto& session, std::uint64_t i, unsigned) {
                return session.acquire(origin + static_cast<std::int64_t>(i) * 100);
            });
        });
        add("flow/permit/" + subject + "/time:clock" + argument, [=](benchmark::State& state) {
            std::uint64_t const calls = sized<std::uint64_t>(300'000, 2'000'000);
            auto                s     = std::make_unique<Subject>(1000u);
            run(state, *s, threads, calls, calls * threads,
                [](auto& session, std::uint64_t, unsigned) { return session.acquire(); });
        });
    }
}

[[nodiscard]] inline std::int64_t steady_now() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(clock::now().time_since_epoch()).count();
}

}  // namespace bench::flow
