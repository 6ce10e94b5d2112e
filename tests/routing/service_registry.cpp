// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/service_registry.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <cmath>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::health_filter;
using sluice::registry_answer;
using sluice::service_change;
using sluice::service_event;
using sluice::service_instance;
using sluice::service_registry_options;
using sluice::time_point;

namespace {

using registry = sluice::service_registry<sluice::manual_clock>;
constexpr auto ns = sluice::duration(1);
constexpr auto any = health_filter::any;

time_point at(sluice::duration d) { return time_point(d); }

/// "a b" for the healthy ones, "a b-" where b is not.
std::string shown(registry& r, std::string const& service) {
    std::string text;
    std::size_t healthy = 0;
    for (auto const& e : r.discover(service, any)) {
        text += (text.empty() ? "" : " ") + e.instance->id + (e.healthy ? "" : "-");
        healthy += e.healthy ? 1 : 0;
    }
    REQUIRE(r.discover(service).size() == healthy);
    return text;
}

char const* name(service_change c) {
    static char const* const names[] = {"registered", "updated", "healthy", "unhealthy", "deregistered", "expired"};
    return names[static_cast<std::size_t>(c)];
}

}  // namespace

TEST_CASE("service_registry: impossible options and instances are refused by name", "[routing][service_registry][unit]") {
    struct row {
        service_registry_options options;
        char const*              word;
    };
    for (row const& r : {row{{.ttl = 0ns}, "ttl"}, row{{.ttl = -1ns}, "ttl"}, row{{.unhealthy_after = 0}, "unhealthy_after"},
                         row{{.unhealthy_after = NAN}, "unhealthy_after"}, row{{.remove_after = 0.5}, "remove_after"},
                         row{{.remove_after = INFINITY}, "remove_after"}, row{{.remove_after = NAN}, "remove_after"},
                         row{{.forget_after = -1}, "forget_after"}, row{{.forget_after = NAN}, "forget_after"},
                         row{{.most_expiring = 0}, "most_expiring"}, row{{.most_expiring = 1.1}, "most_expiring"},
                         row{{.most_expiring = NAN}, "most_expiring"}}) {
        std::string what;
        try {
            registry refused(r.options);
        } catch (std::invalid_argument const& e) {
            what = e.what();
        }
        CHECK(what.find(r.word) != std::string::npos);
    }
    registry r;
    REQUIRE_THROWS_AS(r.register_instance({.service = "", .id = "a"}, at(0s)), std::invalid_argument);
    REQUIRE_THROWS_AS(r.register_instance({.service = "s", .id = ""}, at(0s)), std::invalid_argument);
    REQUIRE_THROWS_AS(r.register_instance({.service = "s", .id = "a", .incarnation = UINT64_MAX}, at(0s)), std::invalid_argument);
    REQUIRE(r.version() == 1);
}

TEST_CASE("service_registry: what was registered is found whole", "[routing][service_registry][unit]") {
    registry               r;
    service_instance const db{.service = "db", .id = "2", .address = "10.0.0.2:5432", .zone = "west", .weight = 3,
                              .metadata = {{"role", "primary"}, {"disk", "ssd"}}, .incarnation = 17};
    auto                   reader = r.reader();
    REQUIRE(reader.discover("db").empty());
    auto const answer = r.register_instance(db, at(1s));
    REQUIRE(answer);
    REQUIRE(answer.answer == registry_answer::registered);
    REQUIRE(answer.incarnation == 17);
    r.register_instance({.service = "db", .id = "1"}, at(1s));
    r.register_instance({.service = "cache", .id = "1", .weight = 0}, at(1s));
    auto const found = reader.discover("db");
    REQUIRE(found.size() == 2);
    REQUIRE(found[0].instance->id == "1");  // by id, not by time
    REQUIRE(*found[1].instance == db);
    REQUIRE(sluice::node_weight(found[1]) == 3);
    REQUIRE(sluice::count_usable(found) == 2);
    REQUIRE(sluice::count_usable(reader.discover("cache")) == 0);  // drained
    REQUIRE(reader.directory().services() == 2);
    REQUIRE(reader.directory().service(0) == "cache");
    REQUIRE(reader.directory().find("db", "2")->instance->zone == "west");
    REQUIRE(reader.directory().find("db", "3") == nullptr);
    REQUIRE(reader.directory().find("d", "2") == nullptr);
    REQUIRE(reader.version() == 4);
    auto const view = reader.view();
    r.deregister("db", "2", 17, at(2s));
    REQUIRE(view->discover("db").size() == 2);  // the version that it was
    REQUIRE(shown(r, "db") == "1");
    REQUIRE(r.version() == 5);
}

