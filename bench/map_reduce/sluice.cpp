// SPDX-License-Identifier: BSL-1.0
// With a combiner: words are counted within a chunk of sixteen lines first.
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/map_reduce.hpp>

#include "workload.hpp"

#include <span>
#include <utility>

namespace {
struct subject {
    explicit subject(unsigned workers) : pool(workers) {}
    std::vector<std::pair<std::string_view, std::uint64_t>> count(bench::map_reduce::lines const& text) {
        using word = std::string_view;
        auto const map = [](std::string const& line, auto const& emit) {
            bench::map_reduce::for_each_word(line, [&](word w) { emit(w, 1); });
        };
        auto const combine = [](std::uint64_t& sum, std::uint64_t n) { sum += n; };
        auto const reduce = [](word, std::span<std::uint64_t> all) {
            std::uint64_t sum = 0;
            for (auto const n : all) sum += n;
            return sum;
        };
        return sluice::map_reduce<word, std::uint64_t>(pool, text, map, combine, reduce, sluice::xxh3(), {.chunk = 16}).pairs;
    }
    sluice::thread_pool pool;
};
}  // namespace

void bench::register_all() { map_reduce::register_subject<subject>("sluice"); }
