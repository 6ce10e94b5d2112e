// SPDX-License-Identifier: BSL-1.0
// 250 — a registry of services in which one node dies.
// Build:  c++ -std=c++20 -Iinclude examples/250_service_registry.cpp -pthread
#include <sluice/routing/service_registry.hpp>
#include <cstdio>

using namespace std::chrono_literals;

static char const* const words[] = {"registered", "updated", "healthy again", "unhealthy", "deregistered", "expired"};

int main() {
    sluice::manual_clock     clock;  // in production: steady_clock, the default, and a service_registry_driver
    sluice::service_registry registry({.ttl = 10s}, clock);
    registry.watch("db", [&](sluice::service_event const& e) {
        std::printf("%3d s  %s %s\n", static_cast<int>(e.at.time_since_epoch() / 1s), e.instance->id.c_str(),
                    words[static_cast<int>(e.change)]);
    });

    auto const one = registry.register_instance({.service = "db", .id = "db-1", .address = "10.0.0.1", .zone = "west"});
    auto const two = registry.register_instance({.service = "db", .id = "db-2", .address = "10.0.0.2", .zone = "east"});

    auto       reader = registry.reader();  // one per thread; a look waits for nobody
    auto const look = [&] {
        std::printf("       found:");
        for (auto const& e : reader.discover("db")) std::printf(" %s", e.instance->address.c_str());
        std::printf("\n");
    };
    look();

    for (int seconds = 4; seconds <= 40; seconds += 4) {
        clock.advance(4s);
        registry.heartbeat("db", "db-1", one.incarnation);
        if (seconds <= 8) registry.heartbeat("db", "db-2", two.incarnation);  // then it dies
        if (!registry.expire().changes.empty()) look();
    }

    // A message that was long on its way cannot bring it back; a new life can.
    auto const late = registry.register_instance({.service = "db", .id = "db-2", .incarnation = two.incarnation});
    std::printf("       an old message: %s\n", late ? "accepted" : "stale");
    registry.register_instance({.service = "db", .id = "db-2", .address = "10.0.0.7", .zone = "east"});
    look();
}
// Expected output:
//     0 s  db-1 registered
//     0 s  db-2 registered
//          found: 10.0.0.1 10.0.0.2
//    20 s  db-2 unhealthy
//          found: 10.0.0.1
//    40 s  db-2 expired
//          found: 10.0.0.1
//          an old message: stale
//    40 s  db-2 registered
//          found: 10.0.0.1 10.0.0.7
