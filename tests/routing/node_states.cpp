// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/snapshot.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_states.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

using sluice::in_flight_guard;
using sluice::node_states;

namespace {

struct estimate {
    explicit estimate(int first = 0) : value(first) { ++alive; }
    ~estimate() { --alive; }
    int                            value;
    inline static std::atomic<int> alive{0};
};
using states_of_names = node_states<std::string, estimate>;
using nodes = std::vector<states_of_names::pointer>;

/// Fewest in flight; the first of equals.
struct idlest {
    template <sluice::node_list List>
    std::optional<sluice::node_index> choose(List const& list, sluice::time_point, sluice::xoshiro256ss&) const {
        std::optional<sluice::node_index> best;
        for (sluice::node_index i = 0; i < list.size(); ++i)
            if (sluice::node_usable(list[i]) &&
                (!best || sluice::node_in_flight(list[i]) < sluice::node_in_flight(list[*best])))
                best = i;
        return best;
    }
};
static_assert(sluice::balancer<idlest, nodes>);

}  // namespace

TEST_CASE("node_states: one id is one node while somebody holds it", "[routing][node_states][unit]") {
    states_of_names states;
    int const       none = estimate::alive.load();
    auto            a = states.obtain("a", 5);
    REQUIRE(states.obtain("a", 9) == a);
    REQUIRE(a->state().value == 5);
    REQUIRE(a->id() == "a");
    REQUIRE(states.obtain("b") != a);
    REQUIRE(states.find("b") == nullptr);  // nobody kept it
    REQUIRE(states.find("a") == a);
    REQUIRE(states.find("c") == nullptr);
    REQUIRE(estimate::alive.load() - none == 1);
    a.reset();
    REQUIRE(estimate::alive.load() == none);
    REQUIRE(states.obtain("a", 9)->state().value == 9);
}

TEST_CASE("node_states: work is counted once, whatever becomes of the guard", "[routing][node_states][unit]") {
    states_of_names states;
    auto const      a = states.obtain("a"), b = states.obtain("b");
    {
        in_flight_guard one(a);
        in_flight_guard two(a), other(b);
        REQUIRE(a->in_flight() == 2);
        in_flight_guard moved = std::move(one);
        REQUIRE_FALSE(one);
        REQUIRE(moved);
        REQUIRE(&moved.node() == a.get());
        REQUIRE(a->in_flight() == 2);
        other = std::move(moved);  // ends the work on b
        REQUIRE(a->in_flight() == 2);
        REQUIRE(b->in_flight() == 0);
        auto& self = other;
        other = std::move(self);
        two.finish();
        two.finish();
        REQUIRE(a->in_flight() == (other ? 1u : 0u));
    }
    REQUIRE(a->in_flight() == 0);
    in_flight_guard<states_of_names::node_type> empty;
    REQUIRE_FALSE(empty);
    empty.finish();
}

TEST_CASE("node_states: counts survive a change of the membership, and removal", "[routing][node_states][unit]") {
    int const               none = estimate::alive.load();
    states_of_names         states;
    sluice::snapshot<nodes> members(nodes{states.obtain("a"), states.obtain("b")});
    auto                    reader = members.reader();
    sluice::xoshiro256ss    rng(1);
    idlest                  balancer;
    auto const              pick = [&] {
        auto const view = reader.view();
        return in_flight_guard((*view)[balancer.choose(*view, {}, rng).value()]);
    };
    auto first = pick();
    REQUIRE(first.node().id() == "a");
    auto second = pick();
    REQUIRE(second.node().id() == "b");
    auto third = pick();
    REQUIRE(third.node().id() == "a");
    members.publish(nodes{states.obtain("b"), states.obtain("c")});  // a is gone, b stays with its count
    REQUIRE(pick().node().id() == "c");
    REQUIRE(first.node().in_flight() == 2);
    first.finish();
    // Back before its work has ended: it is the same node.
    members.update([&](nodes& all) { all.push_back(states.obtain("a")); });
    REQUIRE(reader->back()->in_flight() == 1);
    reader->front()->set_weight(0);
    reader->at(1)->set_available(false);
    REQUIRE(pick().node().id() == "a");
    REQUIRE(sluice::count_usable(reader.get()) == 1);
    REQUIRE(sluice::node_weight(reader.get()[0]) == 0);
    members.publish({});
    static_cast<void>(reader.get());
    static_cast<void>(members.collect());
    REQUIRE(estimate::alive.load() - none == 2);  // the two that work is under way on
    third.finish();
    second.finish();
    REQUIRE(estimate::alive.load() == none);
}

TEST_CASE("node_states: ids of nodes that are gone are forgotten", "[routing][node_states][unit]") {
    node_states<int> states;
    std::vector<node_states<int>::pointer> kept;
    for (int i = 0; i < 10'000; ++i) {
        auto node = states.obtain(i);
        if (i % 1000 == 0) kept.push_back(node);
        REQUIRE(states.size_approx() <= 2 * kept.size() + 17);
    }
    for (auto& node : kept) REQUIRE(states.find(node->id()) == node);
}

TEST_CASE("node_states: when memory or a constructor fails nothing has changed", "[routing][node_states][fault]") {
    struct picky {
        explicit picky(int n) {
            if (n < 0) throw std::runtime_error("negative");
        }
    };
    node_states<std::string, picky> states;
    std::string const               name = "a name that does not fit inside a string";
    REQUIRE_THROWS_AS(states.obtain(name, -1), std::runtime_error);
    REQUIRE(states.size_approx() == 0);
    std::uint64_t n = 0;
    for (bool failed = true; failed; ++n) {
        node_states<std::string, picky>::pointer made;
        {
            test::scarce_memory const memory(n);
            try {
                made = states.obtain(name, 1);
            } catch (std::bad_alloc const&) {
            }
            failed = memory.failed();
        }
        REQUIRE((made == nullptr) == failed);
        REQUIRE(states.size_approx() == (failed ? 0u : 1u));
    }
    REQUIRE(n == 5);  // the node, its name, the id's entry and its name
}

TEST_CASE("node_states: beside changes of the membership every count returns to zero", "[routing][node_states][stress]") {
    int const       none = estimate::alive.load();
    {
        states_of_names          states;
        sluice::snapshot<nodes>  members(nodes{states.obtain("0"), states.obtain("1")});
        auto const               rounds = static_cast<int>(300 * test::stress_factor());
        std::atomic<int>         changing{1}, wrong{0};
        test::run_threads(4, [&](std::size_t me) {
            if (me == 0) {
                for (int i = 0; i < rounds; ++i) {
                    members.publish(nodes{states.obtain(std::to_string(i % 5)), states.obtain(std::to_string((i + 1) % 5))});
                    if (i % 4 == 0) std::this_thread::yield();
                }
                changing.store(0);
                return;
            }
            auto                 reader = members.reader();
            sluice::xoshiro256ss rng(me);
            in_flight_guard<states_of_names::node_type> late;
            for (int i = 0; i < 500 || changing.load() != 0; ++i) {
                auto const      view = reader.view();
                auto const      at = idlest().choose(*view, {}, rng);
                in_flight_guard work((*view)[*at]);
                if (work.node().in_flight() == 0 || work.node().in_flight() > 6) wrong.fetch_add(1);
                if (sluice::uniform_below(rng, 2) == 0) late = std::move(work);
            }
        });
        REQUIRE(wrong.load() == 0);
        for (int i = 0; i < 5; ++i)
            if (auto const node = states.find(std::to_string(i))) REQUIRE(node->in_flight() == 0);
        members.publish({});
        REQUIRE(estimate::alive.load() == none);
    }
}
