// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/batcher.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using sluice::batch;
using sluice::batcher;
using sluice::manual_clock;
using sluice::time_point;
using sluice::verdict;
using sluice::verdict_kind;

namespace {

time_point at(sluice::duration d) { return time_point(d); }

using numbers = std::vector<std::vector<int>>;

auto recorder(numbers& to) {
    return [&to](batch<int>& b) { to.emplace_back(b.begin(), b.end()); };
}

}  // namespace

TEST_CASE("batcher: the pusher who fills a batch flushes it", "[flow][batcher][unit]") {
    numbers      flushed;
    batcher<int> b({.max_items = 3}, recorder(flushed));
    REQUIRE(b.try_push(1));
    REQUIRE(b.try_push(2));
    REQUIRE(flushed.empty());
    REQUIRE(b.pending() == 2);
    REQUIRE(b.waiting() == 2);
    REQUIRE(b.try_push(3));
    REQUIRE(flushed == numbers{{1, 2, 3}});
    REQUIRE(b.pending() == 0);
    REQUIRE(b.flushes() == 1);
    REQUIRE(b.try_push(4));
    REQUIRE(b.flush() == 1);
    REQUIRE(b.flush() == 0);
    REQUIRE(flushed.back() == std::vector<int>{4});
}

TEST_CASE("batcher: 1000 calls of 50 ms become 10", "[flow][batcher][unit]") {
    manual_clock               clock;
    int                        calls = 0, items = 0;
    batcher<int, void, manual_clock> b({.max_items = 100, .max_age = 1h, .max_pending = 1000},
                                 [&](std::span<int> all) {
                                     clock.advance(50ms);
                                     ++calls;
                                     items += static_cast<int>(all.size());
                                 },
                                 clock);
    for (int i = 0; i < 1000; ++i) REQUIRE(b.try_push(int(i)));
    REQUIRE(calls == 10);
    REQUIRE(items == 1000);
    REQUIRE(clock.now() == at(500ms));  // not 50 s
}

TEST_CASE("batcher: a batch is due when its first item is old enough", "[flow][batcher][unit]") {
    numbers      flushed;
    batcher<int> b({.max_items = 10, .max_age = 5ms}, recorder(flushed));
    REQUIRE(b.next_due() == time_point::max());
    REQUIRE(b.try_push(1, at(1ms)));
    REQUIRE(b.try_push(2, at(4ms)));
    REQUIRE(b.next_due() == at(6ms));
    REQUIRE(b.poll(at(6ms - 1ns)) == 0);
    REQUIRE(b.poll(at(6ms)) == 2);
    REQUIRE(flushed == numbers{{1, 2}});
    REQUIRE(b.next_due() == time_point::max());
    REQUIRE(b.poll(at(7ms)) == 0);
    REQUIRE(b.try_push(3, at(1ms)));  // from the past: counts as 7 ms
    REQUIRE(b.next_due() == at(12ms));
    REQUIRE(b.poll(at(2ms)) == 0);
    REQUIRE(b.poll(at(12ms)) == 1);
    batcher<int> old({.max_age = sluice::duration::max()}, recorder(flushed));
    REQUIRE(old.try_push(1, at(1h)));
    REQUIRE(old.poll(time_point::max() - 1ns) == 0);
}

TEST_CASE("batcher: no batch has more bytes than allowed", "[flow][batcher][unit]") {
    numbers      flushed;
    batcher<int> b({.max_items = 10, .max_bytes = 100}, recorder(flushed));
    REQUIRE(b.try_push(1, {.bytes = 60}));
    REQUIRE(b.try_push(2, {.bytes = 39}));
    REQUIRE(flushed.empty());
    REQUIRE(b.try_push(3, {.bytes = 2}));  // does not fit: the two go, it waits
    REQUIRE(flushed == numbers{{1, 2}});
    REQUIRE(b.try_push(4, {.bytes = 98}));  // fills it exactly
    REQUIRE(flushed == numbers{{1, 2}, {3, 4}});
    REQUIRE(b.try_push(5, {.bytes = 100}));
    REQUIRE(flushed.back() == std::vector<int>{5});
    auto const v = b.try_push(6, {.bytes = 101});
    REQUIRE(v.kind == verdict_kind::never);
    REQUIRE(b.pending() == 0);
    batcher<int> any({.max_items = 10}, recorder(flushed));
    REQUIRE(any.try_push(1, {.bytes = SIZE_MAX - 1}));
    REQUIRE(any.try_push(2, {.bytes = SIZE_MAX - 1}));  // sums do not overflow
    REQUIRE(flushed.back() == std::vector<int>{1});
}

