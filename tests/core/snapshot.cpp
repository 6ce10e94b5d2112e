// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/snapshot.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using sluice::snapshot;
using sluice::snapshot_reader;

namespace {

/// Counts its objects. The two halves always agree; a destroyed one says so.
struct counted {
    explicit counted(int n = 0) : low(n), high(-n) { ++alive; }
    counted(counted const& other) : low(other.low), high(other.high), ghost(other.ghost) { ++alive; }
    counted& operator=(counted const&) = default;
    ~counted() {
        --alive;
        low = high = 12345;
    }
    bool whole() const { return low + high == 0; }
    void set(int n) { low = n, high = -n; }

    int                             low, high;
    std::optional<std::vector<int>> ghost{};  // something that allocates when copied
    inline static std::atomic<int>  alive{0};
};

struct movable_only {
    explicit movable_only(int n) : value(std::make_unique<int>(n)) {}
    std::unique_ptr<int> value;
};

template <class S>
concept can_update = requires(S& s) { s.update([](auto&) {}); };
static_assert(can_update<snapshot<int>> && !can_update<snapshot<movable_only>>);
static_assert(std::is_nothrow_move_constructible_v<snapshot_reader<int>> && std::is_nothrow_move_assignable_v<snapshot_reader<int>>);
static_assert(!std::is_copy_constructible_v<snapshot_reader<int>> && !std::is_move_constructible_v<snapshot<int>>);
static_assert(!std::is_default_constructible_v<snapshot<movable_only>>);
static_assert(noexcept(std::declval<snapshot_reader<int>&>().get()) && noexcept(std::declval<snapshot_reader<int>&>().release()));

}  // namespace

TEST_CASE("snapshot: a reader sees what was published last", "[core][snapshot][unit]") {
    snapshot<std::string>  s("one");
    auto                   r = s.reader();
    REQUIRE(s.version() == 1);
    REQUIRE(r.stale());
    REQUIRE(r.get() == "one");
    REQUIRE(r.version() == 1);
    REQUIRE_FALSE(r.stale());
    REQUIRE(s.publish("two") == 2);
    REQUIRE(r.stale());
    REQUIRE(r.get() == "two");
    REQUIRE(r->size() == 3);
    REQUIRE(s.publish("two") == 3);  // publish does not compare
    REQUIRE(r.version() == 3);
    snapshot<int> zero;
    REQUIRE(zero.reader().get() == 0);
}

TEST_CASE("snapshot: a version lives while a reader holds it and ends when a writer looks", "[core][snapshot][unit]") {
    int const none = counted::alive.load();
    {
        snapshot<counted> s(counted(1));
        auto              r = s.reader();
        counted const&    first = r.get();
        s.publish(counted(2));
        s.publish(counted(3));  // 2 had no reader
        REQUIRE(counted::alive.load() - none == 2);
        REQUIRE(first.low == 1);
        REQUIRE(r.get().low == 3);  // lets 1 go, which nobody has seen yet
        REQUIRE(counted::alive.load() - none == 2);
        REQUIRE(s.collect() == 1);
        REQUIRE(s.collect() == 0);
        REQUIRE(counted::alive.load() - none == 1);
        s.publish(counted(4));
        REQUIRE(counted::alive.load() - none == 2);
        r.release();
        REQUIRE(s.collect() == 1);
        s.publish(counted(5));
        REQUIRE(counted::alive.load() - none == 1);
        REQUIRE(r.get().low == 5);
    }
    REQUIRE(counted::alive.load() == none);
}

TEST_CASE("snapshot: no more versions than readers and one", "[core][snapshot][unit]") {
    int const         none = counted::alive.load();
    snapshot<counted> s;
    {
        std::vector<snapshot_reader<counted>> readers;
        int                                   n = 0;
        for (int i = 0; i < 5; ++i) {
            readers.push_back(s.reader());
            REQUIRE(readers.back().get().low == n);
            s.publish(counted(++n));
            s.publish(counted(++n));
            REQUIRE(counted::alive.load() - none == i + 2);
        }
        for (int i = 0; i < 100; ++i) {
            s.update([&](counted& c) { c.set(++n); });
            REQUIRE(counted::alive.load() - none == 6);
        }
        readers.erase(readers.begin() + 2);  // a reader that leaves looks itself
        REQUIRE(counted::alive.load() - none == 5);
        for (auto& r : readers) REQUIRE(r.get().low == n);
    }
    REQUIRE(counted::alive.load() - none == 1);
}