TEST_CASE("service_registry: the limits of a silent instance, to the nanosecond", "[routing][service_registry][unit]") {
    struct row {
        service_registry_options options;
        sluice::duration         unhealthy, removed, forgotten;
    };
    for (row const& o : {row{{.ttl = 10s}, 10s, 30s, 130s}, row{{.ttl = 1ns}, 1ns, 3ns, 13ns},
                         row{{.ttl = 10s, .unhealthy_after = 1.5, .remove_after = 2.25, .forget_after = 0}, 15s, 22500ms, 22500ms},
                         row{{.ttl = 7s, .unhealthy_after = 1, .remove_after = 1, .forget_after = 2}, 7s, 7s, 21s},
                         row{{.ttl = 3ns, .unhealthy_after = 0.1, .remove_after = 0.2, .forget_after = 1}, 1ns, 1ns, 4ns},
                         row{{.ttl = 365 * 24h, .unhealthy_after = 3, .remove_after = 9}, 3 * 365 * 24h, 9 * 365 * 24h,
                             19 * 365 * 24h}}) {
        auto const start = at(5s);
        for (auto const limit : {o.unhealthy, o.removed})
            for (auto const offset : {-ns, 0 * ns, ns}) {
                auto const silent = limit + offset;
                registry   r(o.options);
                r.register_instance({.service = "s", .id = "a"}, start - 3s);
                REQUIRE(r.heartbeat("s", "a", 1, start) == registry_answer::renewed);
                auto const report = r.expire(start + silent);
                INFO("ttl " << o.options.ttl.count() << " silent for " << silent.count());
                REQUIRE(shown(r, "s") == (silent >= o.removed ? "" : silent >= o.unhealthy ? "a-" : "a"));
                REQUIRE(report.next > start + silent);
                REQUIRE(report.delayed == 0);
            }
        // Whoever calls when it is told to is never late: the limits are met exactly. And what is removed is remembered.
        registry r(o.options);
        r.register_instance({.service = "s", .id = "a", .incarnation = 4}, start);
        auto                          now = start;
        std::vector<sluice::duration> times;
        for (int calls = 0; now - start <= o.forgotten && calls < 100; ++calls) {
            auto const report = r.expire(now);
            for (auto const& c : report.changes) times.push_back(c.at - start);
            REQUIRE(report.next > now);
            now = report.next;
        }
        REQUIRE(times == std::vector{o.unhealthy, o.removed});
        if (o.forgotten > o.removed) {
            for (auto const& [t, answer] : {std::pair{o.forgotten - ns, registry_answer::stale},
                                            std::pair{o.forgotten, registry_answer::registered}}) {
                registry again(o.options);
                again.register_instance({.service = "s", .id = "a", .incarnation = 4}, start);
                again.expire(start + o.removed);
                again.expire(start + t);
                REQUIRE(again.register_instance({.service = "s", .id = "a", .incarnation = 4}, start + t).answer == answer);
            }
        }
    }
}

TEST_CASE("service_registry: a heartbeat gives a whole ttl, and health back", "[routing][service_registry][unit]") {
    registry r({.ttl = 10s});
    r.register_instance({.service = "s", .id = "a"}, at(0s));
    for (int i = 1; i <= 5; ++i) {
        REQUIRE(r.heartbeat("s", "a", 1, at(i * 9s)) == registry_answer::renewed);
        REQUIRE(r.expire(at(i * 9s)).changes.empty());
    }
    REQUIRE(r.version() == 2);  // heartbeats of the healthy publish nothing
    REQUIRE(r.expire(at(55s)).changes.size() == 1);
    REQUIRE(shown(r, "s") == "a-");
    REQUIRE(r.heartbeat("s", "a", 1, at(74s)) == registry_answer::renewed);
    REQUIRE(shown(r, "s") == "a");
    REQUIRE(r.expire(at(75s)).changes.empty());
    REQUIRE(r.expire(at(104s)).changes.size() == 2);  // nobody looked in between: unhealthy, then expired
    REQUIRE(shown(r, "s").empty());
    REQUIRE(r.heartbeat("s", "a", 1, at(104s)) == registry_answer::unknown);
}