TEST_CASE("batcher: pending items are bounded, those being flushed included", "[flow][batcher][unit]") {
    std::vector<verdict>  from_inside;
    batcher<int>*         self = nullptr;
    batcher<int>          b({.max_items = 3, .max_age = 10ms, .max_pending = 4}, [&](batch<int>& all) {
        REQUIRE(self->pending() >= all.size());
        if (from_inside.empty()) {
            from_inside.push_back(self->try_push(10, at(2ms)));
            from_inside.push_back(self->try_push(11, at(3ms)));
        }
    });
    self = &b;
    for (int i = 0; i < 3; ++i) REQUIRE(b.try_push(int(i), at(1ms)));
    REQUIRE(from_inside.size() == 2);
    REQUIRE(from_inside[0] == verdict::admit(0));
    REQUIRE(from_inside[1] == verdict::later(9ms, 0));  // its batch is due at 12 ms
    REQUIRE(b.pending() == 1);
    REQUIRE(b.try_push(12, at(4ms)).remaining == 2);
}

TEST_CASE("batcher: a refused item stays with the caller", "[flow][batcher][unit]") {
    std::unique_ptr<int> kept = std::make_unique<int>(7);
    using pointer = std::unique_ptr<int>;
    batcher<pointer> b({.max_bytes = 10}, [](batch<pointer>&) {});
    REQUIRE(b.try_push(std::move(kept), {.bytes = 11}).kind == verdict_kind::never);
    REQUIRE(kept);
    REQUIRE(b.try_push(std::move(kept)));
    REQUIRE_FALSE(kept);
    b.close();

    std::vector<int> all;
    batcher<int>     copies({.max_items = 2}, [&](std::span<int> items) { all.assign(items.begin(), items.end()); });
    int const        one = 1, two = 2;  // copied
    REQUIRE(copies.try_push(one));
    REQUIRE(copies.push_until(two, time_point::max()));
    REQUIRE(all == std::vector<int>{1, 2});
    kept = std::make_unique<int>(8);
    REQUIRE(b.try_push(std::move(kept)).kind == verdict_kind::never);
    REQUIRE(kept);
}

TEST_CASE("batcher: each item ends exactly once, each in its own way", "[flow][batcher][unit]") {
    using book = batcher<int, std::string>;
    std::vector<std::string> log(6);
    book                     b({.max_items = 6}, [](batch<int, std::string>& all) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (all[i] == 1) all.fail(i, std::make_exception_ptr(std::runtime_error("bad item")));
            if (all[i] == 2) continue;  // nothing said
            if (all[i] == 3) all.fail(i, std::make_exception_ptr(3)), all.succeed(i, "after all");
            if (all[i] == 4) all.succeed(i, "no"), all.fail(i, std::make_exception_ptr(std::runtime_error("last word")));
            if (all[i] == 0 || all[i] == 5) all.succeed(i, std::to_string(all[i] * 10));
        }
    });
    for (int i = 0; i < 6; ++i)
        REQUIRE(b.try_push(int(i), {.done = [&log, i](book::outcome_type o) noexcept {
                                        auto& line = log[static_cast<std::size_t>(i)];
                                        if (o) {
                                            line += *o.result;
                                            return;
                                        }
                                        try {
                                            std::rethrow_exception(o.error);
                                        } catch (std::exception const& e) {
                                            line += e.what();
                                        }
                                        line += "/" + std::to_string(o.item);
                                    }}));
    REQUIRE(log == std::vector<std::string>{"0", "bad item/1", "sluice::batcher: no result for this item/2", "after all",
                                            "last word/4", "50"});
    REQUIRE(b.failed() == 3);
}