TEST_CASE("snapshot: a view keeps its reader on one version", "[core][snapshot][unit]") {
    snapshot<std::vector<int>> s(std::vector{1, 2, 3}), other(std::vector{9});
    auto                       r = s.reader();
    {
        auto const view = r.view();
        s.publish({4});
        REQUIRE(view->size() == 3);
        REQUIRE(r.get().size() == 3);
        REQUIRE(r->at(r->size() - 1) == 3);
        REQUIRE(r.version() == 1);
        s.publish({5});
        REQUIRE((*view)[2] == 3);
    }
    REQUIRE(r.get() == std::vector{5});
    // One expression is one version, also if a writer comes in the middle of it.
    s.publish({7, 8});
    auto const index_after_change = [&] {
        s.publish({});
        return r->size() - 1;
    };
    REQUIRE(r->at(index_after_change()) == 8);
    REQUIRE(r.get().empty());
    // Views within views: the outermost one decides. A reader that has moved or let go has views as before.
    auto moved = std::move(r);
    for (int round = 1; round < 4; ++round) {
        s.publish({round});
        if (round == 2) moved.release();
        auto const outer = moved.view();
        s.publish({-round});
        {
            auto const inner = moved.view();
            s.publish({0});
            REQUIRE((*inner)[0] == round);
        }
        REQUIRE(moved.get()[0] == round);
        REQUIRE(moved->at(0) == round);
        REQUIRE(moved.stale());
        REQUIRE((*outer)[0] == round);
    }
    REQUIRE(moved.get()[0] == 0);
    moved = other.reader();
    other.publish({10});
    REQUIRE(moved.get()[0] == 10);
    auto const last = moved.view();
    other.publish({11});
    REQUIRE(moved.get()[0] == 10);
}

TEST_CASE("snapshot: update publishes a changed copy, or nothing", "[core][snapshot][unit]") {
    snapshot<counted> s(counted(1));
    auto              r = s.reader();
    REQUIRE(s.update([](counted& c) { c.set(2); }) == 2u);
    REQUIRE(r.get().low == 2);
    REQUIRE(s.update([](counted& c) { return c.set(9), false; }) == std::nullopt);
    REQUIRE(r.get().low == 2);
    REQUIRE(s.update([](counted& c) { return c.set(3), true; }) == 3u);
    REQUIRE_THROWS_AS(s.update([](counted& c) { c.set(9), throw std::runtime_error("no"); }), std::runtime_error);
    REQUIRE(r.get().low == 3);
    REQUIRE(s.version() == 3);
    auto const same = [](counted const& a, counted const& b) { return a.low == b.low; };
    REQUIRE(s.update_unless([](counted& c) { c.set(3); }, same) == std::nullopt);
    REQUIRE(s.update_unless([](counted& c) { c.set(4); }, same) == 4u);
    REQUIRE(s.update([&](counted& c) { c.set(r.get().low + 1); }) == 5u);  // reading inside is allowed
    REQUIRE(r.get().low == 5);
    REQUIRE(s.update([](counted& c) { return c.set(6), 0; }) == 6u);  // a result that is no bool says nothing
    snapshot<movable_only> m(movable_only(1));
    auto                   reader = m.reader();
    m.publish(movable_only(2));
    REQUIRE(*reader->value == 2);
}

TEST_CASE("snapshot: readers move, and what they hold moves with them", "[core][snapshot][unit]") {
    int const         none = counted::alive.load();
    snapshot<counted> s(counted(1)), other(counted(7));
    {
        auto        a = s.reader();
        auto const& value = a.get();
        auto        b = std::move(a);
        s.publish(counted(2));
        REQUIRE(value.low == 1);
        REQUIRE(counted::alive.load() - none == 3);
        a = other.reader();
        REQUIRE(a.get().low == 7);
        a = std::move(b);  // the reader of `other` ends
        REQUIRE(value.low == 1);
        REQUIRE(a.get().low == 2);
        auto& self = a;
        a = std::move(self);
        REQUIRE(a.get().low == 2);
        other.publish(counted(8));
        REQUIRE(counted::alive.load() - none == 3);  // 1 is seen by no one yet, 7 is gone
    }
    REQUIRE(counted::alive.load() - none == 2);
}

TEST_CASE("snapshot: a reader allocates nothing, also when the version has changed", "[core][snapshot][unit]") {
    snapshot<std::vector<int>> s(std::vector{1});
    auto                       r = s.reader();
    for (int i = 0; i < 3; ++i) {
        s.publish({i, i});
        test::scarce_memory const memory(0);
        long                      sum = 0;
        for (int k = 0; k < 10; ++k) sum += r.get()[0] + (*r.view())[1] + static_cast<long>(r.version());
        r.release();
        sum += r->front();
        REQUIRE(memory.allocations() == 0);
        REQUIRE(sum > 0);
    }
}

