// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The balancer family: what one choice costs among 10, 100 or 1000 nodes, alone and with a second thread at the same object.
/// Nanoseconds are per choice and thread.
///
/// A subject is made from the fleet and gives each thread a session; session.choose(i) makes the i-th choice of its thread.
/// What it does besides (a request in flight begun and ended, where the load is that) is in the time, and so is the tally.
/// After each iteration the tally must be what the subject promises: even or by weight, to within chance.

#include <sluice/core/clock.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/peak_ewma.hpp>

#include <support/bench.hpp>
#include <support/threads.hpp>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace bench::balancer {

/// A line of its own, as a server would do it: every thread counts its requests there.
struct alignas(128) node {
    std::atomic<std::uint32_t> under_way{0};
    std::uint32_t              weight = 1;
    sluice::peak_ewma<>        latency{sluice::time_point{}};
    [[nodiscard]] std::uint32_t in_flight() const noexcept { return under_way.load(std::memory_order_relaxed); }
};

enum class promise { even, by_weight };

class fleet {
public:
    fleet(std::size_t n, promise p) : nodes_(std::make_unique<node[]>(n)), list_(nodes_.get(), n) {
        for (std::size_t i = 0; i < n; ++i) list_[i].weight = p == promise::by_weight ? static_cast<std::uint32_t>(1 + i % 4) : 1u;
    }
    [[nodiscard]] std::span<node> list() const noexcept { return list_; }

private:
    std::unique_ptr<node[]> nodes_;
    std::span<node>         list_;
};

/// Each node's count is its share, to within six standard deviations of a draw and `slack`. Not so where two threads choose by
/// requests in flight: one that the system stops in the middle of a request keeps the other from that node for as long. Then
/// only the sum counts.
[[nodiscard]] inline bool fair(std::span<node const> nodes, std::vector<std::uint64_t> const& tally, std::uint64_t calls,
                               bool only_sum) {
    double total = 0;
    for (auto const& n : nodes) total += n.weight;
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        double const share = nodes[i].weight / total, due = share * static_cast<double>(calls);
        double const slack = 4;
        if (!only_sum && std::abs(static_cast<double>(tally[i]) - due) > 6 * std::sqrt(due * (1 - share)) + slack) return false;
        sum += tally[i];
    }
    return sum == calls;
}

constexpr sluice::time_point now{};

/// Subject(list). It says what it promises: static constexpr promise promised.
template <class Subject>
void register_choose(std::string const& name, bool shared) {
    for (std::size_t const n : {std::size_t{10}, std::size_t{100}, std::size_t{1000}})
        for (unsigned const threads : {1u, 2u}) {
            if (threads > 1 && !shared) continue;
            add("balancer/choose/" + name + "/nodes:" + std::to_string(n) + "/threads:" + std::to_string(threads),
                [=](benchmark::State& state) {
                    std::uint64_t const calls = sized<std::uint64_t>(50'000, 1'000'000);
                    fleet               f(n, Subject::promised);
                    Subject             subject(f.list());
                    double              total = 0, iterations = 0;
                    for (auto _ : state) {
                        std::vector<std::vector<std::uint64_t>> tallies(threads, std::vector<std::uint64_t>(n + 16));
                        std::atomic<bool>                       none{false};
                        double const elapsed = together(threads, [&](unsigned thread) {
                            auto  session = subject.session(thread + 1);
                            auto& tally = tallies[thread];
                            for (std::uint64_t i = 0; i < calls; ++i) {
                                auto const c = session.choose();
                                if (!c) return none.store(true);
                                ++tally[*c];
                            }
                        });
                        state.SetIterationTime(elapsed);
                        total += elapsed;
                        iterations += 1;
                        for (unsigned t = 1; t < threads; ++t)
                            for (std::size_t i = 0; i < n; ++i) tallies[0][i] += tallies[t][i];
                        bool const in_flight = threads > 1 && requires { requires Subject::counts_in_flight; };
                        if (none.load() || !fair(f.list(), tallies[0], calls * threads, in_flight)) {
                            state.SkipWithError("no node, or not the shares it promises");
                            return;
                        }
                    }
                    state.counters["ns_per_call"] = total / (iterations * static_cast<double>(calls)) * 1e9;
                    state.SetItemsProcessed(static_cast<std::int64_t>(iterations * static_cast<double>(calls * threads)));
                });
        }
}

/// A balancer of ours: made(list) gives it. With Counting, each choice is a request that begins and ends.
template <class Balancer, promise Promised, bool Counting = false>
class subject_of {
public:
    static constexpr promise promised = Promised;
    static constexpr bool    counts_in_flight = Counting;

    explicit subject_of(std::span<node> list) : list_(list), balancer_(make(list)) {}

    struct session_type {
        subject_of*          subject;
        sluice::xoshiro256ss rng;
        std::optional<sluice::node_index> choose() {
            auto const c = subject->balancer_.choose(subject->list_, now, rng);
            if constexpr (Counting)
                if (c) {
                    auto& under_way = subject->list_[*c].under_way;
                    under_way.fetch_add(1, std::memory_order_relaxed);
                    under_way.fetch_sub(1, std::memory_order_relaxed);
                }
            return c;
        }
    };
    session_type session(std::uint64_t seed) { return {this, sluice::xoshiro256ss(seed)}; }

private:
    static Balancer make(std::span<node> list) {
        if constexpr (std::is_constructible_v<Balancer, std::span<node> const&>) return Balancer(list);
        else return Balancer();
    }

    std::span<node> list_;
    Balancer        balancer_;
};

}  // namespace bench::balancer
