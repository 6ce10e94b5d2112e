// SPDX-License-Identifier: BSL-1.0
// Clients of bounded_load, in every order: no node above its cap, nothing lost, and everybody gets a place.
#include <sluice/routing/bounded_load.hpp>

#include "support/interleave_main.hpp"

#include <cstdint>
#include <optional>

namespace {

using sluice::hashed_key;
using sluice::node_index;
using test::sim::require;

/// Every key asks them in turn.
template <node_index Nodes>
struct row_of_nodes {
    using node_type = node_index;
    std::size_t               size() const noexcept { return Nodes; }
    std::size_t               index_bound() const noexcept { return Nodes; }
    bool                      contains_index(node_index i) const noexcept { return i < Nodes; }
    std::optional<node_index> locate(hashed_key) const noexcept { return node_index{0}; }
    node_index                node(node_index i) const { return i; }
    std::optional<node_index> pick(hashed_key key) const { return locate(key); }
    template <class Visit>
    bool walk(hashed_key, Visit&& visit) const {
        for (node_index i = 0; i < Nodes; ++i)
            if (!visit(i)) return false;
        return true;
    }
};

template <int Threads, node_index Nodes>
struct client {
    static constexpr int threads = Threads;
    static_assert(sluice::ordered_placement<row_of_nodes<Nodes>>);
    sluice::bounded_load<row_of_nodes<Nodes>, test::sim::atomic> load;
    node_index got[Threads] = {};
    bool       kept[Threads] = {};

    client(double factor, std::uint64_t minimum_total) : load({}, {.load_factor = factor, .minimum_total = minimum_total}) {
        load.change([](auto&) {});
    }

    void keep(int i) {
        auto const node = load.acquire_index(hashed_key(0));
        require(node.has_value(), "everybody gets a place");
        got[i] = *node;
        kept[i] = true;
    }
    void come_and_go(int i) {
        keep(i);
        load.release(got[i]);
        kept[i] = false;
    }
    void finish() {
        std::uint64_t of[Nodes] = {}, all = 0;
        for (int i = 0; i < Threads; ++i)
            if (kept[i]) ++of[got[i]], ++all;
        for (node_index i = 0; i < Nodes; ++i) require(load.load(i) == of[i], "each unit is counted where it is");
        require(load.total() == all, "and once");
    }
};

/// Caps of two: the first node gets two, whoever comes first.
struct three_keep : client<3, 2> {
    three_keep() : client(1.000001, 3) {}
    void thread(int i) { keep(i); }
    void finish() {
        client::finish();
        require(load.load(0) == 2 && load.load(1) == 1, "the first node is full, and no more than that");
    }
};
/// Caps of exactly one: 1.5 · 2 / 3.
struct two_keep : client<2, 3> {
    two_keep() : client(1.5, 2) {}
    void thread(int i) { keep(i); }
    void finish() {
        client::finish();
        require(load.load(0) == 1 && load.load(1) == 1, "one each");
    }
};
/// Caps of one again: what is done on a node is done by one at a time.
struct two_work : client<2, 3> {
    test::sim::plain<int> done[3];
    two_work() : client(1.5, 2) {}
    void thread(int i) {
        work(i);
        if (i == 0) work(i);
    }
    void work(int i) {
        keep(i);
        done[got[i]].set(done[got[i]].get() + 1);
        load.release(got[i]);
        kept[i] = false;
    }
    void finish() {
        client::finish();
        require(done[0].get() + done[1].get() + done[2].get() == 3, "what is done on a place is seen by the next one there");
    }
};
/// Caps grow with the total: 1, 2 and 2. The first one may find two full nodes, and looks again.
struct growing : client<3, 2> {
    growing() : client(1.000001, 0) {}
    void thread(int i) { keep(i); }
    void finish() {
        client::finish();
        require(load.load(0) <= 2 && load.load(1) <= 2, "never above the cap of all three");
    }
};
struct turns : client<2, 2> {
    turns() : client(1.000001, 0) {}
    void thread(int i) { come_and_go(i), keep(i); }
};
struct one_goes : client<3, 2> {
    one_goes() : client(1.000001, 0) {}
    void thread(int i) { i == 0 ? come_and_go(i) : keep(i); }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("bounded_load", {"routing/bounded_load.hpp"})
        .add<two_keep>("keep | keep (caps of one)", {.stale = 2, .spurious = 1})
        .add<two_work>("work, work | work", {.stale = 1, .spurious = 1})
        .add<three_keep>("keep | keep | keep (caps of two)", {.stale = 2, .spurious = 1})
        .add<growing>("keep | keep | keep", {.stale = 2})
        .add<turns>("go, keep | go, keep", {.stale = 1})
        .add<one_goes>("go | keep | keep", {.stale = 1})
        .run(argc, argv);
}
