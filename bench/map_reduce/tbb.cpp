// SPDX-License-Identifier: BSL-1.0
// oneTBB twice: parallel_reduce, whose parts merge their hash tables, and a table for each thread (combinable), merged in the end.
// The caller is one of the two threads.
#include "workload.hpp"

#include <tbb/blocked_range.h>
#include <tbb/combinable.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_reduce.h>
#include <tbb/version.h>

#include <utility>

namespace {
using bench::map_reduce::counts;
using bench::map_reduce::lines;
using range = tbb::blocked_range<std::size_t>;

void count_some(lines const& text, range const& r, counts& c) {
    for (std::size_t i = r.begin(); i != r.end(); ++i)
        bench::map_reduce::for_each_word(text[i], [&](std::string_view w) { ++c[w]; });
}
void merge(counts& to, counts const& from) {
    for (auto const& [word, n] : from) to[word] += n;
}

struct team {
    explicit team(unsigned workers) : limit(tbb::global_control::max_allowed_parallelism, workers) {}
    tbb::global_control limit;
};
struct by_reduce : team {
    using team::team;
    counts count(lines const& text) {
        struct body {
            lines const& text;
            counts       c;
            explicit body(lines const& t) : text(t) {}
            body(body& other, tbb::split) : text(other.text) {}
            void operator()(range const& r) { count_some(text, r, c); }
            void join(body& other) {
                if (c.size() < other.c.size()) c.swap(other.c);
                merge(c, other.c);
            }
        } all(text);
        tbb::parallel_reduce(range(0, text.size()), all);
        return std::move(all.c);
    }
};
struct by_thread : team {
    using team::team;
    counts count(lines const& text) {
        tbb::combinable<counts> parts;
        tbb::parallel_for(range(0, text.size()), [&](range const& r) { count_some(text, r, parts.local()); });
        counts all;
        parts.combine_each([&](counts& c) {
            if (all.empty()) all.swap(c);
            else merge(all, c);
        });
        return all;
    }
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_tbb", TBB_runtime_version());
    map_reduce::register_subject<by_reduce>("tbb_parallel_reduce");
    map_reduce::register_subject<by_thread>("tbb_combinable");
}
