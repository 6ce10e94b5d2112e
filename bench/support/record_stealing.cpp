// SPDX-License-Identifier: BSL-1.0
// Records a real run of work stealing for the report: who pushed each task, who ran it and when.
//
//   sluice_record_stealing FILE
//
// One task that stands for 32 is posted to a pool of four. A task that stands for several posts half of them from its worker,
// until it stands for one; then it computes for a fifth of a millisecond. Every task writes a place of its own.
#include <sluice/executor/thread_pool.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <future>

namespace {

constexpr int leaves = 32;
constexpr std::size_t workers = 4;
using clock_type = std::chrono::steady_clock;

struct record {
    long pushed_by = -1;
    double pushed_at = 0, began_at = 0, ended_at = 0;  ///< µs since the begin
    std::size_t run_by = 0;
};

struct recorder {
    clock_type::time_point start = clock_type::now();
    std::array<record, leaves> tasks{};
    std::atomic<int> next{1}, left{leaves};
    std::promise<void> done{};
    sluice::thread_pool pool{workers};  ///< last: its workers have left before anything else goes

    [[nodiscard]] double now() const { return std::chrono::duration<double, std::micro>(clock_type::now() - start).count(); }

    void run(int id, int n) {
        record& mine = tasks[static_cast<std::size_t>(id)];
        mine.run_by = pool.this_worker_index();
        mine.began_at = now();
        while (n > 1) {
            int const half = n / 2, child = next.fetch_add(1, std::memory_order_relaxed);  // (stat) a number of its own
            record& its = tasks[static_cast<std::size_t>(child)];
            its.pushed_by = static_cast<long>(mine.run_by);
            its.pushed_at = now();
            pool.post([this, child, half] { run(child, half); });
            n -= half;
        }
        for (double const until = now() + 200; now() < until;) {}
        mine.ended_at = now();
        if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) done.set_value();  // the last one has seen what all have written
    }
};

}  // namespace

int main(int argc, char** argv) {
    std::FILE* const out = argc == 2 ? std::fopen(argv[1], "w") : nullptr;
    if (out == nullptr) {
        std::fprintf(stderr, argc == 2 ? "record_stealing: cannot write %s\n" : "usage: %s FILE\n", argv[argc == 2 ? 1 : 0]);
        return argc == 2 ? 1 : 2;
    }
    recorder all;
    auto finished = all.done.get_future();
    all.pool.post([&] { all.run(0, leaves); });
    finished.wait();
    std::fprintf(out, "{\"workers\": %zu, \"source\": \"thread_pool of %zu, tasks of 0.2 ms\", \"unit\": \"µs\", \"tasks\": [", workers,
                 workers);
    for (std::size_t i = 0; i < all.tasks.size(); ++i) {
        record const& t = all.tasks[i];
        char by[24] = "null";
        if (t.pushed_by >= 0) std::snprintf(by, sizeof by, "%ld", t.pushed_by);
        std::fprintf(out,
                     "%s\n  {\"id\": %zu, \"pushed_by\": %s, \"pushed_at\": %.3f, \"run_by\": %zu, \"began_at\": %.3f, \"ended_at\": %.3f}",
                     i == 0 ? "" : ",", i, by, t.pushed_at, t.run_by, t.began_at, t.ended_at);
    }
    std::fputs("\n]}\n", out);
    return std::fclose(out) == 0 ? 0 : 1;
}
