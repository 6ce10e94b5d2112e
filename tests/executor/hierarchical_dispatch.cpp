// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/hierarchical_dispatch.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <queue>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::batch_fetch;
using sluice::dispatch_tree;
using sluice::duration;
using sluice::time_point;

namespace {

/// A shared queue of numbers that counts its operations.
struct shared_queue {
    std::deque<int> items;
    int             operations = 0;
    void operator()(std::size_t n, std::deque<int>& out) {
        ++operations;
        for (; n > 0 && !items.empty(); --n) {
            out.push_back(items.front());
            items.pop_front();
        }
    }
};

time_point at(duration d) { return time_point(d); }

struct outcome {
    double served = 0;       // operations a second of the shared queue
    double items = 0;        // items a second that reached a poller
    double worst_delay = 0;  // of an operation on the shared queue, seconds
    double median_age = 0;   // of the items when a poller got them, seconds
};

/// Pollers that ask 100 times a second each, items that arrive one by one, and a shared queue that serves 50 000 operations a
/// second one after the other, each 20 us, empty or not. The answer to an operation is there when it has been served; the
/// poller that asked then does its next poll 10 ms after the time of this one or when it is answered, whichever is later. (An
/// operation's effect is taken at the time it was asked for, its delay is what the server owes by then.)
outcome simulate(std::size_t levels, std::size_t pollers, duration between_items) {
    dispatch_tree<time_point> tree({.leaves = pollers,
                                    .fan_out = 100,
                                    .levels = levels,
                                    .leaf = {.batch = levels == 0 ? std::size_t{1} : 4, .first_backoff = 0ns, .last_backoff = 0ns},
                                    .node = {.batch = 256, .first_backoff = 5ms, .last_backoff = 20ms}});
    constexpr duration   service = 20us, period = 10ms, run = 300ms;
    time_point           server_free{}, next_item{};
    std::deque<time_point> waiting;
    std::vector<double>  ages;
    std::uint64_t        operations = 0;
    double               worst = 0;

    using poll = std::pair<time_point, std::size_t>;
    std::priority_queue<poll, std::vector<poll>, std::greater<>> due;
    for (std::size_t i = 0; i < pollers; ++i) due.emplace(time_point(period * static_cast<int>(i) / static_cast<int>(pollers)), i);
    time_point now{};
    while (!due.empty() && due.top().first < time_point(run)) {
        auto const [t, leaf] = due.top();
        due.pop();
        now = t;
        for (; next_item <= now; next_item += between_items) waiting.push_back(next_item);
        time_point answered = now;
        auto const item = tree.pop(leaf, now, [&](std::size_t n, std::deque<time_point>& out) {
            server_free = std::max(server_free, now) + service;
            answered = server_free;
            operations += answered <= time_point(run) ? 1 : 0;
            worst = std::max(worst, std::chrono::duration<double>(answered - now).count());
            for (; n > 0 && !waiting.empty(); --n) {
                out.push_back(waiting.front());
                waiting.pop_front();
            }
        });
        if (item && answered < time_point(run)) ages.push_back(std::chrono::duration<double>(answered - *item).count());
        due.emplace(std::max(now + period, answered), leaf);
    }
    double const seconds = std::chrono::duration<double>(run).count();
    std::sort(ages.begin(), ages.end());
    return {static_cast<double>(operations) / seconds, static_cast<double>(ages.size()) / seconds, worst,
            ages.empty() ? seconds : ages[ages.size() / 2]};
}

}  // namespace

TEST_CASE("batch_fetch: one operation a batch, none while upstream is left alone", "[executor][hierarchical_dispatch][unit]") {
    shared_queue     q;
    batch_fetch<int> local({.batch = 4, .first_backoff = 10ms, .last_backoff = 35ms});
    for (int i = 0; i < 6; ++i) q.items.push_back(i);
    for (int i = 0; i < 6; ++i) CHECK(local.pop(at(0ms), q) == i);
    CHECK(q.operations == 2);
    struct row {
        duration now;
        int      operations;  // after an empty answer 10, then 20, then 35, then 35 ms of quiet
    };
    for (auto const& r : {row{0ms, 3}, row{9ms, 3}, row{10ms, 4}, row{29ms, 4}, row{30ms, 5}, row{64ms, 5}, row{65ms, 6}, row{99ms, 6},
                          row{100ms, 7}}) {
        CHECK_FALSE(local.pop(at(r.now), q));
        CHECK(q.operations == r.operations);
    }
    q.items = {7, 8};
    CHECK_FALSE(local.pop(at(101ms), q));
    CHECK(local.next_fetch() == at(135ms));
    local.notify();
    CHECK(local.pop(at(101ms), q) == 7);
    CHECK(local.pop(at(101ms), q) == 8);
    CHECK_FALSE(local.pop(at(102ms), q));
    CHECK(local.next_fetch() == at(112ms));  // from the beginning again
    CHECK(local.fetches() == 9);
    CHECK(local.empty_fetches() == 6);
    CHECK(local.drain().empty());
}

