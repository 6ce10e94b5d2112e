// SPDX-License-Identifier: BSL-1.0
// What a pool does at the beginning and the end of its threads, and what its observer sees.
#include <sluice/executor/thread_pool.hpp>
#include <sluice/executor/thread_pool_options.hpp>

#include "support/catch.hpp"
#include "support/death.hpp"
#include "support/eventually.hpp"

#include <atomic>
#include <latch>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <pthread.h>
#endif

using sluice::thread_pool;
using sluice::thread_pool_options;

namespace {

/// What happened to each thread: once 'start', some tasks, once 'exit'.
struct diary {
    std::mutex                              mutex;
    std::map<std::thread::id, std::string> threads;
    std::vector<int>                        now = std::vector<int>(8);  // threads at each place
    int                                     wrong = 0;
    void write(char c) {
        std::lock_guard const lock(mutex);
        threads[std::this_thread::get_id()] += c;
    }
    void start(std::size_t i) {
        write('s');
        std::lock_guard const lock(mutex);
        if (++now[i] != 1) ++wrong;
    }
    void exit(std::size_t i) {
        write('e');
        std::lock_guard const lock(mutex);
        if (--now[i] != 0) ++wrong;
    }
    [[nodiscard]] bool regular() const {
        for (auto const& [id, x] : threads)
            for (std::size_t k = 0; k < x.size(); ++k)  // a thread's id may be used again
                if (x.front() != 's' || x.back() != 'e' || (x[k] == 's') != (k == 0 || x[k - 1] == 'e')) return false;
        return wrong == 0;
    }
    [[nodiscard]] std::size_t count(char c) const {
        std::size_t n = 0;
        for (auto const& [id, x] : threads)
            for (char const y : x) n += y == c;
        return n;
    }
};

thread_pool_options written_to(diary& d, std::size_t workers, std::size_t most) {
    thread_pool_options o;
    o.workers = workers;
    o.min_workers = 1;
    o.max_workers = most;
    o.on_worker_start = [&d](std::size_t i) { d.start(i); };
    o.on_worker_exit = [&d](std::size_t i) { d.exit(i); };
    return o;
}

}  // namespace

TEST_CASE("thread_pool_options: the hooks run once on each thread, around its tasks", "[executor][thread_pool_options][unit]") {
    diary d;
    {
        thread_pool pool(written_to(d, 3, 6));
        for (int i = 0; i < 100; ++i) pool.post([&] { d.write('t'); });
        for (std::size_t const n : {6U, 1U, 4U, 2U, 5U}) {
            pool.resize(n);
            if (n != 2) CHECK(test::eventually([&] { return pool.provisioned() == n; }));
            (void)pool.broadcast([&](std::size_t) { d.write('t'); }).get();
        }
        auto const me = pool.attach_current_thread();  // has none
    }
    CHECK(d.regular());
    CHECK(d.count('s') == d.count('e'));
    CHECK(d.count('s') >= 3 + 3 + 3);
    CHECK(d.count('t') >= 100 + 6 + 1 + 4 + 5);
}

TEST_CASE("thread_pool_options: a place's next thread begins after the last one has ended", "[executor][thread_pool_options][unit]") {
    diary d;
    {
        thread_pool_options o = written_to(d, 2, 2);
        o.on_worker_exit = [&d](std::size_t i) {
            for (int k = 0; k < 50; ++k) std::this_thread::yield();
            d.exit(i);
        };
        thread_pool pool(std::move(o));
        for (int round = 0; round < 200; ++round) pool.resize(static_cast<std::size_t>(round % 2) + 1);
        for (int round = 0; round < 50; ++round) {
            std::size_t const n = static_cast<std::size_t>(round % 2) + 1;
            pool.resize(n);
            REQUIRE(test::eventually([&] { return pool.provisioned() == n; }));
        }
    }
    CHECK(d.regular());
}

