// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/task_local.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

using sluice::carry;
using sluice::task_local;

static_assert(!std::is_copy_constructible_v<task_local<int>>);

TEST_CASE("task_local: the innermost value of this thread", "[executor][task_local][unit]") {
    task_local<std::string> name;
    task_local<int>         number;
    REQUIRE(name.get() == nullptr);
    {
        task_local<std::string>::scope const outer(name, "outer");
        task_local<int>::scope const         one(number, 1);
        REQUIRE(*name.get() == "outer");
        {
            task_local<std::string>::scope const inner(name, "inner");
            REQUIRE(*name.get() == "inner");
            REQUIRE(*number.get() == 1);
            bool elsewhere = true;
            std::thread([&] { elsewhere = name.get() != nullptr; }).join();
            REQUIRE_FALSE(elsewhere);
        }
        REQUIRE(*name.get() == "outer");
    }
    REQUIRE(name.get() == nullptr);
    int const other = 5;
    REQUIRE(number.get_or(other) == 5);
}

TEST_CASE("task_local: goes with a carried task, whatever the worker has bound", "[executor][task_local][unit]") {
    task_local<std::string> name;
    sluice::thread_pool     pool(2);
    std::atomic<int>        right{0};
    {
        task_local<std::string>::scope const here(name, "request 17");
        for (int i = 0; i < 100; ++i)
            pool.post(carry([&] {
                auto const* const n = name.get();
                if (n == nullptr || *n != "request 17") return;
                task_local<std::string>::scope const inside(name, "inside");
                pool.post(carry([&] { right += name.get() != nullptr && *name.get() == "inside" ? 1 : 0; }));
                pool.post([&] { right += name.get() == nullptr ? 1 : 0; });  // not carried: nothing
            }));
    }  // the values live as long as the tasks that carry them
    pool.wait_idle();
    REQUIRE(right == 200);
}

TEST_CASE("task_local: a carried callable keeps results, exceptions and arguments", "[executor][task_local][unit]") {
    task_local<int> number;
    auto            f = [&] {
        task_local<int>::scope const here(number, 4);
        return carry([&, own = std::make_unique<int>(3)](int x) {
            if (x < 0) throw std::runtime_error("negative");
            return *number.get() * 100 + *own * 10 + x;
        });
    }();
    auto g = std::move(f);
    REQUIRE(g(2) == 432);
    task_local<int>::scope const outside(number, 9);
    REQUIRE_THROWS_AS(g(-1), std::runtime_error);
    REQUIRE(*number.get() == 9);
}

TEST_CASE("task_local: values end once, with their last holder", "[executor][task_local][unit]") {
    auto const                       counted = std::make_shared<int>(0);
    task_local<std::shared_ptr<int>> value;
    {
        auto f = [&] {
            task_local<std::shared_ptr<int>>::scope const here(value, counted);
            auto                                          first = carry([] {});
            REQUIRE(counted.use_count() == 2);
            return first;
        }();
        REQUIRE(counted.use_count() == 2);
        auto const g = std::move(f);
        REQUIRE(counted.use_count() == 2);
    }
    REQUIRE(counted.use_count() == 1);

    bool bound = true;
    {
        test::scarce_memory const none(0);
        try {
            task_local<std::shared_ptr<int>>::scope const here(value, counted);
        } catch (std::bad_alloc const&) {
            bound = value.get() != nullptr;
        }
    }
    REQUIRE_FALSE(bound);
    REQUIRE(counted.use_count() == 1);
}

namespace {

struct step {
    sluice::unique_function<step()> next;
};
/// Binds one more value around what was bound before.
step bind_one_more(task_local<int>& number, int n) {
    task_local<int>::scope const here(number, n);
    return {carry([&number, n] { return bind_one_more(number, n + 1); })};
}

}  // namespace

TEST_CASE("task_local: a long chain of values ends without recursion", "[executor][task_local][unit]") {
    task_local<int> number;
    step            s = bind_one_more(number, 0);
    for (int i = 0; i < 200'000; ++i) {
        step after = s.next();
        s = std::move(after);
    }
    s.next = {};  // 200 000 values, each held by the next
    REQUIRE(number.get() == nullptr);
}
