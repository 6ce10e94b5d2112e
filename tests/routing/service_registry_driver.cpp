// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/service_registry.hpp>
#include <sluice/routing/service_registry_driver.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"

#include <atomic>
#include <exception>
#include <stdexcept>
#include <thread>

using namespace std::chrono_literals;
using sluice::service_change;
using sluice::service_event;
using sluice::service_registry_driver;

namespace {

using registry = sluice::service_registry<sluice::manual_clock>;

/// Waits until the test has moved the clock.
struct watching_sleeper {
    sluice::manual_clock clock;
    std::atomic<int>*    sleeps;

    bool sleep_until(sluice::time_point until, std::stop_token stop) {
        sleeps->fetch_add(1);
        while (clock.now() < until) {
            if (stop.stop_requested()) return false;
            std::this_thread::yield();
        }
        return true;
    }
};

}  // namespace

TEST_CASE("service_registry_driver: the silent expire without anybody's call", "[routing][service_registry_driver][unit]") {
    sluice::manual_clock clock;
    std::atomic<int>     sleeps{0}, unhealthy{0}, expired{0};
    registry             r({.ttl = 10s}, clock);
    r.watch("", [&](service_event const& e) {
        if (e.change == service_change::unhealthy) unhealthy.fetch_add(1);
        if (e.change == service_change::expired) expired.fetch_add(1);
    });
    service_registry_driver driver(r, watching_sleeper{clock, &sleeps});
    REQUIRE(test::eventually([&] { return sleeps.load() == 1; }));  // nothing is there yet: it looks again in a ttl
    clock.advance(4s);
    r.register_instance({.service = "s", .id = "a"});
    clock.advance(6s);
    REQUIRE(test::eventually([&] { return sleeps.load() == 2; }));
    REQUIRE(unhealthy.load() == 0);
    clock.advance(4s);
    REQUIRE(test::eventually([&] { return sleeps.load() == 3; }));
    REQUIRE(unhealthy.load() == 1);
    clock.advance(20s);
    REQUIRE(test::eventually([&] { return expired.load() == 1; }));
    REQUIRE(r.discover("s", sluice::health_filter::any).empty());
}

TEST_CASE("service_registry_driver: it ends at once, also on the system's clock", "[routing][service_registry_driver][unit]") {
    sluice::service_registry r({.ttl = 1h});
    r.register_instance({.service = "s", .id = "a"});
    { service_registry_driver idle(r); }
    REQUIRE(r.discover("s").size() == 1);
    sluice::service_registry quick({.ttl = 1ms});
    quick.register_instance({.service = "s", .id = "a"});
    service_registry_driver driver(quick);
    REQUIRE(test::eventually([&] { return quick.discover("s", sluice::health_filter::any).empty(); }));
}

TEST_CASE("service_registry_driver: what a callback throws goes to on_error, and it goes on", "[routing][service_registry_driver][unit]") {
    sluice::manual_clock clock;
    std::atomic<int>     sleeps{0}, errors{0};
    registry             r({.ttl = 10s}, clock);
    r.watch("", [](service_event const& e) {
        if (e.change != service_change::registered) throw std::runtime_error("no");
    });
    r.register_instance({.service = "s", .id = "a"});
    service_registry_driver driver(r, watching_sleeper{clock, &sleeps}, [&](std::exception_ptr e) {
        try {
            std::rethrow_exception(e);
        } catch (std::runtime_error const&) {
            errors.fetch_add(1);
        }
    });
    REQUIRE(test::eventually([&] { return sleeps.load() == 1; }));
    clock.advance(10s);
    REQUIRE(test::eventually([&] { return sleeps.load() == 2; }));  // it has seen what time it is
    REQUIRE(errors.load() == 1);
    clock.advance(20s);
    REQUIRE(test::eventually([&] { return errors.load() == 2; }));
    REQUIRE(r.discover("s", sluice::health_filter::any).empty());
}
