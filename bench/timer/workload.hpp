// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The timer family, one thread: a million timers that are pending at once, the same random deadlines for all.
///
///   insert   all of them
///   cancel   all of them, in a random order, until none is left
///   expire   all of them are due: their callables run, in the order of the deadlines

#include <support/bench.hpp>

#include <sluice/core/random.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bench::timer {

/// Deadlines, an order to cancel in, and what the callables have seen.
struct ledger {
    explicit ledger(std::size_t n) : after(n), order(n) {
        sluice::xoshiro256ss random(1);
        for (auto& d : after) d = std::chrono::nanoseconds(sluice::uniform_below(random, 3'600'000'000'000u));
        for (std::size_t i = 0; i < n; ++i) {
            order[i] = i;
            std::swap(order[i], order[static_cast<std::size_t>(sluice::uniform_below(random, i + 1))]);
        }
    }
    void ran(std::size_t i) noexcept {
        ++runs;
        sum += i;
        in_order = in_order && after[i] >= last;
        last = after[i];
    }
    [[nodiscard]] bool all_ran() const noexcept {
        std::uint64_t const n = after.size();
        return runs == n && sum == n * (n - 1) / 2 && in_order;
    }

    std::vector<std::chrono::nanoseconds> after;
    std::vector<std::size_t>              order;
    std::uint64_t                         runs = 0, sum = 0;
    std::chrono::nanoseconds              last{0};
    bool                                  in_order = true;
};

/// Subject(ledger&); insert(i, deadline) makes timer i, whose callable calls ran(i); cancel(i); settle() ends what cancel began;
/// expire() runs what is due; pending().
template <class Subject>
void register_subject(std::string const& name) {
    std::size_t const n = sized<std::size_t>(100'000, 1'000'000);
    auto const run = [n](benchmark::State& state, char const* operation) {
        std::string const what = operation;
        ledger const      given(n);
        double            total = 0;
        std::uint64_t     iterations = 0;
        for (auto _ : state) {
            ledger l = given;
            auto   subject = std::make_unique<Subject>(l);
            // What is due has been due for an hour at least, the rest is due in an hour at the earliest.
            auto const base = clock::now() + (what == "expire" ? -std::chrono::hours(2) : std::chrono::hours(1));
            auto const insert = [&] {
                for (std::size_t i = 0; i < n; ++i) subject->insert(i, base + l.after[i]);
            };
            auto start = clock::now();
            insert();
            bool right = subject->pending() == n;
            if (what != "insert") {
                start = clock::now();
                if (what == "cancel") {
                    for (std::size_t const i : l.order) subject->cancel(i);
                    subject->settle();
                } else {
                    subject->expire();
                }
                right = right && subject->pending() == 0 && (what == "cancel" ? l.runs == 0 : l.all_ran());
            }
            double const elapsed = seconds_since(start);
            state.SetIterationTime(elapsed);
            total += elapsed;
            ++iterations;
            subject.reset();
            if (!right) return state.SkipWithError("wrong answer");
        }
        state.counters["ns_per_item"] = total / static_cast<double>(iterations) / static_cast<double>(n) * 1e9;
    };
    for (char const* const operation : {"insert", "cancel", "expire"})
        add("timer/" + std::string(operation) + "/" + name + "/pending:" + std::to_string(n),
            [run, operation](benchmark::State& state) { run(state, operation); });
}

}  // namespace bench::timer
