// SPDX-License-Identifier: BSL-1.0
// Every interleaving of permits that end at once: a sample that finds the lock taken waits in a place, a drop in a sum.
#include <sluice/flow/concurrency_limiter.hpp>

#include "support/interleave_main.hpp"

#include <array>
#include <cstdint>

namespace {

using test::sim::require;
using sluice::duration;
using sluice::permit;
using sluice::time_point;

/// Counts what it is told; with Epochs, what it is told ends an epoch.
template <bool Epochs>
struct counter {
    static constexpr bool per_sample = true;
    std::uint64_t samples = 0, drops = 0, time = 0;

    double update(sluice::window_summary const& s) noexcept {
        samples += s.samples;
        drops += s.drops;
        time += static_cast<std::uint64_t>(s.rtt_mean.count());
        return limit();
    }
    double        limit() const noexcept { return 8; }
    std::uint64_t epoch() const noexcept { return Epochs ? samples : 0; }
};

template <int Threads, int Permits, bool Epochs = false>
struct client {
    static constexpr int threads = Threads;
    sluice::concurrency_limiter<counter<Epochs>, sluice::manual_clock, test::sim::atomic, test::sim::parker> limiter;
    std::array<permit, Permits> held;

    client() {
        for (auto& p : held) p = limiter.try_acquire(time_point(duration(0)));
    }
    /// Each latency is a digit of its own.
    void succeed(int i) {
        std::int64_t took = 1;
        for (int k = 0; k < i; ++k) took *= 10;
        held[static_cast<std::size_t>(i)].success(time_point(duration(took)));
    }
    void drop(int i) { held[static_cast<std::size_t>(i)].drop(time_point(duration(5))); }

    /// What still waits is told with the next end, all of it, each once.
    void check(std::uint64_t samples, std::uint64_t time, std::uint64_t drops) {
        require(limiter.inflight() == 0, "every place is free");
        auto p = limiter.try_acquire(time_point(duration(0)));
        p.success(time_point(duration(1'000'000)));
        auto const told = limiter.algorithm();
        require(limiter.missed() == 0, "there were places");
        require(told.drops == drops, "every drop counts, once");
        require(told.samples == samples + 1, "every sample counts, once");
        require(told.time == time + 1'000'000, "and says what it said");
    }
};

struct two_samples : client<2, 2> {
    void thread(int i) { succeed(i); }
    void finish() { check(2, 11, 0); }
};
struct sample_and_drop : client<2, 2> {
    void thread(int i) { i == 0 ? succeed(0) : drop(1); }
    void finish() { check(1, 1, 1); }
};
struct two_and_two : client<2, 4> {
    void thread(int i) {
        succeed(2 * i);
        succeed(2 * i + 1);
    }
    void finish() { check(4, 1111, 0); }
};
struct three_samples : client<3, 3> {
    void thread(int i) { succeed(i); }
    void finish() { check(3, 111, 0); }
};
struct two_drops : client<3, 3> {
    void thread(int i) { i == 0 ? succeed(0) : drop(i); }
    void finish() { check(1, 1, 2); }
};
/// Both began in the first epoch, which the first to be told ends.
struct old_epoch : client<2, 2, true> {
    void thread(int i) { succeed(i); }
    void finish() {
        auto p = limiter.try_acquire(time_point(duration(0)));
        p.success(time_point(duration(100)));
        auto const told = limiter.algorithm();
        require(told.samples == 2, "one of the first epoch, one of the second");
        require(told.time == 101 || told.time == 110, "and not the other");
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("concurrency_limiter", {"flow/concurrency_limiter.hpp"})
        .add<two_samples>("success | success", {.weak_only = true, .stale = 1, .preemptions = 2})
        .add<sample_and_drop>("success | drop", {.weak_only = true, .stale = 1, .preemptions = 2})
        .add<old_epoch>("success | success, another epoch", {.weak_only = true, .stale = 1, .preemptions = 2})
        .add<two_and_two>("success success | success success", {.weak_only = true, .stale = 1, .preemptions = 3})
        .add<three_samples>("success | success | success", {.weak_only = true, .stale = 0, .preemptions = 2})
        .add<two_drops>("success | drop | drop", {.weak_only = true, .stale = 0, .preemptions = 2})
        .run(argc, argv);
}