TEST_CASE("batch_fetch: refills before it is empty, hands over what is left", "[executor][hierarchical_dispatch][unit]") {
    shared_queue     q;
    batch_fetch<int> local({.batch = 4, .low_water = 2});
    for (int i = 0; i < 20; ++i) q.items.push_back(i);
    CHECK(local.pop(at(0ms), q) == 0);
    CHECK(local.pop(at(0ms), q) == 1);
    CHECK(q.operations == 1);
    CHECK(local.pop(at(0ms), q) == 2);  // two were left: it asked first
    CHECK(q.operations == 2);
    CHECK(local.size() == 5);
    CHECK(local.drain() == std::deque<int>{3, 4, 5, 6, 7});
    CHECK(local.size() == 0);
    CHECK_THROWS_AS(batch_fetch<int>({.batch = 0}), std::invalid_argument);
    CHECK_THROWS_AS(batch_fetch<int>({.first_backoff = 2s}), std::invalid_argument);
    CHECK_THROWS_AS(batch_fetch<int>({.first_backoff = -1ns}), std::invalid_argument);
    CHECK_THROWS_AS(dispatch_tree<int>({.leaves = 0}), std::invalid_argument);
    CHECK_THROWS_AS(dispatch_tree<int>({.leaves = 2, .fan_out = 1}), std::invalid_argument);
}

TEST_CASE("dispatch_tree: every item once, whatever the shape", "[executor][hierarchical_dispatch][property]") {
    auto const random = test::keys(4000, test::seed());
    for (std::size_t const levels : {0U, 1U, 2U, 3U})
        for (std::size_t const leaves : {1U, 2U, 7U, 50U}) {
            dispatch_tree<int> tree({.leaves = leaves, .fan_out = 3, .levels = levels, .leaf = {.batch = 2}, .node = {.batch = 5}});
            shared_queue       q;
            std::vector<bool>  seen(1000);
            int                got = 0, put = 0;
            for (std::size_t step = 0; step < 4000; ++step) {
                if (random[step] % 3 == 0 && put < 1000) q.items.push_back(put++);
                auto const item = tree.pop(static_cast<std::size_t>(random[step] >> 8) % leaves, at(step * 20ms), q);
                if (!item) continue;
                if (seen[static_cast<std::size_t>(*item)]) FAIL("twice");
                seen[static_cast<std::size_t>(*item)] = true;
                ++got;
            }
            REQUIRE(static_cast<std::size_t>(put - got) == q.items.size() + tree.size());
        }
}

TEST_CASE("dispatch_tree: idle pollers cost the shared queue one operation a back-off", "[executor][hierarchical_dispatch][unit]") {
    dispatch_tree<int> tree({.leaves = 1000, .fan_out = 100, .levels = 2});
    CHECK(tree.levels() == 3);
    CHECK(tree.width(1) == 10);
    CHECK(tree.width(2) == 1);
    shared_queue q;
    for (int round = 0; round < 100; ++round)
        for (std::size_t leaf = 0; leaf < 1000; ++leaf)
            if (tree.pop(leaf, at(round * 10ms), q)) FAIL("out of nothing");
    CHECK(q.operations <= 7);  // at 0, 10, 30, 70, 150, 310, 630 ms
    CHECK(q.operations >= 5);
    q.items.push_back(1);
    tree.notify(999);
    CHECK(tree.pop(999, at(1s), q) == 1);
}

TEST_CASE("dispatch_tree: 10 000 pollers, 100 polls a second each, a queue for 50 000 operations a second",
          "[executor][hierarchical_dispatch][sim]") {
    for (duration const between_items : {duration(50us), duration(5us)}) {  // 20 000 and 200 000 items a second
        auto const one_queue = simulate(0, 10'000, between_items);
        auto const tree = simulate(2, 10'000, between_items);
        CAPTURE(one_queue.served, one_queue.items, one_queue.worst_delay, one_queue.median_age);
        CAPTURE(tree.served, tree.items, tree.worst_delay, tree.median_age);
        // One queue: of a million polls a second 50 000 are served, and each waits for those of the 9999 others, 10 000 × 20 us;
        // more items than operations cannot come out.
        CHECK(one_queue.served > 49'000);
        CHECK(one_queue.worst_delay > 0.19);
        CHECK(one_queue.median_age > 0.1);
        CHECK(one_queue.items < 50'000);
        // The tree: a thousand operations or two instead, none waits for more than a few others, and all items arrive in time.
        CHECK(tree.served < 2'000);
        CHECK(tree.worst_delay < 0.001);
        CHECK(tree.median_age < 0.03);
        CHECK(tree.items > 0.85 / std::chrono::duration<double>(between_items).count());
    }
}
