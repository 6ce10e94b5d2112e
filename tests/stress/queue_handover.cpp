// SPDX-License-Identifier: BSL-1.0
// Queues between many threads: nothing lost, nothing twice, nobody left asleep.
#include <sluice/queue/chase_lev_deque.hpp>
#include <sluice/queue/event_count.hpp>
#include <sluice/queue/fifo_steal_queue.hpp>
#include <sluice/queue/injector.hpp>
#include <sluice/queue/mpmc_ring.hpp>
#include <sluice/queue/split_deque.hpp>

#include "stress/queue.hpp"
#include "support/catch.hpp"

namespace {

/// How often each number was taken, and the numbers of each producer in order for each consumer if `ordered`.
class counters {
public:
    explicit counters(std::uint64_t n) : n_(n), taken_(new std::atomic<std::uint8_t>[n]()) {}
    void take(std::uint64_t i) {
        taken_[i].fetch_add(1, std::memory_order_relaxed);
        total_.fetch_add(1, std::memory_order_relaxed);
    }
    bool all() const { return total_.load(std::memory_order_relaxed) >= n_; }
    std::uint64_t wrong() const {
        std::uint64_t w = 0;
        for (std::uint64_t i = 0; i < n_; ++i) w += taken_[i].load(std::memory_order_relaxed) != 1;
        return w;
    }

private:
    std::uint64_t                                n_;
    std::unique_ptr<std::atomic<std::uint8_t>[]> taken_;
    std::atomic<std::uint64_t>                   total_{0};
};

}  // namespace

TEST_CASE("mpmc_ring: every value comes out once, each producer's in order", "[queue][mpmc_ring][stress]") {
    auto const side = GENERATE(1U, 2U, 16U);
    auto const capacity = GENERATE(2U, 64U);
    std::uint64_t const each = 40'000 / side * test::stress_factor();
    sluice::mpmc_ring<std::unique_ptr<std::uint64_t>> ring(capacity, ~std::uint64_t{0} - 2 * capacity + 1);
    counters                                          seen(each * side);
    std::atomic<std::uint64_t>                        disorder{0};
    test::run_threads(2 * side, [&](std::size_t t) {
        if (t < side) {
            for (std::uint64_t i = 0; i < each; ++i) {
                auto value = std::make_unique<std::uint64_t>(t * each + i);
                while (!ring.try_push(std::move(value))) std::this_thread::yield();
            }
            return;
        }
        std::vector<std::uint64_t> last(side, 0);
        while (!seen.all()) {
            if (auto const value = ring.try_pop()) {
                std::uint64_t const producer = **value / each, number = **value % each + 1;
                if (last[producer] >= number) disorder.fetch_add(1);
                last[producer] = number;
                seen.take(**value);
            } else {
                std::this_thread::yield();
            }
        }
    });
    CHECK(seen.wrong() == 0);
    CHECK(disorder == 0);
}

TEST_CASE("injector and event_count: nothing is lost and nobody sleeps beside work", "[queue][injector][event_count][stress]") {
    struct node {
        node*         next = nullptr;
        std::uint64_t number = 0;
    };
    auto const side = GENERATE(1U, 2U, 16U);
    std::uint64_t const each = 20'000 / side * test::stress_factor();
    std::vector<node>      nodes(each * side);
    sluice::injector<node> injector;
    sluice::event_count    events;
    counters               seen(each * side);
    std::atomic<bool>      done{false};
    test::run_threads(2 * side, [&](std::size_t t) {
        if (t < side) {
            for (std::uint64_t i = 0; i < each; ++i) {
                node& n = nodes[t * each + i];
                n.number = t * each + i;
                if (!injector.push(&n)) std::terminate();
                events.notify_one();
            }
            return;
        }
        auto const consume = [&] {
            node* n = injector.take_all();
            bool const some = n != nullptr;
            while (n != nullptr) {
                node* const next = n->next;
                seen.take(n->number);
                n = next;
            }
            if (seen.all() && !done.exchange(true)) events.notify_all();
            return some || done.load();
        };
        while (!done.load()) {
            if (consume()) continue;
            auto const key = events.prepare_wait();
            if (consume())
                events.cancel_wait();
            else
                events.commit_wait(key);
        }
    });
    CHECK(seen.wrong() == 0);
    CHECK(injector.empty_approx());
    CHECK(events.waiters_approx() == 0);
}