TEST_CASE("service_registry: old messages neither revive nor overwrite", "[routing][service_registry][unit]") {
    registry r({.ttl = 10s});
    auto const send = [&](std::uint64_t incarnation, char const* address, sluice::duration t) {
        auto const a = r.register_instance({.service = "s", .id = "a", .address = address, .incarnation = incarnation}, at(t));
        return std::pair(a.answer, a.incarnation);
    };
    using answer = std::pair<registry_answer, std::uint64_t>;
    auto const address = [&] { return r.discover("s", any).at(0).instance->address; };
    REQUIRE(send(5, "old", 0s) == answer(registry_answer::registered, 5));
    REQUIRE(send(7, "new", 1s) == answer(registry_answer::updated, 7));
    auto const version = r.version();
    REQUIRE(send(5, "old", 2s) == answer(registry_answer::stale, 7));
    REQUIRE(send(7, "other", 2s) == answer(registry_answer::stale, 7));  // the same life says something else
    REQUIRE(r.heartbeat("s", "a", 5, at(9s)) == registry_answer::stale);
    REQUIRE(r.heartbeat("s", "a", 8, at(9s)) == registry_answer::unknown);
    REQUIRE(r.heartbeat("s", "b", 7, at(9s)) == registry_answer::unknown);
    REQUIRE(r.deregister("s", "a", 6, at(9s)) == registry_answer::stale);
    REQUIRE(r.version() == version);
    REQUIRE(address() == "new");
    r.expire(at(11s));  // none of these was a sign of life
    REQUIRE(shown(r, "s") == "a-");
    REQUIRE(send(7, "new", 12s) == answer(registry_answer::renewed, 7));
    REQUIRE(shown(r, "s") == "a");

    REQUIRE(r.deregister("s", "a", 7, at(13s)) == registry_answer::removed);
    REQUIRE(send(7, "new", 14s) == answer(registry_answer::stale, 7));
    REQUIRE(send(5, "old", 14s) == answer(registry_answer::stale, 7));
    REQUIRE(r.heartbeat("s", "a", 7, at(14s)) == registry_answer::unknown);
    REQUIRE(r.deregister("s", "a", 7, at(14s)) == registry_answer::unknown);
    REQUIRE(shown(r, "s").empty());
    REQUIRE(send(8, "third", 15s) == answer(registry_answer::registered, 8));
    REQUIRE(r.deregister("s", "a", 9, at(16s)) == registry_answer::removed);  // its registration comes late
    REQUIRE(send(9, "fourth", 17s) == answer(registry_answer::stale, 9));

    // The same where the registration of an unknown instance comes after its end, and after an expiry.
    REQUIRE(r.deregister("s", "b", 3, at(17s)) == registry_answer::unknown);
    REQUIRE(r.register_instance({.service = "s", .id = "b", .incarnation = 3}, at(18s)).answer == registry_answer::stale);
    REQUIRE(r.register_instance({.service = "s", .id = "b", .incarnation = 4}, at(18s)).answer == registry_answer::registered);
    r.expire(at(48s));
    r.expire(at(48s));
    REQUIRE(shown(r, "s").empty());
    REQUIRE(r.register_instance({.service = "s", .id = "b", .incarnation = 4}, at(49s)).answer == registry_answer::stale);
}

TEST_CASE("service_registry: without a number the registry gives the next one", "[routing][service_registry][unit]") {
    registry   r({.ttl = 10s});
    auto const add = [&](char const* address, sluice::duration t) {
        return r.register_instance({.service = "s", .id = "a", .address = address}, at(t));
    };
    auto const first = add("x", 0s);
    auto const again = add("x", 1s);
    REQUIRE(again.answer == registry_answer::renewed);
    REQUIRE(again.incarnation == first.incarnation);
    auto const second = add("y", 2s);
    REQUIRE(second.answer == registry_answer::updated);
    REQUIRE(second.incarnation > first.incarnation);
    r.deregister("s", "a", second.incarnation, at(3s));
    auto const third = add("y", 4s);
    REQUIRE(third.answer == registry_answer::registered);
    REQUIRE(third.incarnation > second.incarnation);
    // Also when the id has been forgotten, so that old heartbeats do not fit.
    r.expire(at(34s));
    r.expire(at(134s));
    REQUIRE(add("y", 135s).incarnation > third.incarnation);
    // A number at the end of the range leaves no next one.
    REQUIRE(r.register_instance({.service = "s", .id = "a", .incarnation = UINT64_MAX - 1}, at(136s)));
    REQUIRE(add("z", 137s).incarnation == UINT64_MAX);
    REQUIRE(add("x", 138s).answer == registry_answer::stale);
    REQUIRE(r.register_instance({.service = "s", .id = "b"}, at(139s)).incarnation < 10);
}