TEST_CASE("thread_pool_options: what a hook throws is an error like a task's, and the thread goes on",
          "[executor][thread_pool_options][fault]") {
    std::atomic<int> errors{0};
    {
        thread_pool_options o;
        o.workers = 2;
        o.on_error = [&](std::exception_ptr) { errors.fetch_add(1); };
        o.on_worker_start = [](std::size_t) { throw std::runtime_error("start"); };
        o.on_worker_exit = [](std::size_t) { throw std::runtime_error("exit"); };
        thread_pool pool(std::move(o));
        CHECK(pool.submit([] { return 7; }).get() == 7);
        CHECK(test::eventually([&] { return errors.load() == 2; }));
    }
    CHECK(errors.load() == 4);
    auto const result = test::in_child([] {
        thread_pool_options o;
        o.workers = 1;
        o.on_worker_start = [](std::size_t) { throw std::runtime_error("nobody asked"); };
        thread_pool pool(std::move(o));
        pool.submit([] {}).get();
    });
    CHECK(result.aborted);
    CHECK_THAT(result.errors, test::contains("nobody asked"));
}

TEST_CASE("thread_pool_options: a start hook is on a worker, and may post", "[executor][thread_pool_options][unit]") {
    std::atomic<thread_pool*> where{nullptr};
    std::atomic<int>          ran{0}, right{0};
    thread_pool_options       o;
    o.workers = 2;
    o.on_worker_start = [&](std::size_t i) {
        while (where.load() == nullptr) std::this_thread::yield();
        if (where.load()->this_worker_index() == i) right.fetch_add(1);
        where.load()->post([&] { ran.fetch_add(1); });
    };
    thread_pool pool(std::move(o));
    where.store(&pool);
    CHECK(test::eventually([&] { return ran.load() == 2; }));
    CHECK(right.load() == 2);
}

TEST_CASE("thread_pool_options: threads have names", "[executor][thread_pool_options][unit]") {
    using sluice::detail::thread_name;
    CHECK(std::string(thread_name("sluice", 3).text) == "sluice-3");
    CHECK(std::string(thread_name("", 0).text) == "-0");
    CHECK(std::string(thread_name("a-very-long-name-indeed", 999).text) == "a-very-long-999");
    CHECK(std::string(thread_name("x", ~std::size_t{0}).text).size() <= thread_name::longest);
#if defined(__linux__) && defined(_GNU_SOURCE)
    auto const name_of = [](thread_pool& pool, std::size_t i) {
        return pool.submit_on(i, [] {
                       char text[32] = {};
                       static_cast<void>(::pthread_getname_np(::pthread_self(), text, sizeof text));
                       return std::string(text);
                   }).get();
    };
    char mine[32] = {};
    REQUIRE(::pthread_getname_np(::pthread_self(), mine, sizeof mine) == 0);
    thread_pool plain(2);
    CHECK(name_of(plain, 1) == "sluice-1");
    thread_pool_options o;
    o.workers = 1;
    o.name = "worker of mine!";
    thread_pool named(std::move(o));
    CHECK(name_of(named, 0) == "worker of min-0");
    thread_pool_options without;
    without.workers = 1;
    without.name = "";
    thread_pool unnamed(std::move(without));
    CHECK(name_of(unnamed, 0) == mine);
#endif
}

namespace {

struct seen {
    std::atomic<int> steals{0}, parks{0}, unparks{0}, starts{0}, exits{0}, resizes{0}, wrong{0};
    sluice::detail::scheduler_observer table() {
        sluice::detail::scheduler_observer o;
        o.context = this;
        o.steal = [](void* c, std::size_t thief, std::size_t victim, std::size_t n) noexcept {
            of(c).steals.fetch_add(1);
            if (thief == victim || thief > 3 || victim > 3 || n != 1) of(c).wrong.fetch_add(1);
        };
        o.park = [](void* c, std::size_t) noexcept { of(c).parks.fetch_add(1); };
        o.unpark = [](void* c, std::size_t) noexcept { of(c).unparks.fetch_add(1); };
        o.start = [](void* c, std::size_t) noexcept { of(c).starts.fetch_add(1); };
        o.exit = [](void* c, std::size_t) noexcept { of(c).exits.fetch_add(1); };
        o.resize = [](void* c, std::size_t from, std::size_t to) noexcept { of(c).resizes.fetch_add(static_cast<int>(from * 10 + to)); };
        return o;
    }
    static seen& of(void* c) { return *static_cast<seen*>(c); }
};

}  // namespace

