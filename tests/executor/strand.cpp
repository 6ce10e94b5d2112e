// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/strand.hpp>

#include <sluice/executor/manual_executor.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::manual_executor;
using sluice::manual_order;
using sluice::strand;
using sluice::thread_pool;

static_assert(sluice::executor<strand<thread_pool>>);
static_assert(sluice::executor<strand<strand<manual_executor>>>);

namespace {

/// Refuses posts when told, after it has taken the callable as a pool does.
struct moody_executor {
    manual_executor inner;
    int             refusals = 0;
    std::function<void()> before_refusal{};
    template <class F>
    void post(F&& f) {
        auto owned = std::make_unique<std::decay_t<F>>(std::forward<F>(f));
        if (refusals > 0) {
            --refusals;
            if (before_refusal) before_refusal();
            throw std::runtime_error("refused");
        }
        inner.post([owned = std::move(owned)] { (*owned)(); });
    }
};

}  // namespace

TEST_CASE("strand: the order of post is kept, whatever the executor does", "[executor][strand][unit]") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        manual_executor         e({.workers = 3, .order = manual_order::shuffled, .seed = seed});
        strand<manual_executor> a(e, {.quantum = 2}), b(e, {.quantum = 1});
        std::vector<int>        of_a, of_b;
        for (int i = 0; i < 20; ++i) {
            a.post([&, i] { of_a.push_back(i); });
            b.post([&, i] { of_b.push_back(i); });
        }
        e.run_until_idle();
        std::vector<int> expected(20);
        for (int i = 0; i < 20; ++i) expected[static_cast<std::size_t>(i)] = i;
        REQUIRE(of_a == expected);
        REQUIRE(of_b == expected);
    }
}

TEST_CASE("strand: a quantum, then the others' turn; a burst costs one post", "[executor][strand][unit]") {
    manual_executor         e;
    strand<manual_executor> s(e, {.quantum = 3});
    std::string             log;
    for (char c = 'a'; c < 'h'; ++c) s.post([&, c] { log += c; });
    CHECK(e.submitted() == 1);
    e.post([&] { log += '|'; });
    e.run_until_idle();
    CHECK(log == "abc|defg");
    CHECK(e.submitted() == 4);  // three tickets
    CHECK_THROWS_AS(strand<manual_executor>(e, {.quantum = 0}), std::invalid_argument);
}

TEST_CASE("strand: in virtual time, too, one task at a time", "[executor][strand][unit]") {
    manual_executor         e({.workers = 4, .order = manual_order::shuffled, .seed = 3});
    strand<manual_executor> s(e, {.quantum = 1});
    int                     inside = 0, most = 0;
    for (int i = 0; i < 5; ++i)
        s.post([&] {
            most = std::max(most, ++inside);
            e.spend(10ms);
            e.at_task_end([&]() noexcept { --inside; });
        });
    e.run_for(25ms);
    CHECK(e.busy() == 1);
    e.run_until_idle();
    CHECK(most == 1);
    CHECK(e.now() == sluice::time_point(50ms));
}

TEST_CASE("strand: posts from inside, copies, and whose task this is", "[executor][strand][unit]") {
    manual_executor                        e;
    std::optional<strand<manual_executor>> s(e);
    strand<manual_executor>                copy = *s, other(e);
    std::string                            log;
    CHECK(copy == *s);
    CHECK(!(copy == other));
    CHECK(!copy.running_in_this_strand());
    s->post([&, inner = *s]() mutable {
        CHECK(copy.running_in_this_strand());
        CHECK(!other.running_in_this_strand());
        inner.post([&] { log += "inner "; });
        log += "outer ";
    });
    copy.post([&] { log += "second "; });
    s.reset();
    e.run_until_idle();
    CHECK(log == "outer second inner ");
    CHECK(!copy.running_in_this_strand());
}

TEST_CASE("strand: the strand goes with its last task where nobody has a copy", "[executor][strand][unit]") {
    manual_executor e;
    auto            token = std::make_shared<int>(0);
    {
        strand<manual_executor> s(e, {.quantum = 1});
        for (int i = 0; i < 3; ++i) s.post([token] { ++*token; });
    }
    e.run_until_idle();
    CHECK(*token == 3);
    CHECK(token.use_count() == 1);
}