TEST_CASE("service_registry: a clock that steps back harms nothing", "[routing][service_registry][unit]") {
    registry r({.ttl = 10s});
    r.register_instance({.service = "s", .id = "a"}, at(100s));
    REQUIRE(r.heartbeat("s", "a", 1, at(50s)) == registry_answer::renewed);  // counts as one at 100 s
    REQUIRE(r.expire(at(0s)).changes.empty());
    REQUIRE(r.expire(time_point::min()).changes.empty());
    REQUIRE(r.expire(at(110s) - ns).changes.empty());
    REQUIRE(shown(r, "s") == "a");
    auto const report = r.expire(at(110s));
    REQUIRE(report.changes.size() == 1);
    REQUIRE(report.next == at(120s));  // no call is later than a new instance could be due
    r.register_instance({.service = "s", .id = "b"}, at(3s));
    REQUIRE(r.expire(at(120s) - ns).changes.empty());
    REQUIRE(shown(r, "s") == "a- b");
    REQUIRE(r.expire(at(120s)).changes.size() == 1);
    REQUIRE(r.expire(time_point::max()).changes.size() == 2);
    REQUIRE(r.register_instance({.service = "s", .id = "c"}, time_point::max()));
    REQUIRE(shown(r, "s") == "c");
}

TEST_CASE("service_registry: the share that may expire is that of the number as it is written", "[routing][service_registry][unit]") {
    for (int percent = 1; percent < 100; ++percent) {
        registry r({.ttl = 10s, .most_expiring = percent / 100.0});
        for (int i = 0; i < 100; ++i) r.register_instance({.service = "s", .id = std::to_string(i)}, at(0s));
        REQUIRE(r.expire(at(30s)).delayed == static_cast<std::size_t>(100 - percent));
    }
}

TEST_CASE("service_registry: self-preservation limits how many expire, and ends by itself", "[routing][service_registry][unit]") {
    registry r({.ttl = 10s, .most_expiring = 0.25});
    for (int i = 0; i < 10; ++i)
        r.register_instance({.service = "s", .id = std::string(1, static_cast<char>('j' - i))}, at(i * 1ms));
    // All fall silent. At 30 s and a little all ten are due; 2 of 10 may go, the two that have been silent longest.
    auto report = r.expire(at(31s));
    REQUIRE(report.changes.size() == 10 + 2);
    REQUIRE(report.delayed == 8);
    REQUIRE(report.next == at(41s));
    REQUIRE(shown(r, "s") == "a- b- c- d- e- f- g- h-");
    report = r.expire(at(41s) - ns);
    REQUIRE(report.changes.empty());
    REQUIRE(report.delayed == 8);
    // One speaks again: it is saved.
    REQUIRE(r.heartbeat("s", "h", r.discover("s", any).at(7).instance->incarnation, at(41s) - ns) == registry_answer::renewed);
    REQUIRE(r.expire(at(41s)).changes.size() == 2);
    REQUIRE(shown(r, "s") == "a- b- c- d- e- h");
    // What follows takes a share of what is left, never less than one: it has an end.
    std::vector<std::size_t> went;
    auto                     now = at(51s);
    for (int calls = 0; calls < 100 && shown(r, "s").size() > 1; ++calls) {
        REQUIRE(r.heartbeat("s", "h", r.discover("s").at(0).instance->incarnation, now) == registry_answer::renewed);
        report = r.expire(now);
        if (!report.changes.empty()) went.push_back(report.changes.size());
        REQUIRE(report.next > now);
        now = report.next;
    }
    REQUIRE(went == std::vector<std::size_t>{1, 1, 1, 1, 1});
    REQUIRE(shown(r, "s") == "h");
    REQUIRE(r.expire(now).delayed == 0);

    // Deaths that come one by one and few in a ttl are not delayed; how often expire is called makes no difference.
    for (sluice::duration const step : {sluice::duration(1s), sluice::duration(5s), sluice::duration(100ms)}) {
        registry calm({.ttl = 10s, .most_expiring = 0.25});
        for (int i = 0; i < 8; ++i) calm.register_instance({.service = "s", .id = std::to_string(i)}, at(i * 7s));
        std::size_t delayed = 0, gone = 0;
        for (auto t = at(0s); t <= at(200s); t += step) {
            auto const rep = calm.expire(t);
            delayed += rep.delayed;
            for (auto& c : rep.changes) gone += c.change == service_change::expired ? 1 : 0;
        }
        REQUIRE(gone == 8);
        REQUIRE(delayed > 0);  // the last ones are more than a quarter of what is left
        registry mass({.ttl = 10s, .most_expiring = 0.25});
        for (int i = 0; i < 100; ++i) mass.register_instance({.service = "s", .id = std::to_string(i)}, at(0s));
        gone = 0;
        for (auto t = at(0s); t < at(40s); t += step) gone += mass.expire(t).changes.size();
        REQUIRE(gone == 100 + 25);
    }
    // What a ttl leaves over of its share may be used until it ends.
    registry pair({.ttl = 10s, .most_expiring = 0.25});
    for (int i = 0; i < 8; ++i) pair.register_instance({.service = "s", .id = std::to_string(i)}, at(i * 3s));
    static_cast<void>(pair.expire(at(30s)));
    REQUIRE(pair.discover("s", any).size() == 7);
    REQUIRE(pair.expire(at(33s)).delayed == 0);
    REQUIRE(pair.discover("s", any).size() == 6);
    REQUIRE(pair.expire(at(36s)).delayed == 1);
    // Leaving at one's own wish is not limited.
    registry all({.ttl = 10s, .most_expiring = 0.1});
    for (int i = 0; i < 5; ++i) all.register_instance({.service = "s", .id = std::to_string(i), .incarnation = 1}, at(0s));
    for (int i = 0; i < 5; ++i) REQUIRE(all.deregister("s", std::to_string(i), 1, at(1s)) == registry_answer::removed);
}

