// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The deque family: what one push and one pop cost their owner, and what a thief gets.
///
/// A subject has push(item*), pop() and steal(), the last two nullptr when there was nothing. Items are pointers into
/// one array; every benchmark adds up the items' positions, so that one lost or taken twice is noticed.

#include <support/bench.hpp>
#include <support/threads.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace bench::deque {

struct item {
    std::uint32_t position = 0;
};

inline std::vector<item>& items() {
    static std::vector<item> all = [] {
        std::vector<item> v(1 << 16);
        for (std::size_t i = 0; i < v.size(); ++i) v[i].position = static_cast<std::uint32_t>(i);
        return v;
    }();
    return all;
}

/// The i-th item of a long run; positions repeat.
inline item* nth(std::uint64_t i) noexcept {
    static item* const first = items().data();
    return first + (i & ((1 << 16) - 1));
}

inline std::uint64_t sum_of_positions(std::uint64_t n) noexcept {
    std::uint64_t const size = 1 << 16, rounds = n / size, rest = n % size;
    return rounds * (size * (size - 1) / 2) + (rest == 0 ? 0 : rest * (rest - 1) / 2);
}

inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/// The owner alone: `batch` pushes, then `batch` pops, again and again. Nanoseconds for one push and its pop.
template <class Subject>
void owner_alone(benchmark::State& state, std::uint64_t batch) {
    affinity_guard const guard;
    pin_to(0);
    auto const          deque  = std::make_unique<Subject>();
    std::uint64_t const rounds = sized<std::uint64_t>(100'000, 400'000) / batch;
    std::uint64_t       sum    = 0;
    item* const         first  = nth(0);
    auto* const         subject = deque.get();
    benchmark::DoNotOptimize(subject);
    measure(
        state, "ns_per_item", static_cast<double>(rounds * batch),
        [&] {
            sum = 0;
            for (std::uint64_t r = 0; r < rounds; ++r) {
                for (std::uint64_t i = 0; i < batch; ++i) subject->push(first + i);
                benchmark::ClobberMemory();  // nothing may stay in registers between the two
                for (std::uint64_t i = 0; i < batch; ++i) sum += subject->pop()->position;
                benchmark::ClobberMemory();
            }
        },
        [&] { return sum == rounds * (batch * (batch - 1) / 2); });
}

/// A thief on the other core. Collects until told to stop.
template <class Subject>
class thief {
public:
    explicit thief(Subject& subject) : thread_([this, &subject] { run(subject); }) {
        while (!ready_.load(std::memory_order_acquire)) std::this_thread::yield();
    }
    void stop() {
        stop_.store(true, std::memory_order_release);
        if (thread_.joinable()) thread_.join();
    }
    ~thief() { stop(); }
    thief(thief const&)            = delete;
    thief& operator=(thief const&) = delete;

    [[nodiscard]] std::uint64_t taken() const noexcept { return taken_.load(std::memory_order_acquire); }
    [[nodiscard]] std::uint64_t sum() const noexcept { return sum_; }  // after stop()

private:
    void run(Subject& subject) {
        pin_to(1);
        ready_.store(true, std::memory_order_release);
        std::uint64_t n = 0;
        for (unsigned misses = 0; !stop_.load(std::memory_order_acquire);) {
            if (item* const i = subject.steal()) {
                sum_ += i->position;
                taken_.store(++n, std::memory_order_release);
                misses = 0;
            } else if (++misses > 4) {
                relax();
            }
        }
    }

    alignas(64) std::atomic<bool> ready_{false};
    alignas(64) std::atomic<bool> stop_{false};
    alignas(64) std::atomic<std::uint64_t> taken_{0};
    std::uint64_t sum_ = 0;
    std::thread   thread_;
};

