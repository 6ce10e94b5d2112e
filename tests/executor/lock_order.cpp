// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/lock_order.hpp>

#include "support/catch.hpp"
#include "support/threads.hpp"

#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

using sluice::lock_level;
using sluice::lock_order;
using sluice::ordered_mutex;

namespace {

template <class F>
std::string complaint(F f) {
    try {
        f();
    } catch (sluice::lock_inversion const& e) {
        return e.what();
    }
    return "none";
}

}  // namespace

TEST_CASE("lock_order: an inversion is seen although the two never met", "[executor][lock_order][unit]") {
    lock_order    order;
    ordered_mutex accounts(order, "accounts"), audit(order, "audit");
    std::thread([&] {
        std::lock_guard const first(accounts);
        std::lock_guard const second(audit);
    }).join();
    CHECK(complaint([&] {
              std::lock_guard const first(audit);
              std::lock_guard const second(accounts);
          }) == "takes accounts while holding audit, but the order was accounts -> audit");
    CHECK(order.held(std::this_thread::get_id()).empty());
    CHECK(complaint([&] {  // what was refused has not been learnt
              std::lock_guard const first(accounts);
              std::lock_guard const second(audit);
          }) == "none");
}

TEST_CASE("lock_order: an inversion through others, and over threads", "[executor][lock_order][unit]") {
    lock_order order;
    auto const a = order.add("a"), b = order.add("b"), c = order.add("c");
    std::thread::id const one = std::this_thread::get_id();
    std::thread           other_thread([] {});
    std::thread::id const other = other_thread.get_id();
    auto const            take_both = [&](std::thread::id t, lock_order::lock_id x, lock_order::lock_id y) {
        CHECK_FALSE(order.before_lock(t, x));
        order.locked(t, x);
        auto const answer = order.before_lock(t, y);
        order.unlocked(t, x);
        return answer;
    };
    CHECK_FALSE(take_both(one, a, b));
    CHECK_FALSE(take_both(other, b, c));
    auto const found = take_both(one, c, a);
    REQUIRE(found);
    CHECK(found->held == c);
    CHECK(found->wanted == a);
    CHECK(found->seen == std::vector<lock_order::lock_id>{a, b, c});
    CHECK(order.describe(*found) == "takes a while holding c, but the order was a -> b -> c");
    CHECK(take_both(one, a, a));  // itself
    CHECK_FALSE(take_both(one, a, c));

    order.remove(b);  // and a new one with its number knows nothing of it
    CHECK(order.add("d") == b);
    CHECK_FALSE(take_both(one, b, a));
    CHECK(take_both(one, c, a));  // a -> c was seen without b as well

    auto const e = order.add("e"), f = order.add("f"), g = order.add("g");
    for (auto const l : {e, f, g}) {  // g under both
        CHECK_FALSE(order.before_lock(one, l));
        order.locked(one, l);
    }
    for (auto const l : {f, g, e}) order.unlocked(one, l);  // in any order
    order.remove(f);
    CHECK(take_both(one, g, e));
    CHECK(order.add("h") == f);
    CHECK_FALSE(take_both(one, g, f));
    other_thread.join();
}

TEST_CASE("lock_order: levels only upwards, at the first time", "[executor][lock_order][unit]") {
    lock_order    order;
    ordered_mutex low(order, "low", lock_level{1}), low2(order, "low2", lock_level{1}), high(order, "high", lock_level{2});
    ordered_mutex plain(order, "plain"), other(order, "other");
    CHECK(complaint([&] {
              std::lock_guard const first(high);
              std::lock_guard const second(low);
          }) == "takes low while holding high: level 1 is not above level 2");
    CHECK(complaint([&] {
              std::lock_guard const first(low2);
              std::lock_guard const second(low);
          }) == "takes low while holding low2: level 1 is not above level 1");
    CHECK(complaint([&] {
              std::lock_guard const first(high);
              std::lock_guard const second(plain);
              std::lock_guard const third(low);
          }) == "takes low while holding high: level 1 is not above level 2");
    CHECK(complaint([&] {
              std::lock_guard const first(low);
              std::lock_guard const second(other);
              std::lock_guard const third(high);
          }) == "none");
    CHECK(complaint([&] {
              std::lock_guard const first(low);
              low.lock();
          }) == "takes low while holding low: it would wait for itself");
}

