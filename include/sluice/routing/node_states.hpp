// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// node_states, tracked_node, in_flight_guard — what belongs to a node and outlives every list of nodes: its counters.
///
/// Use it for     membership that is replaced whole (snapshot, routing_table) beside counts that must go on
/// Not for        a fixed set of nodes: plain nodes in an array
/// Thread-safety  any thread, all of it; a guard belongs to one thread at a time. State looks after itself
/// Progress       tracked_node and guards: wait-free. obtain, find: a mutex
/// Complexity     a guard: two atomic counts up and two down. obtain: O(log nodes) and one allocation or two for a new node,
///                now and then a pass over all ids, amortised O(1)
/// Errors         obtain: std::bad_alloc and what State's constructor throws; nothing has changed. The rest is noexcept
///
///     sluice::node_states<std::string, latency> states;
///     using nodes = std::vector<sluice::node_states<std::string, latency>::pointer>;
///     sluice::snapshot<nodes> members(nodes{states.obtain("a"), states.obtain("b")});
///
///     auto const view = reader.view();                          // a version of the membership
///     if (auto i = balancer.choose(*view, now, rng)) {          // the nodes are what a balancer reads
///         sluice::in_flight_guard work((*view)[*i]);            // counted until the guard ends
///         send(work.node().id());
///     }
///
/// One id is one node, for as long as a list, a guard or anybody else holds it: removed and added again while work is under
/// way, it still knows of that work. When the last holder lets go it is forgotten, and the next obtain begins anew. Work that
/// has begun ends exactly once on the node it began on, whether or not the node is a member still.

#include <sluice/core/assert.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace sluice {

/// No state of one's own: the counters alone.
struct no_state {};

template <class Node>
class in_flight_guard;

// Ordering
//   (N) number   weight_, available_, in_flight_: relaxed. They are hints for a choice; nothing is found through them, and a
//                read-modify-write counts right in any order

template <class Id, class State = no_state, template <class> class Atom = std::atomic>
class tracked_node {
public:
    using id_type = Id;
    using state_type = State;

    template <class... Args>
    explicit tracked_node(Id id, Args&&... state) : id_(std::move(id)), state_(std::forward<Args>(state)...) {}
    tracked_node(tracked_node const&) = delete;
    tracked_node& operator=(tracked_node const&) = delete;

    [[nodiscard]] Id const& id() const noexcept { return id_; }

    /// What belongs to the node besides: an estimator, statistics. Everybody gets the same one.
    [[nodiscard]] State&       state() noexcept { return state_; }
    [[nodiscard]] State const& state() const noexcept { return state_; }

    // The words of routing/balancer.hpp.
    [[nodiscard]] std::uint32_t in_flight() const noexcept { return in_flight_.load(std::memory_order_relaxed); }  // (N)
    [[nodiscard]] std::uint32_t weight() const noexcept { return weight_.load(std::memory_order_relaxed); }        // (N)
    [[nodiscard]] bool          available() const noexcept { return available_.load(std::memory_order_relaxed); }  // (N)

    /// Both hold for every list that has the node, at once.
    void set_weight(std::uint32_t weight) noexcept { weight_.store(weight, std::memory_order_relaxed); }      // (N)
    void set_available(bool available) noexcept { available_.store(available, std::memory_order_relaxed); }  // (N)

private:
    friend class in_flight_guard<tracked_node>;

    Id                         id_;
    [[no_unique_address]] State state_;
    Atom<std::uint32_t>        in_flight_{0};
    Atom<std::uint32_t>        weight_{1};
    Atom<bool>                 available_{true};
};

/// Counts one task in flight on a node, from its construction until finish() or its end, once. Keeps the node.
template <class Node>
class in_flight_guard {
public:
    in_flight_guard() noexcept = default;
    /// Requires a node.
    explicit in_flight_guard(std::shared_ptr<Node> node) noexcept : node_(std::move(node)) {
        SLUICE_ASSERT(node_ != nullptr);
        node_->in_flight_.fetch_add(1, std::memory_order_relaxed);  // (N)
    }
    in_flight_guard(in_flight_guard&& other) noexcept = default;
    in_flight_guard& operator=(in_flight_guard&& other) noexcept {
        std::shared_ptr<Node> const mine = std::exchange(node_, std::move(other.node_));
        if (mine != nullptr) mine->in_flight_.fetch_sub(1, std::memory_order_relaxed);  // (N)
        return *this;
    }
    ~in_flight_guard() { finish(); }

    /// The task has ended. A second call does nothing.
    void finish() noexcept {
        std::shared_ptr<Node> const mine = std::move(node_);
        if (mine != nullptr) mine->in_flight_.fetch_sub(1, std::memory_order_relaxed);  // (N)
    }

    [[nodiscard]] explicit operator bool() const noexcept { return node_ != nullptr; }

    /// Requires that it has not finished.
    [[nodiscard]] Node& node() const noexcept {
        SLUICE_ASSERT(node_ != nullptr);
        return *node_;
    }

private:
    std::shared_ptr<Node> node_;
};

template <class Id, class State = no_state, template <class> class Atom = std::atomic>
class node_states {
public:
    using node_type = tracked_node<Id, State, Atom>;
    using pointer = std::shared_ptr<node_type>;

    node_states() = default;
    node_states(node_states const&) = delete;
    node_states& operator=(node_states const&) = delete;

    /// The node with this id: the one that somebody still holds, or a new one, whose State is made from the arguments. The
    /// constructor runs under the mutex and must not come back here.
    template <class... Args>
    [[nodiscard]] pointer obtain(Id const& id, Args&&... state) {
        std::lock_guard const lock(mutex_);
        auto                  at = nodes_.lower_bound(id);
        bool const            known = at != nodes_.end() && !nodes_.key_comp()(id, at->first);
        if (known)
            if (pointer alive = at->second.lock()) return alive;
        auto made = std::make_shared<node_type>(id, std::forward<Args>(state)...);
        if (known) {
            at->second = made;
        } else {
            nodes_.emplace_hint(at, id, made);
            if (nodes_.size() > most_) forget();
        }
        return made;
    }

    /// Null: nobody holds a node with this id.
    [[nodiscard]] pointer find(Id const& id) const {
        std::lock_guard const lock(mutex_);
        auto const            at = nodes_.find(id);
        return at == nodes_.end() ? nullptr : at->second.lock();
    }

    /// Ids that are remembered; some may be of nodes that are gone, at most as many as there were nodes at a time and a few.
    [[nodiscard]] std::size_t size_approx() const {
        std::lock_guard const lock(mutex_);
        return nodes_.size();
    }

private:
    static constexpr std::size_t least = 16;

    /// Ids whose nodes are gone; so many more may come before the next look.
    void forget() noexcept {
        std::erase_if(nodes_, [](auto const& n) { return n.second.expired(); });
        most_ = nodes_.size() < least ? least : 2 * nodes_.size();
    }

    mutable std::mutex                                mutex_;
    std::map<Id, std::weak_ptr<node_type>, std::less<>> nodes_;
    std::size_t                                       most_ = least;
};

}  // namespace sluice