/// The owner pushes, the thief steals everything: nanoseconds per item from the first push to the last theft. An owner
/// that never has two items left to give would wait for ever, so after 50 ms without progress it takes the rest itself.
template <class Subject>
void hand_over(benchmark::State& state) {
    affinity_guard const guard;
    pin_to(0);
    std::uint64_t const n = sized<std::uint64_t>(100'000, 1'000'000);
    std::uint64_t       stolen = 0, offered = 0;
    double              total = 0, iterations = 0;
    for (auto _ : state) {
        auto const      deque = std::make_unique<Subject>();
        thief<Subject>  other(*deque);
        auto const      start = clock::now();
        std::uint64_t   own   = 0, own_sum = 0;
        for (std::uint64_t i = 0; i < n; ++i) deque->push(nth(i));
        std::uint64_t seen = other.taken();
        for (auto since = clock::now(); seen + 1 < n;) {
            relax();
            if (auto const now = other.taken(); now != seen) {
                seen  = now;
                since = clock::now();
            } else if (seconds_since(since) > 0.05) {
                break;
            }
        }
        while (item* const i = deque->pop()) {
            own_sum += i->position;
            ++own;
        }
        while (other.taken() + own < n) relax();
        double const elapsed = seconds_since(start);
        state.SetIterationTime(elapsed);
        total += elapsed;
        iterations += 1;
        other.stop();
        stolen += other.taken();
        offered += n;
        if (own + other.taken() != n || own_sum + other.sum() != sum_of_positions(n)) {
            state.SkipWithError("items lost or taken twice");
            return;
        }
    }
    state.counters["ns_per_item"]  = total / (iterations * static_cast<double>(n)) * 1e9;
    state.counters["share_stolen"] = static_cast<double>(stolen) / static_cast<double>(offered);
    state.SetItemsProcessed(static_cast<std::int64_t>(offered));
}

/// Bursts of 64 that the owner pushes and pops again while a thief takes what it can. Owner's nanoseconds per item, and
/// the share that the thief got: a deque that hides its work is quick here and gives nothing.
template <class Subject>
void contended(benchmark::State& state, std::uint64_t batch) {
    affinity_guard const guard;
    pin_to(0);
    std::uint64_t const bursts = sized<std::uint64_t>(100'000, 1'000'000) / batch;
    std::uint64_t const n      = bursts * batch;
    std::uint64_t       stolen = 0, offered = 0;
    double              total = 0, iterations = 0;
    for (auto _ : state) {
        auto const     deque = std::make_unique<Subject>();
        thief<Subject> other(*deque);
        std::uint64_t  own = 0, own_sum = 0;
        auto const     start = clock::now();
        for (std::uint64_t b = 0; b < bursts; ++b) {
            for (std::uint64_t i = 0; i < batch; ++i) deque->push(nth(b * batch + i));
            while (item* const i = deque->pop()) {
                own_sum += i->position;
                ++own;
            }
        }
        double const elapsed = seconds_since(start);
        state.SetIterationTime(elapsed);
        total += elapsed;
        iterations += 1;
        while (other.taken() + own < n) {  // pop may have said nothing while the thief was at the last item
            if (item* const i = deque->pop()) {
                own_sum += i->position;
                ++own;
            }
        }
        other.stop();
        stolen += other.taken();
        offered += n;
        if (own + other.taken() != n || own_sum + other.sum() != sum_of_positions(n)) {
            state.SkipWithError("items lost or taken twice");
            return;
        }
    }
    state.counters["ns_per_item"]  = total / (iterations * static_cast<double>(n)) * 1e9;
    state.counters["share_stolen"] = static_cast<double>(stolen) / static_cast<double>(offered);
    state.SetItemsProcessed(static_cast<std::int64_t>(offered));
}

template <class Subject>
void register_owner_alone(std::string const& subject) {
    for (std::uint64_t const batch : {1u, 8u, 200u})
        add("deque/push_pop/" + subject + "/batch:" + std::to_string(batch),
            [batch](benchmark::State& state) { owner_alone<Subject>(state, batch); });
}

template <class Subject>
void register_with_thief(std::string const& subject) {
    add("deque/hand_over/" + subject + "/thieves:1", hand_over<Subject>);
    add("deque/contended/" + subject + "/batch:64",
        [](benchmark::State& state) { contended<Subject>(state, 64); });
}

}  // namespace bench::deque