TEST_CASE("service_registry: each change is told once, in order", "[routing][service_registry][unit]") {
    registry                 r({.ttl = 10s});
    std::vector<std::string> all, mine;
    auto const               note = [](std::vector<std::string>& log) {
        return [&log](service_event const& e) {
            log.push_back(e.instance->service + "/" + e.instance->id + " " + name(e.change) + " v" + std::to_string(e.version) +
                          " " + std::to_string(e.at.time_since_epoch() / 1s));
        };
    };
    r.register_instance({.service = "s", .id = "early", .incarnation = 1}, at(0s));
    auto const one = r.watch("", note(all));
    auto const two = r.watch("s", note(mine));
    r.register_instance({.service = "s", .id = "a", .incarnation = 1}, at(1s));
    r.register_instance({.service = "t", .id = "a", .incarnation = 1}, at(2s));
    r.register_instance({.service = "s", .id = "a", .incarnation = 1}, at(3s));
    r.register_instance({.service = "s", .id = "a", .zone = "x", .incarnation = 2}, at(3s));
    r.heartbeat("s", "early", 1, at(9s));
    auto const report = r.expire(at(13s));
    r.heartbeat("s", "a", 2, at(14s));
    r.deregister("s", "a", 2, at(15s));
    r.deregister("s", "a", 2, at(15s));
    REQUIRE(r.unwatch(two));
    REQUIRE_FALSE(r.unwatch(two));
    r.expire(at(39s));
    REQUIRE(mine == std::vector<std::string>{"s/a registered v3 1", "s/a updated v5 3", "s/a unhealthy v6 13", "s/a healthy v7 14",
                                             "s/a deregistered v8 15"});
    REQUIRE(all == std::vector<std::string>{"s/a registered v3 1", "t/a registered v4 2", "s/a updated v5 3", "t/a unhealthy v6 13",
                                            "s/a unhealthy v6 13", "s/a healthy v7 14", "s/a deregistered v8 15",
                                            "s/early unhealthy v9 39", "t/a expired v10 39", "s/early expired v10 39"});
    REQUIRE(report.changes.size() == 2);
    REQUIRE(report.changes[0].instance->service == "t");
    REQUIRE(report.changes[1].version == 6);
    REQUIRE(r.unwatch(one));
}

