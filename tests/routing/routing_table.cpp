// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/routing_table.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

using sluice::hashed_key;
using sluice::node_index;
using sluice::routing_table;

namespace {

/// The key's remainder picks the node: enough to be a placement. `sum` always is the sum of the names' lengths.
struct modulo {
    using node_type = std::string;

    modulo() = default;
    explicit modulo(std::vector<std::string> nodes) {
        for (auto& n : nodes) add(n);
    }
    void add(std::string const& node) {
        if (std::count(names.begin(), names.end(), node) != 0) throw std::invalid_argument("a member already");
        names.push_back(node);
        sum += node.size();
    }
    bool remove(std::string const& node) {
        auto const it = std::find(names.begin(), names.end(), node);
        if (it == names.end()) return false;
        sum -= node.size();
        names.erase(it);
        return true;
    }
    std::size_t               size() const noexcept { return names.size(); }
    std::size_t               index_bound() const noexcept { return names.size(); }
    bool                      contains_index(node_index i) const noexcept { return i < names.size(); }
    std::optional<node_index> locate(hashed_key key) const noexcept {
        if (names.empty()) return std::nullopt;
        return static_cast<node_index>(key.value % names.size());
    }
    std::string const&         node(node_index i) const { return names[i]; }
    std::optional<std::string> pick(hashed_key key) const {
        auto const i = locate(key);
        return i ? std::optional(names[*i]) : std::nullopt;
    }
    bool whole() const {
        std::size_t n = 0;
        for (auto& name : names) n += name.size();
        return n == sum;
    }
    friend bool operator==(modulo const&, modulo const&) = default;

    std::vector<std::string> names;
    std::size_t              sum = 0;
};
static_assert(sluice::placement<modulo>);

/// The same without ==, and add answers with the index: 0 is no "false".
struct silent : modulo {
    using modulo::modulo;
    node_index add(std::string const& node) {
        modulo::add(node);
        return static_cast<node_index>(names.size() - 1);
    }
    friend bool operator==(silent const&, silent const&) = delete;
};
static_assert(sluice::placement<silent> && !std::equality_comparable<silent>);

template <class T>
concept has_weight_setter = requires(T& t) { t.add("a", 3); };
static_assert(!has_weight_setter<routing_table<modulo>>);

}  // namespace

TEST_CASE("routing_table: a look-up sees the newest version", "[routing][routing_table][unit]") {
    routing_table table(modulo({"a", "b"}));
    auto          r = table.reader();
    REQUIRE(table.version() == 1);
    REQUIRE(r.version() == 1);
    REQUIRE(r.pick(hashed_key(3)) == "b");
    REQUIRE(r.locate(hashed_key(2)) == node_index{0});
    REQUIRE(table.add("c") == 2u);
    REQUIRE(r.pick(hashed_key(2)) == "c");
    REQUIRE(table.remove("a") == 3u);
    REQUIRE(r.pick(hashed_key(0)) == "b");
    REQUIRE(table.update([](modulo& p) { p.names.clear(), p.sum = 0; }) == 4u);
    REQUIRE(r.pick(hashed_key(0)) == std::nullopt);
    REQUIRE(r.locate(hashed_key(0)) == std::nullopt);
    REQUIRE(routing_table<modulo>().reader().placement().size() == 0);
}

TEST_CASE("routing_table: any number of changes are one version", "[routing][routing_table][unit]") {
    routing_table table(modulo({"a", "b", "c"}));
    auto          r = table.reader();
    {
        auto const view = r.view();
        REQUIRE(table.update([](modulo& p) {
            for (auto n : {"a", "b", "c"}) p.remove(n);
            for (auto n : {"d", "e"}) p.add(n);
        }) == 2u);
        REQUIRE(view->node(*r.locate(hashed_key(2))) == "c");
        REQUIRE(r.placement().size() == 3);
    }
    REQUIRE(r.placement().names == std::vector<std::string>{"d", "e"});
    REQUIRE(r.version() == 2);
}