TEST_CASE("batcher: a flush that throws fails the items it has not decided, and the batcher goes on", "[flow][batcher][unit]") {
    int               ended = 0, good = 0;
    auto const        error = std::make_exception_ptr(std::runtime_error("down"));
    std::vector<bool> same;
    batcher<int>      b({.max_items = 3}, [&](batch<int>& all) {
        if (all[0] != 0) return;
        all.succeed(0);
        std::rethrow_exception(error);
    });
    for (int i = 0; i < 6; ++i)
        REQUIRE(b.try_push(int(i), {.done = [&](batcher<int>::outcome_type o) noexcept {  // the pusher sees no exception
                                        ++ended;
                                        good += o ? 1 : 0;
                                        if (!o) same.push_back(o.error == error);
                                    }}));
    REQUIRE(ended == 6);
    REQUIRE(good == 4);
    REQUIRE(same == std::vector<bool>{true, true});
    REQUIRE(b.failed() == 2);
    REQUIRE(b.flushes() == 2);
    REQUIRE(b.pending() == 0);
}

TEST_CASE("batcher: what the flush function pushes comes after, and does not nest", "[flow][batcher][unit]") {
    numbers       flushed;
    batcher<int>* self = nullptr;
    int           depth = 0;
    bool          nested = false;
    batcher<int>  b({.max_items = 2}, [&](batch<int>& all) {
        nested = nested || ++depth > 1;
        flushed.emplace_back(all.begin(), all.end());
        if (flushed.size() < 4)
            for (int i = 0; i < 2; ++i) REQUIRE(self->try_push(all[0] + 10));
        --depth;
    });
    self = &b;
    REQUIRE(b.try_push(1));
    REQUIRE(b.try_push(2));
    REQUIRE(flushed == numbers{{1, 2}, {11, 11}, {21, 21}, {31, 31}});
    REQUIRE_FALSE(nested);
}

TEST_CASE("batcher: nothing is lost at the end, by choice flushed, given back or cancelled", "[flow][batcher][unit]") {
    numbers flushed;
    {
        batcher<int> b({}, recorder(flushed));
        for (int i = 0; i < 3; ++i) REQUIRE(b.try_push(int(i)));
    }
    REQUIRE(flushed == numbers{{0, 1, 2}});

    int        cancelled = 0;
    auto const count = [&cancelled](batcher<int>::outcome_type o) noexcept {
        try {
            if (!o) std::rethrow_exception(o.error);
        } catch (sluice::batch_cancelled const&) {
            cancelled += o.item;
        }
    };
    {
        batcher<int> b({.at_end = sluice::batcher_at_end::cancel}, recorder(flushed));
        REQUIRE(b.try_push(1, {.done = count}));
        REQUIRE(b.try_push(10, {.done = count}));
    }
    REQUIRE(cancelled == 11);
    REQUIRE(flushed.size() == 1);

    batcher<int> b({}, recorder(flushed));
    REQUIRE(b.try_push(5));
    REQUIRE(b.try_push(6, {.done = count}));
    REQUIRE(b.close_and_return() == std::vector<int>{5, 6});
    REQUIRE(cancelled == 17);
    REQUIRE(b.pending() == 0);
    REQUIRE(b.failed() == 2);
    REQUIRE(b.try_push(7).kind == verdict_kind::never);
    REQUIRE(b.close_and_return().empty());
    b.close();
    REQUIRE(flushed.size() == 1);

    batcher<int> c({}, recorder(flushed));
    REQUIRE(c.try_push(8));
    c.close();
    REQUIRE(flushed.back() == std::vector<int>{8});
}

TEST_CASE("batcher: a callback that pushes again is refused once the end has begun, and nothing is lost", "[flow][batcher][unit]") {
    for (auto const end : {sluice::batcher_at_end::flush, sluice::batcher_at_end::cancel}) {
        int  ended = 0, refused = 0, flushes = 0;
        auto b = std::make_unique<batcher<int>>(sluice::batcher_options{.at_end = end}, [&](batch<int>&) {
            ++flushes;
            throw 1;
        });
        auto const again = [&, self = b.get()](batcher<int>::outcome_type o) noexcept {
            ++ended;
            if (!o && self->try_push(int(o.item)).kind == verdict_kind::never) ++refused;
        };
        REQUIRE(b->try_push(1, {.done = again}));
        REQUIRE(b->try_push(2, {.done = again}));
        b.reset();
        REQUIRE(ended == 2);
        REQUIRE(refused == 2);
        REQUIRE(flushes == (end == sluice::batcher_at_end::flush ? 1 : 0));
    }
}