TEST_CASE("strand: a task that throws stops nothing", "[executor][strand][unit]") {
    SECTION("without a handler the executor gets it") {
        int                     errors = 0, ran = 0;
        manual_executor         e({.on_error = [&](std::exception_ptr) { ++errors; }});
        strand<manual_executor> s(e);
        for (int i = 0; i < 9; ++i)
            s.post([&, i] {
                if (i % 3 == 1) throw std::runtime_error("1, 4, 7");
                ++ran;
            });
        e.run_until_idle();
        CHECK(errors == 3);
        CHECK(ran == 6);
        CHECK(s.errors_dropped() == 0);
    }
    SECTION("with one, in order") {
        manual_executor         e;
        std::string             log;
        strand<manual_executor> s(e, {.on_error = [&](std::exception_ptr) { log += '!'; }});
        for (int i = 0; i < 6; ++i)
            s.post([&, i] {
                if (i % 3 == 1) throw 5;
                log += static_cast<char>('0' + i);
            });
        e.run_until_idle();
        CHECK(log == "0!23!5");
    }
}

TEST_CASE("strand: what the executor drops is destroyed once, and the strand goes on", "[executor][strand][unit]") {
    manual_executor         e;
    strand<manual_executor> s(e);
    auto                    token = std::make_shared<int>(0);
    for (int i = 0; i < 5; ++i) s.post([token] { ++*token; });
    CHECK(e.discard() == 1);  // the ticket
    CHECK(token.use_count() == 1);
    CHECK(s.dropped() == 5);
    s.post([token] { ++*token; });
    e.run_until_idle();
    CHECK(*token == 1);

    thread_pool         pool(1);
    strand<thread_pool> t(pool);
    pool.post([&] {
        for (int i = 0; i < 3; ++i) t.post([token] { ++*token; });
    });
    (void)pool.shutdown();  // drains
    CHECK(*token == 4);
    CHECK_THROWS_AS(t.post([token] { ++*token; }), sluice::pool_closed);
    CHECK(token.use_count() == 1);
    CHECK(t.dropped() == 0);
}

TEST_CASE("strand: a refused post has no effect; what came into it is posted or dropped", "[executor][strand][unit]") {
    moody_executor         e;
    strand<moody_executor> s(e);
    std::string            log;
    auto                   token = std::make_shared<int>(0);
    auto const             task = [&](char c) { return [&log, c, token] { log += c; }; };
    e.refusals = 1;
    CHECK_THROWS_AS(s.post(task('a')), std::runtime_error);
    CHECK(token.use_count() == 1);
    s.post(task('b'));
    e.inner.run_until_idle();
    CHECK(log == "b");

    e.before_refusal = [&] { s.post(task('c')); };  // another thread's, say
    e.refusals = 1;
    CHECK_THROWS_AS(s.post(task('d')), std::runtime_error);
    CHECK(e.inner.queued() == 1);
    e.inner.run_until_idle();
    CHECK(log == "bc");
    CHECK(s.dropped() == 0);

    e.refusals = 2;
    int calls = 0;
    e.before_refusal = [&] {
        if (calls++ == 0) s.post(task('e'));
    };
    CHECK_THROWS_AS(s.post(task('f')), std::runtime_error);
    CHECK(s.dropped() == 1);
    CHECK(token.use_count() == 1);
    e.before_refusal = {};
    s.post(task('g'));
    e.inner.run_until_idle();
    CHECK(log == "bcg");
}

TEST_CASE("strand: an executor that refuses between two quanta loses nothing", "[executor][strand][unit]") {
    moody_executor         e;
    strand<moody_executor> s(e, {.quantum = 2});
    int                    ran = 0;
    for (int i = 0; i < 7; ++i)
        s.post([&, i] {
            ++ran;
            if (i == 1) e.refusals = 2;
            if (i == 2 || i == 4) throw std::runtime_error("one leaves, one is counted");
        });
    CHECK_THROWS_AS(e.inner.run_until_idle(), std::runtime_error);
    e.inner.run_until_idle();
    CHECK(ran == 7);
    CHECK(s.errors_dropped() == 1);
}

TEST_CASE("strand: many threads, many strands: never two at once, each thread's order, everything once",
          "[executor][strand][stress]") {
    constexpr std::size_t threads = 4, strands = 3;
    constexpr int         each = 1500;
    struct object {
        int              inside = 0;  // no lock
        int              count = 0;
        bool             good = true;
        std::vector<int> next = std::vector<int>(threads);
    };
    std::vector<object> objects(strands);
    {
        thread_pool                      pool(3);
        std::vector<strand<thread_pool>> all;
        for (std::size_t i = 0; i < strands; ++i) all.emplace_back(pool, sluice::strand_options{.quantum = 5});
        test::run_threads(threads, [&](std::size_t t) {
            for (int i = 0; i < each; ++i)
                for (std::size_t s = 0; s < strands; ++s)
                    all[s].post([&o = objects[s], t, i] {
                        o.good = o.good && ++o.inside == 1 && o.next[t]++ == i;
                        ++o.count;
                        --o.inside;
                    });
        });
    }
    for (auto const& o : objects) {
        CHECK(o.good);
        CHECK(o.count == static_cast<int>(threads) * each);
    }
}