TEST_CASE("routing_table: what changes nothing publishes nothing", "[routing][routing_table][unit]") {
    routing_table table(modulo({"a", "b"}));
    REQUIRE(table.remove("x") == std::nullopt);
    REQUIRE(table.update([](modulo&) {}) == std::nullopt);
    REQUIRE(table.update([](modulo& p) { p.remove("b"), p.add("b"); }) == std::nullopt);
    REQUIRE(table.update([](modulo& p) { return p.add("z"), false; }) == std::nullopt);
    REQUIRE(table.replace(modulo({"a", "b"})) == std::nullopt);
    REQUIRE_THROWS_AS(table.add("a"), std::invalid_argument);
    REQUIRE_THROWS_AS(table.update([](modulo& p) { p.remove("a"), p.add("b"); }), std::invalid_argument);
    REQUIRE(table.version() == 1);
    REQUIRE(table.reader().placement() == modulo({"a", "b"}));
    REQUIRE(table.replace(modulo({"b"})) == 2u);

    routing_table<silent> mute;
    REQUIRE(mute.add("a") == 2u);
    REQUIRE(mute.remove("b") == std::nullopt);
    REQUIRE(mute.update([](silent&) {}) == 3u);  // nothing to compare with
}

TEST_CASE("routing_table: look-ups allocate nothing of their own, and an update that fails for memory has no effect",
          "[routing][routing_table][fault]") {
    routing_table table(modulo({"a", "b"}));
    auto          r = table.reader();
    table.add("c");
    {
        test::scarce_memory const memory(0);
        bool                      good = r.locate(hashed_key(5)) == node_index{2} && r.placement().size() == 3 && r.version() == 2;
        r.release();
        good = good && r.pick(hashed_key(5)) == "c";
        REQUIRE(memory.allocations() == 0);
        REQUIRE(good);
    }
    for (std::uint64_t n = 0;; ++n) {
        bool failed = false, threw = false;
        {
            test::scarce_memory const memory(n);
            try {
                table.update([](modulo& p) { p.remove("a"), p.names.reserve(50), p.add("a name that does not fit inside"); });
            } catch (std::bad_alloc const&) {
                threw = true;
            }
            failed = memory.failed();
        }
        REQUIRE(threw == failed);
        REQUIRE(r.version() == (failed ? 2u : 3u));
        REQUIRE(r.placement().names.front() == (failed ? "a" : "b"));
        if (!failed) {
            REQUIRE(n >= 4);
            break;
        }
    }
}

TEST_CASE("routing_table: beside changes every look-up sees one version", "[routing][routing_table][stress]") {
    routing_table table(modulo({"a", "bb", "ccc", "dddd"}));
    auto const    rounds = 300 * test::stress_factor();
    std::atomic<int>         wrong{0};
    std::atomic<std::size_t> changing{2};
    test::run_threads(4, [&](std::size_t me) {
        if (me < 2) {
            std::string const mine(me + 7, 'x');
            for (std::uint64_t i = 0; i < rounds; ++i) {
                if (!table.update([&](modulo& p) { p.remove("bb"), p.add(mine), p.add("bb"); })) wrong.fetch_add(1);
                if (!table.remove(mine)) wrong.fetch_add(1);
                if (i % 8 == 0) std::this_thread::yield();
            }
            changing.fetch_sub(1);
            return;
        }
        auto          r = table.reader();
        std::uint64_t last = 0;
        for (std::uint64_t key = 0; key < 1000 || changing.load() > 0; ++key) {
            auto const version = r.version();
            if (version < last) wrong.fetch_add(1);
            last = version;
            {
                auto const view = r.view();
                if (!view->whole() || view->size() < 4 || view->size() > 6) wrong.fetch_add(1);
                if (r.pick(hashed_key(key)) != view->node(*r.locate(hashed_key(key)))) wrong.fetch_add(1);
            }
            if (!r.pick(hashed_key(key))) wrong.fetch_add(1);
        }
    });
    REQUIRE(wrong.load() == 0);
    REQUIRE(table.version() == 4 * rounds + 1);
    REQUIRE(table.reader().placement().size() == 4);
}
