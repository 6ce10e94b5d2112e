// SPDX-License-Identifier: BSL-1.0
// The n-th allocation fails, for every n: no effect, no dead key, no lost item, no leak.
#include <sluice/flow/batcher.hpp>
#include <sluice/flow/data_loader.hpp>
#include <sluice/flow/dedup_table.hpp>
#include <sluice/flow/lease_table.hpp>
#include <sluice/flow/primed_cache.hpp>
#include <sluice/flow/single_flight.hpp>

#include "support/allocation_new.hpp"
#include "support/catch.hpp"

#include <memory>
#include <new>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::once_status;
using sluice::time_point;

namespace {

/// Calls body(attempt) with the n-th allocation failing, for n = 0, 1, … until none fails. attempt(f) runs f with the
/// scarce memory and says whether it threw std::bad_alloc. How many runs failed.
template <class Body>
int sweep(Body body) {
    int failures = 0;
    for (std::uint64_t n = 0;; ++n) {
        auto const before = test::live_allocations();
        bool       failed = false;
        body([&](auto f) {
            test::scarce_memory const scarce(n);
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
        ++failures;
    }
}

std::string const long_key = "a key that is too long for the small string optimisation";

}  // namespace

TEST_CASE("single_flight: an allocation that fails leaves no dead key", "[flow][single_flight][property]") {
    bool right = true;
    int const failures = sweep([&](auto attempt) {
        sluice::single_flight<std::string, std::string> flights({.ttl = 1h});
        bool const threw = attempt([&] {
            static_cast<void>(flights.run(long_key, [] { return long_key; }));
        });
        right = right && flights.in_flight() == 0 && flights.kept() == (threw ? 0u : 1u);
        right = right && *flights.run(long_key, [] { return long_key; }) == long_key;
    });
    REQUIRE(failures > 2);
    int const waiting = sweep([&](auto attempt) {
        sluice::single_flight<int, int> flights;
        auto                            leader = flights.join(1);
        attempt([&] { static_cast<void>(flights.join(1)); });
        leader.abandon();
        right = right && flights.in_flight() == 0;
    });
    REQUIRE(waiting > 0);
    int const completing = sweep([&](auto attempt) {
        sluice::single_flight<int, int> flights;
        auto                            leader = flights.join(1);
        auto                            waits = flights.join(1);
        bool const threw = attempt([&] { leader.complete(1); });
        right = right && leader.leads() == threw;  // still its own to end
        if (threw) leader.complete(1);
        right = right && waits.poll() == once_status::done;
    });
    REQUIRE(completing > 0);
    REQUIRE(right);
}

TEST_CASE("dedup_table: an allocation that fails has no effect", "[flow][dedup_table][property]") {
    bool right = true;
    REQUIRE(sweep([&](auto attempt) {
                sluice::dedup_table<std::string, int, sluice::manual_clock> seen;
                for (int i = 0; i < 8; ++i) seen.begin(std::to_string(i)).complete(i);
                bool const threw = attempt([&] { seen.begin(long_key).complete(7); });
                right = right && seen.size() == (threw ? 8u : 9u) && seen.in_flight() == 0;
                for (int i = 0; i < 8; ++i) right = right && seen.begin(std::to_string(i)).status() == once_status::done;
                auto const again = seen.begin(long_key);
                right = right && again.status() == (threw ? once_status::first : once_status::done);
            }) > 3);
    REQUIRE(right);
}

TEST_CASE("lease_table, fence: an allocation that fails has no effect", "[flow][lease_table][property]") {
    bool right = true;
    REQUIRE(sweep([&](auto attempt) {
                sluice::lease_table<std::string, sluice::manual_clock> leases;
                for (int i = 0; i < 8; ++i) static_cast<void>(leases.acquire(std::to_string(i)));
                sluice::lease l;
                bool const    threw = attempt([&] { l = leases.acquire(long_key); });
                right = right && threw != static_cast<bool>(l) && leases.size() == (threw ? 8u : 9u);
                right = right && leases.acquire("0").status == sluice::lease_status::held;
                right = right && static_cast<bool>(leases.acquire(long_key)) == threw;
            }) > 2);
    REQUIRE(sweep([&](auto attempt) {
                sluice::fence<std::string> disk({.capacity = 8});
                for (std::uint64_t i = 1; i <= 8; ++i) static_cast<void>(disk.check(std::to_string(i), i));
                bool const threw = attempt([&] { static_cast<void>(disk.check(long_key, 9)); });
                right = right && disk.check("1", 1) == threw;  // whether it still was there
            }) > 1);
    REQUIRE(right);
}

TEST_CASE("primed_cache: an allocation that fails has no effect", "[flow][primed_cache][property]") {
    bool right = true;
    REQUIRE(sweep([&](auto attempt) {
                sluice::primed_cache<std::string, std::string, sluice::manual_clock> cache;
                sluice::xoshiro256ss                                                 random(1);
                attempt([&] { static_cast<void>(cache.get(long_key, [] { return long_key; }, random)); });
                right = right && *cache.get(long_key, [] { return long_key; }, random) == long_key;
            }) > 3);
    REQUIRE(right);
}

TEST_CASE("batcher: an allocation that fails leaves the item with the caller", "[flow][batcher][property]") {
    using pointer = std::unique_ptr<int>;
    bool right = true;
    int  failures = 0;
    for (int const already : {0, 1, 7, 8, 15, 16, 99})  // before a batch, before it grows, before it is full
        failures += sweep([&](auto attempt) {
            std::vector<int> flushed;
            flushed.reserve(200);
            int told = 0;
            {
                sluice::batcher<pointer> b({}, [&](sluice::batch<pointer>& all) {
                    for (auto const& p : all) flushed.push_back(*p);
                });
                for (int i = 0; i < already; ++i) static_cast<void>(b.try_push(std::make_unique<int>(i)));
                auto       item = std::make_unique<int>(already);
                bool const threw = attempt([&] {
                    static_cast<void>(b.try_push(std::move(item), {.done = [&told](auto const&) noexcept { ++told; }}));
                });
                right = right && threw == (item != nullptr);
                if (threw) right = right && b.pending() == static_cast<std::size_t>(already) && b.try_push(std::move(item));
                else told -= 1;
            }
            right = right && told == 0 && flushed.size() == static_cast<std::size_t>(already) + 1;
            for (std::size_t i = 0; i < flushed.size(); ++i) right = right && flushed[i] == static_cast<int>(i);
        });
    REQUIRE(failures > 5);
    REQUIRE(sweep([&](auto attempt) {  // an item that does not fit: the batch it leaves behind stays as it was, too
                int                  flushed = 0;
                sluice::batcher<int> b({.max_bytes = 10, .max_age = 1h}, [&](sluice::batch<int>&) { ++flushed; });
                static_cast<void>(b.try_push(1, {.bytes = 6}));
                bool const threw = attempt([&] { static_cast<void>(b.try_push(2, {.bytes = 6})); });
                right = right && flushed == (threw ? 0 : 1) && b.waiting() == 1 && b.next_due() != time_point::max();
            }) > 1);
    REQUIRE(sweep([&](auto attempt) {
                sluice::batcher<int> b({}, [](sluice::batch<int>&) {});
                for (int i = 0; i < 5; ++i) static_cast<void>(b.try_push(int(i)));
                std::vector<int> left;
                bool const       threw = attempt([&] { left = b.close_and_return(); });
                right = right && left.size() == (threw ? 0u : 5u) && b.pending() == (threw ? 5u : 0u);
                right = right && b.try_push(9).admitted() == threw;  // open as before
            }) > 0);
    REQUIRE(right);
}

TEST_CASE("data_loader: an allocation that fails has no effect", "[flow][data_loader][property]") {
    bool right = true;
    REQUIRE(sweep([&](auto attempt) {
                sluice::data_loader<std::string, int> l({}, [](std::span<std::string const> keys) {
                    std::vector<int> sizes;
                    for (auto const& k : keys) sizes.push_back(static_cast<int>(k.size()));
                    return sizes;
                });
                for (int i = 0; i < 8; ++i) static_cast<void>(l.load(std::to_string(i)));
                bool const threw = attempt([&] { static_cast<void>(l.load(long_key)); });
                right = right && l.waiting() == (threw ? 8u : 9u);
                right = right && *l.load(long_key).get() == static_cast<int>(long_key.size()) && l.calls() == 1;
            }) > 3);
    REQUIRE(right);
}