TEST_CASE("lock_order: try_lock is never an inversion and teaches nothing", "[executor][lock_order][unit]") {
    lock_order    order;
    ordered_mutex a(order, "a", lock_level{2}), b(order, "b", lock_level{1}), c(order, "c");
    {
        std::lock_guard const first(a);
        REQUIRE(b.try_lock());
        b.unlock();
    }
    CHECK(complaint([&] {
              std::lock_guard const first(b);
              std::lock_guard const second(a);
          }) == "none");
    REQUIRE(a.try_lock());
    CHECK(complaint([&] { b.lock(); }) == "takes b while holding a: level 1 is not above level 2");
    std::thread([&] { CHECK_FALSE(a.try_lock()); }).join();
    a.unlock();
    CHECK(complaint([&] { std::scoped_lock const all(c, a, b); }) == "none");  // std::lock backs off
    CHECK(order.held(std::this_thread::get_id()).empty());
}

namespace {

/// Says what is done to it, and may refuse.
struct loud {
    std::string*      log;
    char              name;
    bool              refuses = false;
    void lock() const {
        if (refuses) throw 1;
        *log += name;
    }
    void unlock() const { *log += static_cast<char>(name - 'a' + 'A'); }
};

}  // namespace

TEST_CASE("ordered_lock: one order, whatever order they are named in", "[executor][lock_order][unit]") {
    lock_order                          order;
    ordered_mutex                       c(order, "c", lock_level{2}), a(order, "a", lock_level{1}), b(order, "b", lock_level{1});
    ordered_mutex<std::recursive_mutex> d(order, "d");
    auto const                          id = std::this_thread::get_id();
    std::vector<lock_order::lock_id> const upwards{a.id(), b.id(), c.id(), d.id()};
    {
        sluice::ordered_lock const all(d, c, b, a, b);
        CHECK(order.held(id) == upwards);
    }
    CHECK(order.held(id).empty());
    std::vector<ordered_mutex<>*> const some{&c, &b, &a, &c};
    {
        sluice::ordered_locks const all(std::span<ordered_mutex<>* const>{some});
        CHECK(order.held(id).size() == 3);
    }
    CHECK(order.held(id).empty());
    CHECK(complaint([&] {
              std::lock_guard const have(b);
              sluice::ordered_lock const all(c, a);
          }) == "takes a while holding b: level 1 is not above level 1");
    CHECK(order.held(id).empty());
}

TEST_CASE("ordered_lock: other mutexes by address; one that throws lets go of those before it", "[executor][lock_order][fault]") {
    std::string log;
    loud        m[3] = {{&log, 'a'}, {&log, 'b'}, {&log, 'c'}};
    { sluice::ordered_lock const all(m[2], m[0], m[1], m[0]); }
    CHECK(log == "abcCBA");
    log.clear();
    m[2].refuses = true;
    CHECK_THROWS_AS(sluice::ordered_lock(m[2], m[0], m[1]), int);
    CHECK(log == "abBA");
    log.clear();
    std::vector<loud*> const all{&m[1], &m[0]};
    { sluice::ordered_locks const held(std::span<loud* const>{all}); }
    CHECK(log == "abBA");
    sluice::ordered_locks const none(std::span<loud* const>{});
}

TEST_CASE("ordered_lock: threads that name two mutexes in both orders do not lock each other out", "[executor][lock_order][stress]") {
    std::mutex a, b;
    int        n = 0;
    test::run_threads(2, [&](std::size_t i) {
        for (int k = 0; k < 2000; ++k) {
            auto& x = i == 0 ? a : b;
            auto& y = i == 0 ? b : a;
            sluice::ordered_lock const both(x, y);
            ++n;
        }
    });
    CHECK(n == 4000);
}
