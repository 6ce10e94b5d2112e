// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The strand family: one outside thread posts small tasks, each of them to a key; those of one key must run one after the other
/// and in the order of post, two workers.
///
///   uniform   a million keys, each as likely
///   zipf      a million keys, the k-th in proportion to 1/k
///   hot       one key
///
/// The timed part goes from the first post until all have run. Each task looks whether it is its key's next.

#include <support/bench.hpp>
#include <support/measure_tasks.hpp>
#include <support/tally.hpp>
#include <support/zipf.hpp>

#include <sluice/core/mix64.hpp>
#include <sluice/core/random.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace bench::strand {

inline constexpr unsigned workers = 2;

struct operation {
    std::uint64_t key;
    std::uint32_t cell, ordinal;  ///< the key's number; which one of that key's
};

/// The cells are plain numbers: two tasks of a key at once, or in the wrong order, are found out.
struct ledger {
    ledger(std::string const& kind, std::size_t n) : cells(kind == "hot" ? 1 : 1'000'000) {
        sluice::xoshiro256ss       random(1);
        zipf const                 often(kind == "zipf" ? cells.size() : 1);
        std::vector<std::uint32_t> so_far(cells.size());
        for (std::size_t i = 0; i < n; ++i) {
            auto const c = kind == "zipf" ? often(random) : static_cast<std::size_t>(sluice::uniform_below(random, cells.size()));
            operations.push_back({sluice::mix64(c), static_cast<std::uint32_t>(c), so_far[c]++});
        }
    }
    void ran(operation const& o) noexcept {
        if (cells[o.cell]++ != o.ordinal) wrong.store(true, std::memory_order_relaxed);
        tally::add(1);
    }

    std::vector<operation>     operations;
    std::vector<std::uint32_t> cells;
    std::atomic<bool>          wrong{false};
};

/// Subject(workers); post(key, f).
template <class Subject>
void register_subject(std::string const& name, std::initializer_list<char const*> kinds = {"uniform", "zipf", "hot"}) {
    for (std::string const kind : kinds)
        add("strand/" + kind + "/" + name, [kind](benchmark::State& state) {
            std::size_t const n = kind == "hot" ? sized<std::size_t>(50'000, 200'000) : sized<std::size_t>(200'000, 1'000'000);
            ledger            l(kind, n);
            Subject           subject(workers);
            measure_tasks(
                state, n,
                [&] {
                    for (auto const& o : l.operations) subject.post(o.key, [&l, &o] { l.ran(o); });
                },
                [&](std::uint64_t) {
                    std::fill(l.cells.begin(), l.cells.end(), 0u);
                    return !l.wrong.load();
                });
        });
}

}  // namespace bench::strand
