// SPDX-License-Identifier: BSL-1.0
// What bounded_queue takes from the heap, and what is left when there is nothing.
#include <sluice/flow/bounded_queue.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/queue_nodes.hpp"

#include <sluice/flow/adaptive_lifo.hpp>
#include <sluice/flow/aging_priority.hpp>
#include <sluice/flow/codel.hpp>
#include <sluice/flow/drr.hpp>
#include <sluice/flow/lifo.hpp>
#include <sluice/flow/rfc_codel.hpp>
#include <sluice/flow/wfq.hpp>

#include <cstdint>
#include <memory>
#include <new>

using namespace std::chrono_literals;
using sluice::bounded_queue;
using test::at_ms;

namespace {

constexpr std::uint64_t counting_only = UINT64_MAX - 1;

/// Calls body(attempt) with the n-th allocation failing, for n = 0, 1, … until none fails; how many did. attempt(f) says
/// whether f threw std::bad_alloc. -1 after a leak.
template <class Body>
int sweep_queue(Body body) {
    for (int failures = 0;; ++failures) {
        auto const before = test::live_allocations();
        bool       failed = false;
        body([&](auto f) {
            test::scarce_memory const scarce(static_cast<std::uint64_t>(failures));
            bool                      threw = false;
            try {
                f();
            } catch (std::bad_alloc const&) {
                threw = true;
            }
            failed = scarce.failed();
            return threw;
        });
        if (test::live_allocations() != before) return -1;
        if (!failed) return failures;
    }
}

}  // namespace

TEMPLATE_TEST_CASE("bounded_queue: nothing is allocated for places that were used before", "[flow][bounded_queue][unit]",
                   sluice::fifo, sluice::lifo, sluice::adaptive_lifo, sluice::codel, sluice::rfc8289_codel,
                   sluice::aging_priority) {
    int                          dropped = 0;
    bounded_queue<int, TestType> q({.capacity = 100}, [&](int&&, sluice::drop_info const&) { ++dropped; });
    auto const                   work = [&](int from) {
        int refused = 0;
        for (int i = 0; i < 300; ++i) {
            auto const now = at_ms(from + i);
            for (std::uint32_t p = 0; p < 3; ++p)
                refused += !q.push(i, {.priority = p * 10, .deadline = p == 0 ? now + 3ms : sluice::no_deadline}, now);
            q.report_service(0ms);
            if (i % 3 == 0) (void)q.try_pop(now);
        }
        return refused;
    };
    {
        test::scarce_memory const count(counting_only);
        work(0);
        REQUIRE(count.allocations() > 2);
        REQUIRE(count.allocations() < 20);  // in blocks
    }
    int                       refused = 0, before = dropped;
    test::scarce_memory const count(counting_only);
    refused = work(300);
    auto const allocations = count.allocations();
    REQUIRE(allocations == 0);
    REQUIRE(refused + dropped - before > 300);
}

TEMPLATE_TEST_CASE("bounded_queue: one allocation for each tenant that begins to wait", "[flow][bounded_queue][unit]",
                   sluice::drr<>, sluice::wfq) {
    bounded_queue<int, TestType> q({.capacity = 16});
    auto const                   work = [&](int rounds) {
        test::scarce_memory const count(counting_only);
        for (int i = 0; i < rounds; ++i) {
            for (std::uint64_t t = 0; t < 4; ++t)
                for (int k = 0; k < 4; ++k) (void)q.push(k, {.tenant = t}, at_ms(0));
            for (int k = 0; k < 16; ++k) (void)q.try_pop(at_ms(0));
        }
        return count.allocations();
    };
    work(1);
    REQUIRE(work(10) == 40);
}

TEMPLATE_TEST_CASE("bounded_queue: a push without memory has no effect", "[flow][bounded_queue][property]", sluice::fifo,
                   sluice::aging_priority, sluice::wfq, sluice::drr<>, sluice::drr<sluice::codel>) {
    bool      right = true;
    int const failures = sweep_queue([&](auto attempt) {
        bounded_queue<std::unique_ptr<int>, TestType> q({.capacity = 100});
        std::uint64_t                                 tenants = 0;
        for (int i = 0; i < 16; ++i) right = right && q.push(std::make_unique<int>(i), {.tenant = tenants++}, at_ms(0));
        auto       item = std::make_unique<int>(16);
        bool const threw = attempt([&] { right = right && q.push(std::move(item), {.tenant = tenants}, at_ms(0)); });
        right = right && threw == (item != nullptr) && q.size_approx() == (threw ? 16u : 17u);
        right = right && q.counters().accepted == q.size_approx() && q.counters().rejected == 0;
        if (threw) right = right && q.push(std::move(item), {.tenant = tenants}, at_ms(0));
        for (int i = 0; i < 17; ++i) {
            auto const popped = q.try_pop(at_ms(0));
            right = right && popped && *popped->value == i;
        }
        right = right && !q.try_pop(at_ms(0));
    });
    REQUIRE(failures >= (sluice::preparing_discipline<TestType> ? 3 : 2));
    REQUIRE(right);
}

TEST_CASE("bounded_queue: a list without memory takes nothing out", "[flow][bounded_queue][property]") {
    bool right = true;
    REQUIRE(sweep_queue([&](auto attempt) {
                bounded_queue<int> q({.capacity = 10});
                for (int i = 0; i < 5; ++i) right = right && q.push(i, {.deadline = at_ms(i < 2 ? 1 : 10)}, at_ms(0));
                right = right && q.try_pop(at_ms(5))->value == 2;
                bool const threw = attempt([&] { right = right && q.drain().size() == 2; });
                right = right && q.size_approx() == (threw ? 2u : 0u);
            }) == 1);
    REQUIRE(sweep_queue([&](auto attempt) {
                bounded_queue<int> q({.capacity = 10});
                for (int i = 0; i < 5; ++i) right = right && q.push(i, {.deadline = at_ms(1)}, at_ms(0));
                right = right && !q.try_pop(at_ms(5));
                bool const threw = attempt([&] { right = right && q.take_dropped().size() == 5; });
                right = right && q.take_dropped().size() == (threw ? 5u : 0u);
            }) == 1);
    REQUIRE(right);
}

TEST_CASE("bounded_queue: without memory for a change of level the level follows later", "[flow][bounded_queue][property]") {
    bool right = true;
    REQUIRE(sweep_queue([&](auto attempt) {
                bounded_queue<int> q({.capacity = 10});
                int                heard = 0;
                for (int i = 0; i < 7; ++i) right = right && q.push(i, {}, at_ms(0));
                right = right && q.gauge().when_below(sluice::load_level::yellow, [&] { ++heard; }) != 0;
                right = right && q.try_pop(at_ms(0))->value == 0;
                bool const threw = attempt([&] { right = right && q.try_pop(at_ms(0))->value == 1; });  // 5 of 10: green
                right = right && !threw && q.try_pop(at_ms(0))->value == 2;
                right = right && q.level() == sluice::load_level::green && heard == 1;
            }) > 0);
    REQUIRE(right);
}