TEST_CASE("service_registry: callbacks may use the registry, and may throw", "[routing][service_registry][unit]") {
    registry                   r({.ttl = 10s});
    std::vector<std::uint64_t> versions, newcomer;
    std::uint64_t              self = 0;
    int                        once = 0;
    r.watch("", [&](service_event const& e) {
        versions.push_back(e.version);
        if (e.instance->id == "a" && e.change == service_change::registered) {
            r.register_instance({.service = "s", .id = "b"}, at(0s));  // told after this callback, not inside it
            REQUIRE(versions.size() == 1);
            REQUIRE(shown(r, "s") == "a b");
            r.watch("", [&](service_event const& n) { newcomer.push_back(n.version); });  // b was there before
        }
    });
    self = r.watch("", [&](service_event const&) {
        ++once;
        REQUIRE(r.unwatch(self));
    });
    r.watch("", [&](service_event const& e) {
        if (e.instance->id == "c") throw std::runtime_error("first");
    });
    int last = 0;
    r.watch("", [&](service_event const& e) {
        ++last;
        if (e.instance->id == "c") throw std::logic_error("second");
    });
    r.register_instance({.service = "s", .id = "a"}, at(0s));
    REQUIRE(versions == std::vector<std::uint64_t>{2, 3});
    REQUIRE(once == 1);
    REQUIRE(last == 2);
    REQUIRE(newcomer.empty());
    REQUIRE_THROWS_AS(r.register_instance({.service = "s", .id = "c"}, at(1s)), std::runtime_error);
    REQUIRE(last == 3);  // all have been told
    REQUIRE(shown(r, "s") == "a b c");
    r.register_instance({.service = "s", .id = "d"}, at(1s));
    REQUIRE(last == 4);
    REQUIRE(newcomer == std::vector<std::uint64_t>{4, 5});
}

TEST_CASE("service_registry: after unwatch the callback has returned", "[routing][service_registry][unit]") {
    for (int i = 0; i < 20; ++i) {
        registry          r;
        std::atomic<int>  stage{0}, late{0};
        auto const        number = r.watch("", [&](service_event const&) {
            stage.store(1);
            while (stage.load() == 1) std::this_thread::yield();
            for (int k = 0; k < 100; ++k) std::this_thread::yield();
            stage.store(3);
        });
        test::run_threads(2, [&](std::size_t me) {
            if (me == 0) {
                r.register_instance({.service = "s", .id = "a"}, at(0s));
                return;
            }
            while (stage.load() != 1) std::this_thread::yield();
            stage.store(2);
            if (!r.unwatch(number) || stage.load() != 3) late.fetch_add(1);
        });
        REQUIRE(late.load() == 0);
    }
}

TEST_CASE("service_registry: readers and heartbeats of the healthy allocate nothing", "[routing][service_registry][fault]") {
    registry r({.ttl = 10s});
    for (int i = 0; i < 20; ++i) r.register_instance({.service = "s", .id = "instance " + std::to_string(i), .incarnation = 1}, at(0s));
    auto reader = r.reader();
    r.expire(at(1s));
    test::scarce_memory const memory(0);
    auto const                answer = r.heartbeat("s", "instance 7", 1, at(2s));
    auto const                found = reader.discover("s").size() + reader.discover("t", any).size() + (reader.version() > 0 ? 1 : 0);
    auto const                next = r.expire(at(3s)).next;
    reader.release();
    REQUIRE(memory.allocations() == 0);
    REQUIRE(answer == registry_answer::renewed);
    REQUIRE(found == 21);
    REQUIRE(next == at(10s));
}

TEST_CASE("service_registry: when memory runs out a call has no effect, and the next one does it", "[routing][service_registry][fault]") {
    enum : int { add, again, update, beat, leave, unknown, silent, expires, calls };
    for (int call = 0; call < calls; ++call)
        for (std::uint64_t n = 0;; ++n) {
            registry r({.ttl = 10s});
            int      told = 0;
            r.watch("", [&](service_event const&) { ++told; });
            r.register_instance({.service = "service", .id = "an id that is too long for the string itself", .incarnation = 1}, at(0s));
            r.register_instance({.service = "other", .id = "x", .incarnation = 1}, at(0s));
            if (call >= beat) r.expire(at(10s));
            if (call == again) r.deregister("other", "x", 1, at(0s));
            told = 0;
            auto const version = r.version();
            auto const before = shown(r, "service") + "," + shown(r, "other");
            auto       answer = registry_answer::registered;
            auto const act = [&] {
                switch (call) {
                case add: return answer = r.register_instance({.service = "service", .id = "y", .incarnation = 1}, at(10s)).answer, 1;
                case again: return answer = r.register_instance({.service = "other", .id = "x", .incarnation = 2}, at(10s)).answer, 1;
                case update: return r.register_instance({.service = "other", .id = "x", .zone = "z", .incarnation = 2}, at(10s)), 1;
                case beat: return r.heartbeat("other", "x", 1, at(10s)), 1;
                case leave: return r.deregister("other", "x", 1, at(10s)), 1;
                case unknown: return r.deregister("other", "a name that nobody has ever heard of before", 1, at(10s)), 0;
                case silent: return answer = r.register_instance({.service = "service", .id = "z", .incarnation = 1}, at(10s)).answer, 1;
                default: return r.expire(at(30s)), 2;
                }
            };
            bool failed = false, threw = false;
            int  expected = 0;
            {
                test::scarce_memory const memory(n);
                try {
                    expected = act();
                } catch (std::bad_alloc const&) {
                    threw = true;
                }
                failed = memory.failed();
            }
            REQUIRE(threw == failed);
            if (failed) {
                REQUIRE(told == 0);
                REQUIRE(r.version() == version);
                REQUIRE(shown(r, "service") + "," + shown(r, "other") == before);
                expected = act();
            } else {
                REQUIRE(n >= (call == unknown ? 3u : 4u));
            }
            REQUIRE(told == expected);
            REQUIRE(answer == registry_answer::registered);
            REQUIRE(r.version() == version + (expected > 0 ? 1 : 0));
            r.expire(at(200s));
            r.expire(at(500s));
            REQUIRE(shown(r, "service") + shown(r, "other") == "");
            if (!failed) break;
        }
}