TEST_CASE("batcher: close ends the wait of a pusher at once", "[flow][batcher][unit]") {
    for (bool const give_back : {false, true}) {
        std::atomic<bool> inside{false}, waits{false}, refused{false};
        std::atomic<int>  flushed{0};
        batcher<int>      b({.max_items = 2, .max_age = 1h, .max_pending = 2}, [&](batch<int>& all) {
            inside = true;
            while (!refused) std::this_thread::yield();  // the flush outlasts the wait
            flushed += static_cast<int>(all.size());
        });
        verdict           answer = verdict::admit(0);
        test::run_threads(3, [&](std::size_t t) {
            if (t == 0) {
                static_cast<void>(b.try_push(1));
                static_cast<void>(b.try_push(2));
                return;
            }
            while (!inside) std::this_thread::yield();
            if (t == 1) {
                waits = true;
                answer = b.push_until(3, time_point::max());
                refused = true;
                return;
            }
            while (!waits) std::this_thread::yield();
            for (int i = 0; i < 100; ++i) std::this_thread::yield();  // most likely it waits by now
            if (give_back)
                static_cast<void>(b.close_and_return());
            else
                b.close();
        });
        REQUIRE(answer.kind == verdict_kind::never);
        REQUIRE(flushed.load() == 2);
        REQUIRE(b.pending() == 0);
    }
}

TEST_CASE("batcher: a failure without an exception is one all the same", "[flow][batcher][unit]") {
    batcher<int> b({.max_items = 1}, [](batch<int>& all) { all.fail(0, nullptr); });
    bool         failed = false;
    REQUIRE(b.try_push(1, {.done = [&](batcher<int>::outcome_type o) noexcept {
                               try {
                                   if (!o) std::rethrow_exception(o.error);
                               } catch (std::logic_error const&) {
                                   failed = true;
                               }
                           }}));
    REQUIRE(failed);
    REQUIRE(b.failed() == 1);
}

TEST_CASE("batcher: an item that can be copied may be pushed by name", "[flow][batcher][unit]") {
    std::vector<std::string> flushed;
    batcher<std::string>     b({.max_items = 3}, [&](batch<std::string>& all) { flushed.assign(all.begin(), all.end()); });
    std::string const        line = "line";
    REQUIRE(b.try_push(line));
    REQUIRE(b.try_push(line, {.bytes = 4}));
    REQUIRE(b.try_push(line, at(1ms)));
    REQUIRE(flushed == std::vector<std::string>{"line", "line", "line"});
}

TEST_CASE("batcher: options that cannot work are refused by name", "[flow][batcher][unit]") {
    numbers    flushed;
    auto const make = [&](sluice::batcher_options o) { batcher<int> b(o, recorder(flushed)); };
    REQUIRE_THROWS_WITH(make({.max_items = 0}), test::contains("batcher: max_items"));
    REQUIRE_THROWS_WITH(make({.max_bytes = 0}), test::contains("max_bytes"));
    REQUIRE_THROWS_WITH(make({.max_age = -1ns}), test::contains("max_age"));
    REQUIRE_THROWS_WITH(make({.max_items = 100, .max_pending = 99}), test::contains("max_pending") && test::contains("99"));
    REQUIRE_THROWS_WITH(make({.max_concurrent_flushes = 0}), test::contains("max_concurrent_flushes"));
}