TEST_CASE("scheduler_observer: sees steals, sleep, threads and resizes", "[executor][scheduler_observer][unit]") {
    seen       all;
    auto const table = all.table();
    {
        thread_pool_options o;
        o.workers = 2;
        o.min_workers = 1;
        o.max_workers = 4;
        o.observer = &table;
        thread_pool pool(std::move(o));
        CHECK(test::eventually([&] { return all.parks.load() >= 2; }));
        // One posts to itself, and waits until the other has stolen it.
        pool.submit([&] {
                std::latch other(1);
                pool.post([&] { other.count_down(); });
                other.wait();
            }).get();
        CHECK(all.steals.load() >= 1);
        CHECK(std::uint64_t(all.steals.load()) == pool.metrics().steals());
        CHECK(all.starts.load() == 2);
        pool.resize(4);
        pool.resize(4);
        pool.resize(1);
        CHECK(test::eventually([&] { return pool.provisioned() == 1; }));
        CHECK(test::eventually([&] { return all.exits.load() == 3; }));
        pool.pause();
        pool.wait_paused();
        pool.resume();
    }
    CHECK(all.starts.load() == 4);
    CHECK(all.exits.load() == 4);
    CHECK(all.parks.load() == all.unparks.load());
    CHECK(all.resizes.load() == 2 + 24 + 41);
    CHECK(all.wrong.load() == 0);
    // Functions that are null are not called.
    sluice::detail::scheduler_observer const nothing;
    thread_pool_options                      o;
    o.workers = 2;
    o.observer = &nothing;
    thread_pool pool(std::move(o));
    CHECK(pool.submit([] { return 7; }).get() == 7);
}

TEST_CASE("thread_pool_options: a worker that is wanted again while it leaves stays, and has no exit",
          "[executor][thread_pool_options][unit]") {
    struct recall {
        std::atomic<thread_pool*> pool{nullptr};
        static void               unpark(void* context, std::size_t) noexcept {
            if (auto* const p = static_cast<recall*>(context)->pool.exchange(nullptr)) p->resize(2);
        }
    } r;
    sluice::detail::scheduler_observer watch;
    watch.context = &r;
    watch.unpark = &recall::unpark;
    diary d;
    {
        thread_pool_options o = written_to(d, 2, 2);
        o.observer = &watch;
        thread_pool pool(std::move(o));
        REQUIRE(test::eventually([&] { return pool.ready() == 2; }));
        for (int round = 0; round < 20; ++round) {
            pool.pause();
            pool.wait_paused();
            r.pool.store(&pool);
            pool.resize(1);  // one is told that it may leave, and on its way out asks for two again
            REQUIRE(test::eventually([&] { return r.pool.load() == nullptr && pool.size() == 2 && pool.ready() == 2; }));
            pool.resume();
            CHECK(pool.broadcast([](std::size_t) {}).get() == 2);
        }
        {
            std::lock_guard const lock(d.mutex);
            CHECK(d.count('s') == 2);
            CHECK(d.count('e') == 0);
        }
        pool.resize(1);  // now in earnest, and the place is good for another one
        REQUIRE(test::eventually([&] { return pool.provisioned() == 1; }));
        pool.resize(2);
        CHECK(test::eventually([&] { return pool.ready() == 2; }));
    }
    CHECK(d.regular());
    CHECK(d.count('s') == 3);
    CHECK(d.count('e') == 3);
}
