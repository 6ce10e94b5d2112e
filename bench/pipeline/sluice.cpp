// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_pipeline.hpp>

#include "workload.hpp"

#include <optional>

namespace {
struct subject {
    explicit subject(unsigned workers) : pool(workers) {}
    template <class F>
    void run(std::uint64_t n, std::uint64_t steps, F f) {
        using enum sluice::stage_mode;
        std::uint64_t next = 0;
        sluice::parallel_pipeline(
            pool, {.tokens = bench::pipeline::tokens}, [&] { return next < n ? std::optional(next++) : std::nullopt; },
            sluice::pipeline_stage{parallel, [steps](std::uint64_t x) { return bench::pipeline::work(x, steps); }},
            sluice::pipeline_stage{serial_in_order, f});
    }
    sluice::thread_pool pool;
};
}  // namespace

void bench::register_all() { pipeline::register_subject<subject>("sluice"); }