TEST_CASE("snapshot: when memory runs out nothing has changed", "[core][snapshot][fault]") {
    int const none = counted::alive.load();
    {
        snapshot<counted> s(counted(1));
        s.update([](counted& c) { c.ghost = std::vector{1, 2, 3}; });
        auto r = s.reader();
        REQUIRE(r.get().ghost->size() == 3);
        int          failures = 0;
        counted const three(3);
        auto const   attempt = [&](auto f) {
            for (std::uint64_t n = 0;; ++n) {
                auto const version = s.version();
                auto const alive = counted::alive.load();
                bool       threw = false, failed = false;
                {
                    test::scarce_memory memory(n);
                    try {
                        f();
                    } catch (std::bad_alloc const&) {
                        threw = true;
                    }
                    failed = memory.failed();
                }
                REQUIRE(threw == failed);
                if (!failed) return;
                ++failures;
                REQUIRE(s.version() == version);
                REQUIRE(counted::alive.load() == alive);
                REQUIRE(r.get().whole());
            }
        };
        attempt([&] { s.publish(counted(2)); });
        attempt([&] { s.update([&](counted& c) { c.ghost = std::vector<int>(40), c.set(4); }); });
        attempt([&] { s.update([&](counted& c) { c = three; }); });
        attempt([&] { (void)s.reader(); });
        attempt([&] { snapshot<counted> another; });
        REQUIRE(failures >= 1 + 2 + 2 + 1 + 1);
        REQUIRE(r.get().low == 3);
    }
    REQUIRE(counted::alive.load() == none);
}

namespace {

/// A value whose destructor uses the snapshot that it was in.
struct meddler {
    snapshot<meddler>* home = nullptr;
    int                n = 0;

    meddler() = default;
    meddler(snapshot<meddler>* s, int number) : home(s), n(number) {}
    meddler(meddler&& other) noexcept : home(std::exchange(other.home, nullptr)), n(other.n) {}
    ~meddler() {
        if (home == nullptr) return;
        auto r = home->reader();
        seen = r.get().n;
        if (n < 3) home->publish(meddler(home, n + 10));
        (void)home->collect();
    }
    inline static int seen = 0;
};

}  // namespace

TEST_CASE("snapshot: a value's destructor may use the snapshot", "[core][snapshot][unit]") {
    snapshot<meddler> s;
    s.publish(meddler(&s, 1));
    s.publish(meddler(&s, 2));  // ends 1, which publishes 11, which ends 2, which publishes 12, which ends 11
    REQUIRE(meddler::seen == 12);
    REQUIRE(s.reader().get().n == 12);
    REQUIRE(s.version() == 5);
    s.publish(meddler());  // nothing that looks back is left when the snapshot ends
}

TEST_CASE("snapshot: beside writers readers see whole versions, and each one is destroyed once", "[core][snapshot][stress]") {
    int const none = counted::alive.load();
    auto const rounds = static_cast<int>(300 * test::stress_factor());
    {
        snapshot<counted> s;
        std::atomic<int>  torn{0}, back{0}, crowded{0};
        std::atomic<bool> done{false};
        test::run_threads(4, [&](std::size_t me) {
            if (me < 2) {  // writers
                for (int i = 0; i < rounds; ++i) {
                    s.update([](counted& c) { c.set(c.low + 1); });
                    // 2 readers, the current one; each writer has one in the making and at most 3 that it is destroying
                    if (counted::alive.load() - none > 2 + 1 + 2 * (1 + 3)) crowded.fetch_add(1);
                    if (i % 16 == 0) std::this_thread::yield();
                }
                done.store(true);
            } else {
                auto r = s.reader();
                int  last = 0;
                for (int i = 0; i < rounds || !done.load(); ++i) {
                    counted const& c = r.get();
                    if (!c.whole()) torn.fetch_add(1);
                    if (c.low < last) back.fetch_add(1);
                    last = c.low;
                    if (i % 64 == 0) r.release();
                }
            }
        });
        REQUIRE(torn.load() == 0);
        REQUIRE(back.load() == 0);
        REQUIRE(crowded.load() == 0);
        auto r = s.reader();
        REQUIRE(r.get().low == 2 * rounds);
        REQUIRE(s.version() == static_cast<std::uint64_t>(2 * rounds) + 1);
    }
    REQUIRE(counted::alive.load() == none);
}
