// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/wait_for_graph.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <new>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::wait_options;
using sluice::waits_for;

namespace {

using graph = sluice::wait_for_graph<std::string>;

std::string text(graph::answer const& a) {
    return to_string(a, [](std::string const& s) { return s; });
}

/// The rule, written as it is said: those that can go on, until no more follow.
struct naive {
    std::vector<std::set<int>> out;
    std::vector<waits_for>     mode;
    explicit naive(std::size_t n) : out(n), mode(n, waits_for::all) {}
    [[nodiscard]] bool stuck(int who) const {
        std::vector<bool> goes(out.size(), false);
        for (bool again = true; again;) {
            again = false;
            for (std::size_t i = 0; i < out.size(); ++i) {
                if (goes[i]) continue;
                std::size_t free = 0;
                for (int h : out[i]) free += goes[static_cast<std::size_t>(h)] ? 1 : 0;
                bool const now = out[i].empty() || (mode[i] == waits_for::all ? free == out[i].size() : free > 0);
                if (now) goes[i] = again = true;
            }
        }
        return !goes[static_cast<std::size_t>(who)];
    }
};

}  // namespace

TEST_CASE("wait_for_graph: the wait that closes a cycle is refused and the cycle named", "[executor][wait_for_graph][unit]") {
    graph g;
    CHECK_FALSE(g.add_wait("A", "B"));
    CHECK_FALSE(g.add_wait("B", "C"));
    auto const answer = g.add_wait("C", "A");
    CHECK(answer.deadlock());
    CHECK(text(answer) == "C -> A -> B -> C");
    CHECK(g.size() == 2);  // refused
    CHECK_FALSE(g.find_deadlock("A"));
    g.remove_wait("B", "C");  // C let go, or B gave up
    CHECK_FALSE(g.add_wait("C", "A"));
    CHECK(text(g.add_wait("B", "C")) == "B -> C -> A -> B");

    CHECK(text(g.add_wait("X", "X")) == "X -> X");
    CHECK_FALSE(g.add_wait("C", "A"));  // said twice: once
    CHECK(g.size() == 2);
}

TEST_CASE("wait_for_graph: of several cycles a shortest one through the waiter", "[executor][wait_for_graph][unit]") {
    graph g;
    for (auto [from, to] : {std::pair{"b", "c"}, {"c", "d"}, {"d", "a"}, {"b", "e"}, {"e", "a"}, {"x", "b"}})
        CHECK_FALSE(g.add_wait(from, to));
    CHECK(text(g.add_wait("a", "b")) == "a -> b -> e -> a");
}

TEST_CASE("wait_for_graph: all holders, any holder", "[executor][wait_for_graph][unit]") {
    graph g;
    std::vector<std::string> const both = {"B", "C"};
    REQUIRE_FALSE(g.add_wait("B", "A"));
    SECTION("all: one that is stuck is enough") { CHECK(text(g.add_wait("A", both)) == "A -> B -> A"); }
    SECTION("any: one that is free is enough") {
        CHECK_FALSE(g.add_wait("A", both, {.mode = waits_for::any}));
        CHECK(text(g.add_wait("C", "A")) == "C -> A -> C");  // now both of A's holders would wait for A
        CHECK_FALSE(g.add_wait("C", "D"));
        CHECK(text(g.add_wait("D", "B")) == "D -> B -> A -> C -> D");
        g.remove_wait("A", "C");  // C let go: A has what it wanted and does not wait for B either
        CHECK_FALSE(g.add_wait("D", "B"));
    }
    SECTION("a resource is an id of its own") {
        REQUIRE_FALSE(g.add_wait("lock", "A"));
        CHECK_FALSE(g.add_wait("W", "lock"));
        CHECK(text(g.add_wait("A", "W")) == "A -> W -> lock -> A");
        // two units of something, held by A and by D, who waits for nobody
        std::vector<std::string> const holders = {"A", "D"};
        REQUIRE_FALSE(g.add_wait("units", holders, {.mode = waits_for::any}));
        CHECK_FALSE(g.add_wait("A", "units"));
        CHECK(text(g.add_wait("D", "A")) == "D -> A -> units -> D");
    }
}

TEST_CASE("wait_for_graph: a deadlock that has happened can be kept", "[executor][wait_for_graph][unit]") {
    graph g;
    CHECK_FALSE(g.add_wait("A", "B"));
    CHECK(g.add_wait("B", "A", {.keep_deadlock = true}));
    CHECK(g.size() == 2);
    CHECK(text(g.find_deadlock("A")) == "A -> B -> A");
    auto const behind = g.add_wait("C", "A", {.keep_deadlock = true});
    CHECK((text(behind) == "A -> B -> A" || text(behind) == "B -> A -> B"));  // C is not on it
    auto const second = g.add_wait("D", "C");
    CHECK(second.cycle.size() == 3);
    CHECK_FALSE(g.find_deadlock("D"));
    CHECK_FALSE(g.find_deadlock("nobody"));
    g.remove("A");  // was ended
    for (auto const* id : {"A", "B", "C"}) CHECK_FALSE(g.find_deadlock(id));
    CHECK(g.ids() == 0);
}