TEST_CASE("service_registry: an expire that runs out of memory half way says what it has done", "[routing][service_registry][fault]") {
    int halves = 0;
    for (std::uint64_t n = 0;; ++n) {
        registry              r({.ttl = 10s});
        int                   told = 0;
        sluice::expiry_report report;
        r.watch("", [&](service_event const&) { ++told; });
        for (char const* id : {"a", "b", "c"}) r.register_instance({.service = "s", .id = id, .incarnation = 1}, at(0s));
        told = 0;
        bool failed = false, threw = false;
        {
            test::scarce_memory const memory(n);
            try {
                report = r.expire(at(30s));
            } catch (std::bad_alloc const&) {
                threw = true;
            }
            failed = memory.failed();
        }
        REQUIRE(told == static_cast<int>(report.changes.size()));
        REQUIRE((threw ? told == 0 : told == 3 || told == 6));
        if (failed && !threw) {
            ++halves;
            REQUIRE(told == 3);
            REQUIRE(report.next == at(30s));
        }
        if (told < 6) r.expire(at(30s));
        REQUIRE(told == 6);
        REQUIRE(shown(r, "s").empty());
        if (!failed) break;
    }
    REQUIRE(halves >= 3);
}

TEST_CASE("service_registry: random messages against a list that is kept by hand", "[routing][service_registry][property]") {
    struct known {
        std::uint64_t    incarnation = 0;
        bool             lives = false, healthy = false;
        sluice::duration last{}, gone{};
    };
    sluice::xoshiro256ss rng(test::seed());
    auto const           below = [&](std::uint64_t n) { return sluice::uniform_below(rng, n); };
    for (int run = 0; run < 20; ++run) {
        registry                     r({.ttl = 10s, .forget_after = 2});
        std::map<std::string, known> model;
        sluice::duration             now{0};
        std::uint64_t                changes = 0, told = 0, last_version = 1;
        bool                         ordered = true;
        r.watch("", [&](service_event const& e) {
            ++told;
            ordered = ordered && e.version >= last_version;
            last_version = e.version;
        });
        for (int step = 0; step < 300; ++step) {
            now += std::chrono::seconds(below(4));
            std::string const id(1, static_cast<char>('a' + below(6)));
            std::uint64_t const incarnation = 1 + below(4) + static_cast<std::uint64_t>(step) / 40;
            auto const          it = model.find(id);
            known* const        k = it == model.end() ? nullptr : &it->second;
            switch (below(6)) {
            case 0: {
                auto const a = r.register_instance({.service = "s", .id = id, .incarnation = incarnation}, at(now)).answer;
                if (k == nullptr || incarnation > k->incarnation) {
                    REQUIRE(a == (k != nullptr && k->lives ? registry_answer::updated : registry_answer::registered));
                    model[id] = {incarnation, true, true, now, {}};
                    ++changes;
                } else if (k->lives && incarnation == k->incarnation) {
                    REQUIRE(a == registry_answer::renewed);
                    changes += k->healthy ? 0 : 1;
                    k->healthy = true, k->last = now;
                } else {
                    REQUIRE(a == registry_answer::stale);
                }
                break;
            }
            case 1: {
                auto const a = r.deregister("s", id, incarnation, at(now));
                if (k == nullptr || !k->lives) {
                    if (k == nullptr) model[id] = {incarnation, false, false, {}, now};
                    else if (incarnation > k->incarnation) k->incarnation = incarnation;
                    REQUIRE(a == (k != nullptr && incarnation < it->second.incarnation
                                  ? registry_answer::stale : registry_answer::unknown));
                } else if (incarnation < k->incarnation) {
                    REQUIRE(a == registry_answer::stale);
                } else {
                    REQUIRE(a == registry_answer::removed);
                    *k = {incarnation, false, false, {}, now};
                    ++changes;
                }
                break;
            }
            case 2: {
                auto const report = r.expire(at(now));
                for (auto i = model.begin(); i != model.end();) {
                    auto& m = i->second;
                    if (m.lives && m.healthy && now - m.last >= 10s) m.healthy = false, ++changes;
                    if (m.lives && now - m.last >= 30s) m.lives = false, m.gone = now, ++changes;
                    if (!m.lives && now - m.gone >= 20s) i = model.erase(i);
                    else ++i;
                }
                REQUIRE(report.next > at(now));
                break;
            }
            default: {
                auto const a = r.heartbeat("s", id, incarnation, at(now));
                if (k == nullptr || incarnation > k->incarnation || (incarnation == k->incarnation && !k->lives)) {
                    REQUIRE(a == registry_answer::unknown);
                } else if (incarnation < k->incarnation) {
                    REQUIRE(a == registry_answer::stale);
                } else {
                    REQUIRE(a == registry_answer::renewed);
                    changes += k->healthy ? 0 : 1;
                    k->healthy = true, k->last = now;
                }
            }
            }
            std::string expected;
            for (auto const& [name_, m] : model)
                if (m.lives) expected += (expected.empty() ? "" : " ") + name_ + (m.healthy ? "" : "-");
            REQUIRE(shown(r, "s") == expected);
            REQUIRE(told == changes);
        }
        REQUIRE(ordered);
        REQUIRE(changes > 50);
    }
}