TEST_CASE("event_count: two threads that wake each other never stop", "[queue][event_count][stress]") {
    sluice::event_count        events;
    std::atomic<std::uint64_t> turn{0};
    std::uint64_t const        rounds = 5'000 * test::stress_factor();
    test::run_threads(2, [&](std::size_t t) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            std::uint64_t const mine = 2 * i + t;
            while (turn.load(std::memory_order_relaxed) != mine) {
                auto const key = events.prepare_wait();
                if (turn.load(std::memory_order_relaxed) == mine)
                    events.cancel_wait();
                else
                    events.commit_wait(key);
            }
            turn.store(mine + 1, std::memory_order_relaxed);
            events.notify_one();
        }
    });
    CHECK(turn == 2 * rounds);
    CHECK(events.waiters_approx() == 0);
}

TEST_CASE("fifo_steal_queue: halves stolen under way are complete and in order", "[queue][fifo_steal_queue][stress]") {
    auto const thieves = GENERATE(1U, 2U, 15U);
    std::uint64_t const items = 60'000 * test::stress_factor();
    sluice::fifo_steal_queue<std::uint64_t, 16> queue(~std::uint64_t{0} - 100);
    counters                                    seen(items);
    std::atomic<std::uint64_t>                  disorder{0};
    test::run_threads(thieves + 1, [&](std::size_t t) {
        std::uint64_t last = 0;
        auto const    take = [&](std::uint64_t i) {
            if (i + 1 <= last) disorder.fetch_add(1);
            last = i + 1;
            seen.take(i);
        };
        if (t == 0) {
            for (std::uint64_t i = 0; i < items; ++i) {
                while (!queue.try_push(i))
                    if (auto const p = queue.pop()) take(*p);
                if (i % 3 == 0)
                    if (auto const p = queue.pop()) take(*p);
            }
            while (auto const p = queue.pop()) take(*p);
            return;
        }
        std::uint64_t out[16];
        while (!seen.all()) {
            if (auto const r = queue.steal_half(out, t % 2 == 0 ? 16 : 3)) {
                for (std::size_t i = 0; i < *r; ++i) take(out[i]);
            } else {
                std::this_thread::yield();
            }
        }
    });
    CHECK(seen.wrong() == 0);
    CHECK(disorder == 0);
}

TEMPLATE_TEST_CASE("deque that grows under thieves: every item once, its content visible", "[queue][stress]",
                   sluice::chase_lev_deque<std::uint64_t*>, sluice::split_deque<std::uint64_t*>) {
    auto const thieves = GENERATE(1U, 2U, 15U);
    std::uint64_t const rounds = 20 * test::stress_factor(), burst = 1'000;
    std::vector<std::uint64_t> content(rounds * burst);  // plain: a taker without happens-before shows under TSan
    counters                   seen(rounds * burst);
    std::atomic<std::uint64_t> torn{0};
    for (std::uint64_t round = 0; round < rounds; ++round) {
        TestType          deque(2);
        std::atomic<bool> stop{false};
        test::run_threads(thieves + 1, [&](std::size_t t) {
            auto const take = [&](std::uint64_t* p) {
                auto const i = static_cast<std::uint64_t>(p - content.data());
                if (*p != i + 1) torn.fetch_add(1);
                seen.take(i);
            };
            if (t == 0) {
                for (std::uint64_t i = 0; i < burst; ++i) {
                    content[round * burst + i] = round * burst + i + 1;
                    deque.push(&content[round * burst + i]);
                    if (i % 5 == 4)
                        if (auto const p = deque.pop()) take(*p);
                }
                while (auto const p = deque.pop()) take(*p);
                stop.store(true);
                return;
            }
            while (!stop.load()) {
                if (auto const r = deque.steal()) take(*r);
                else std::this_thread::yield();
            }
        });
    }
    CHECK(seen.wrong() == 0);
    CHECK(torn == 0);
}