TEST_CASE("wait_for_graph: waits end by themselves at their time", "[executor][wait_for_graph][unit]") {
    graph g;
    auto const at = [](auto d) { return sluice::time_point(d); };
    CHECK_FALSE(g.add_wait("A", "B", {.until = at(10ms)}));
    CHECK_FALSE(g.add_wait("B", "C", {.until = at(20ms)}));
    CHECK_FALSE(g.add_wait("C", "D"));
    CHECK(g.remove_expired(at(9ms)).empty());
    CHECK(g.remove_expired(at(10ms)) == std::vector<std::string>{"A"});
    CHECK(g.remove_expired(at(10ms)).empty());
    CHECK(g.remove_expired(sluice::time_point::max()) == std::vector<std::string>{"B", "C"});
    CHECK(g.size() == 0);
    CHECK(g.ids() == 0);
    CHECK_FALSE(g.add_wait("A", "B"));
    CHECK(g.remove_expired(at(1h)).empty());  // the old deadline is not kept
}

TEST_CASE("wait_for_graph: it answers as the definition does, and forgets what is over", "[executor][wait_for_graph][property]") {
    auto const random = test::keys(40'000, test::seed());
    std::size_t r = 0, deadlocks = 0, granted = 0;
    for (int game = 0; game < 60; ++game) {
        sluice::wait_for_graph<int> g;
        int const n = 3 + game % 6;
        naive     model(static_cast<std::size_t>(n));
        for (int step = 0; step < 120; ++step) {
            int const  a = static_cast<int>(random[r++] % static_cast<unsigned>(n));
            int const  b = static_cast<int>(random[r++] % static_cast<unsigned>(n));
            auto const u = static_cast<std::size_t>(a);
            auto const kind = random[r++] % 8;
            if (kind < 5) {
                auto const mode = random[r++] % 2 == 0 ? waits_for::all : waits_for::any;
                auto       after = model;
                after.out[u].insert(b);
                after.mode[u] = mode;
                auto const answer = g.add_wait(a, b, {.mode = mode});
                REQUIRE(answer.deadlock() == after.stuck(a));
                if (!answer) {
                    model = after;
                    ++granted;
                    continue;
                }
                ++deadlocks;
                REQUIRE(answer.cycle.front() == a);
                REQUIRE(answer.cycle.back() == a);
                for (std::size_t i = 0; i + 1 < answer.cycle.size(); ++i) {
                    auto const from = static_cast<std::size_t>(answer.cycle[i]);
                    REQUIRE(after.out[from].contains(answer.cycle[i + 1]));
                    REQUIRE(after.stuck(answer.cycle[i]));
                }
            } else if (kind == 5) {
                g.remove_wait(a, b);
                if (model.out[u].erase(b) != 0 && model.mode[u] == waits_for::any) model.out[u].clear();
            } else if (kind == 6) {
                g.remove_wait(a);
                model.out[u].clear();
            } else {
                g.remove(a);
                model.out[u].clear();
                for (std::size_t i = 0; i < model.out.size(); ++i)
                    if (model.out[i].erase(a) != 0 && model.mode[i] == waits_for::any) model.out[i].clear();
            }
            std::size_t      waits = 0;
            std::set<int>    ids;
            for (int i = 0; i < n; ++i)
                for (int h : model.out[static_cast<std::size_t>(i)]) ++waits, ids.insert(i), ids.insert(h);
            REQUIRE(g.size() == waits);
            REQUIRE(g.ids() == ids.size());
        }
    }
    CHECK(deadlocks > 300);
    CHECK(granted > 300);
}

TEST_CASE("wait_for_graph: without memory add_wait has no effect", "[executor][wait_for_graph][fault]") {
    bool refused = true;
    int  runs = 0;
    for (; refused; ++runs) {
        sluice::wait_for_graph<int> g;
        REQUIRE_FALSE(g.add_wait(1, 2));
        int const holders[] = {3, 4, 2, 5, 1};
        int const fine[] = {3, 4, 2, 5};
        refused = false;
        try {
            test::scarce_memory const scarce(static_cast<std::uint64_t>(runs));
            (void)g.add_wait(2, fine);
            (void)g.add_wait(7, holders, {.mode = waits_for::any});
        } catch (std::bad_alloc const&) {
            refused = true;
        }
        if (!refused) continue;
        bool const first = g.size() == 4;  // 2 waits for three others; for itself it is refused
        CHECK((g.size() == 1 || first));
        g.remove_wait(2);
        CHECK(g.size() == 1);
        CHECK(g.ids() == 2);
        REQUIRE(g.add_wait(2, 1));
    }
    CHECK(runs > 5);
}

TEST_CASE("wait_for_graph: of waits that close a cycle together exactly one is told", "[executor][wait_for_graph][stress]") {
    for (int round = 0; round < 200; ++round) {
        sluice::wait_for_graph<std::size_t> g;
        std::atomic<int>                    told{0};
        test::run_threads(3, [&](std::size_t i) {
            if (g.add_wait(i, (i + 1) % 3)) told.fetch_add(1);
        });
        REQUIRE(told.load() == 1);
        REQUIRE(g.size() == 2);
    }
}