TEST_CASE("service_registry: heartbeats, expiry, changes and readers beside each other", "[routing][service_registry][stress]") {
    registry                   r({.ttl = 10s, .most_expiring = 0.5});
    auto const                 rounds = 200 * test::stress_factor();
    std::atomic<std::uint64_t> told{0}, wrong{0};
    std::atomic<int>           inside{0}, busy{3};
    std::uint64_t              last = 0;
    r.watch("", [&](service_event const& e) {
        if (inside.fetch_add(1) != 0) wrong.fetch_add(1);
        if (e.version < last) wrong.fetch_add(1);
        last = e.version;
        told.fetch_add(1);
        inside.fetch_sub(1);
    });
    r.register_instance({.service = "s", .id = "always", .incarnation = 1}, at(0s));
    std::atomic<std::uint64_t> changes{1};
    test::run_threads(5, [&](std::size_t me) {
        auto const id = std::to_string(me);
        if (me < 2) {
            for (std::uint64_t i = 1; i <= rounds; ++i) {
                auto const now = at(std::chrono::seconds(i));
                if (r.register_instance({.service = "s", .id = id, .incarnation = i}, now)) changes.fetch_add(1);
                static_cast<void>(r.heartbeat("s", id, i, now));
                if (i % 3 == 0) changes.fetch_add(r.deregister("s", id, i, now) == registry_answer::removed ? 1 : 0);
                auto const watch = r.watch("s", [](service_event const&) {});
                if (!r.unwatch(watch)) wrong.fetch_add(1);
            }
            busy.fetch_sub(1);
        } else if (me == 2) {
            for (std::uint64_t i = 1; i <= rounds; ++i) {
                changes.fetch_add(r.expire(at(std::chrono::seconds(i))).changes.size());
                if (i % 2 == 0) std::this_thread::yield();
            }
            busy.fetch_sub(1);
        } else {
            auto          reader = r.reader();
            std::uint64_t before = 0;
            for (int i = 0; i < 500 || busy.load() > 0; ++i) {
                if (reader.version() < before) wrong.fetch_add(1);
                before = reader.version();
                auto const  view = reader.view();
                auto const  found = view->discover("s", any);
                std::size_t healthy = 0;
                for (auto const& e : found) healthy += e.healthy ? 1 : 0;
                if (healthy != view->discover("s").size() || found.size() > 3) wrong.fetch_add(1);
                if (i % 16 == 0 && r.discover("s", any).size() > 3) wrong.fetch_add(1);
            }
        }
    });
    REQUIRE(wrong.load() == 0);
    // heartbeats that brought an instance back are changes too, which nobody counted
    REQUIRE(told.load() >= changes.load());
}