TEST_CASE("batcher: random operations agree with a simple model", "[flow][batcher][property]") {
    struct item {
        int           value;
        std::size_t   bytes;
    };
    constexpr std::size_t max_items = 5, max_bytes = 20;
    constexpr auto        age = 9ns;
    numbers               flushed, expected;
    batcher<int>          b({.max_items = max_items, .max_bytes = max_bytes, .max_age = age}, recorder(flushed));
    std::vector<item>     open;
    time_point            due{}, now(1us), latest = time_point::min();
    auto const            bytes = [&] {
        return std::accumulate(open.begin(), open.end(), std::size_t{0}, [](std::size_t n, item const& i) { return n + i.bytes; });
    };
    auto const go = [&] {
        if (open.empty()) return;
        expected.emplace_back();
        for (auto const& i : open) expected.back().push_back(i.value);
        open.clear();
    };
    int next = 0;
    for (auto const w : test::keys(20'000, test::seed())) {
        now += std::chrono::nanoseconds(static_cast<int>((w >> 8) % 6) - 2);
        if (w % 8 < 7 && latest < now) latest = now;  // flush takes no time
        if (w % 8 < 5) {
            auto const        size = static_cast<std::size_t>((w >> 16) % 22);
            auto const        v = b.try_push(int(++next), {.bytes = size}, now);
            REQUIRE((v.kind == verdict_kind::never) == (size > max_bytes));
            if (!v) continue;
            if (!open.empty() && bytes() + size > max_bytes) go();
            if (open.empty()) due = latest + age;
            open.push_back({next, size});
            if (open.size() == max_items || bytes() >= max_bytes) go();
        } else if (w % 8 < 7) {
            static_cast<void>(b.poll(now));
            if (!open.empty() && latest >= due) go();
        } else if (w % 32 == 7) {
            b.flush();
            go();
        }
        REQUIRE(b.waiting() == open.size());
        REQUIRE(b.next_due() == (open.empty() ? time_point::max() : due));
        REQUIRE(flushed.size() == expected.size());
    }
    REQUIRE(flushed == expected);
    REQUIRE(flushed.size() > 1000);
}

TEST_CASE("batcher: a waiting pusher gets in when there is room, or gives up", "[flow][batcher][unit]") {
    std::atomic<bool> inside{false}, go_on{false};
    batcher<int>      b({.max_items = 2, .max_age = 1h, .max_pending = 2}, [&](batch<int>&) {
        inside = true;
        while (!go_on) std::this_thread::yield();
    });
    verdict           late, waited, stopped;
    std::stop_source  stop;
    test::run_threads(4, [&](std::size_t t) {
        if (t == 0) {
            static_cast<void>(b.try_push(1));
            static_cast<void>(b.try_push(2));  // flushes, and is held up
            return;
        }
        while (!inside) std::this_thread::yield();
        if (t == 1) {
            late = b.push_until(3, sluice::steady_clock().now() + 1ms);
            stop.request_stop();
        }
        if (t == 2) {
            stopped = b.push_until(4, time_point::max(), stop.get_token());
            go_on = true;
        }
        if (t == 3) waited = b.push_until(5, time_point::max());
    });
    REQUIRE(late.kind == verdict_kind::wait);
    REQUIRE(stopped.kind == verdict_kind::wait);
    REQUIRE(waited.admitted());
    REQUIRE(b.pending() == 1);
}

TEST_CASE("batcher: from many threads every item ends once, and one flush runs at a time", "[flow][batcher][stress]") {
    constexpr std::size_t threads = 4;
    for (std::size_t const most : {1u, 2u}) {
        auto const                    each = static_cast<int>(600 * test::stress_factor());
        std::atomic<int>              inside{0}, too_many{0}, good{0}, bad{0};
        std::vector<std::atomic<int>> ended(threads * static_cast<std::size_t>(each));
        std::vector<int>              last(threads, -1);  // written by the only flush there is
        std::atomic<int>              disorder{0};
        {
            batcher<int> b({.max_items = 16, .max_age = 1h, .max_pending = 64, .max_concurrent_flushes = most}, [&](batch<int>& all) {
                if (inside.fetch_add(1) >= static_cast<int>(most)) too_many.fetch_add(1);
                if (most == 1)
                    for (int const i : all) {
                        auto const t = static_cast<std::size_t>(i / each);
                        if (i % each <= last[t]) disorder.fetch_add(1);
                        last[t] = i % each;
                    }
                if (all[0] % 5 == 0) std::this_thread::yield();
                inside.fetch_sub(1);
                if (all[0] % 3 == 0) throw 1;
            });
            test::run_threads(threads + 1, [&](std::size_t t) {
                if (t == threads) {
                    for (int i = 0; i < each; ++i) static_cast<void>(i % 2 == 0 ? b.flush() : b.poll());
                    return;
                }
                for (int i = 0; i < each; ++i) {
                    auto const n = static_cast<int>(t) * each + i;
                    auto const done = [&, n](batcher<int>::outcome_type o) noexcept {
                        ended[static_cast<std::size_t>(n)].fetch_add(1);
                        (o ? good : bad).fetch_add(1);
                    };
                    if (i % 2 == 0) {
                        static_cast<void>(b.push_until(int(n), time_point::max(), {}, {.done = done}));
                    } else {
                        while (!b.try_push(int(n), {.done = done})) std::this_thread::yield();
                    }
                }
            });
        }
        REQUIRE(too_many.load() == 0);
        REQUIRE(disorder.load() == 0);
        bool once = true;
        for (auto const& e : ended) once = once && e.load() == 1;
        REQUIRE(once);
        REQUIRE(good.load() + bad.load() == static_cast<int>(threads) * each);
        REQUIRE(bad.load() > 0);
    }
}
