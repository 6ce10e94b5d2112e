// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// Look-ups in a ring that somebody may replace at any time: what the way to the present one costs each reader, alone and with
/// a second thread. A subject is made from a ring and gives each thread a session with locate(hashed_key). `bare` has no way: the
/// ring itself.

#include <support/bench.hpp>
#include <support/threads.hpp>

#include <sluice/routing/ring_hash.hpp>

#include "workload.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace bench::placement {

using ring = sluice::ring_hash<>;

template <class Subject>
void register_readers(std::string const& subject) {
    for (unsigned const readers : {1u, 2u})
        add("placement/read/" + subject + "/readers:" + std::to_string(readers), [=](benchmark::State& state) {
            ring first;
            first.add(names_of(1000));
            std::size_t const count = sized<std::size_t>(1u << 17, 1u << 20);
            std::uint64_t     expected = 0;
            for (std::size_t i = 0; i < count; ++i) expected += *first.locate(sluice::hashed_key(keys()[i]));
            auto const                 s = std::make_unique<Subject>(std::move(first));
            std::atomic<std::uint64_t> sum{0};
            double                     total = 0, iterations = 0;
            for (auto _ : state) {
                sum.store(0);
                double const elapsed = together(readers, [&](unsigned) {
                    auto              session = s->session();
                    auto const* const k = keys().data();
                    std::uint64_t     mine = 0;
                    for (std::size_t i = 0; i < count; ++i) mine += session.locate(k[i]);
                    sum.fetch_add(mine);
                });
                state.SetIterationTime(elapsed);
                total += elapsed;
                iterations += 1;
                if (sum.load() != expected * readers) return state.SkipWithError("a key went astray");
            }
            state.counters["ns_per_lookup"] = total / (iterations * static_cast<double>(count)) * 1e9;
        });
}

}  // namespace bench::placement
