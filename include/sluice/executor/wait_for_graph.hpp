// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// wait_for_graph — who waits for whom; answers when the wait that is just being added can never end.
///
/// Use it for     finding a deadlock at the moment it closes, and naming it: A -> B -> C -> A
/// Not for        preventing one by an order of locks (lock_order)
/// Thread-safety  any thread; one mutex
/// Complexity     add_wait, find_deadlock: O(log ids) and then O(waits that are reached from there). remove_wait: O(log ids) and
///                the waits of that one. remove, remove_expired: O(all waits)
/// Errors         add_wait throws std::bad_alloc and then has no effect. The rest throws only where it returns a vector. A
///                deadlock is an answer
/// Units          ids are values with an order; threads, tasks, processes and resources may share one space of them
/// Source         Knapp, Comput. Surv. 19, 1987, doi:10.1145/45075.46163 (AND, OR and AND-OR models)
/// Example        examples/563_deadlock_detection.cpp
///
/// AND-OR model: one that waits for all its holders is stuck when one of them is, one that waits for any is stuck only when all
/// are (a cycle alone is then no deadlock). A resource may be an id of its own: thread -> resource -> holders, with all for a
/// shared lock that a writer wants and any for one of several equal units.
///
/// The graph knows what it is told. Where waits are reported from several machines an old wait that has ended can close a cycle
/// that never was; a deadline for each wait and remove_expired keep the graph from filling up with those.

#include <sluice/core/clock.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace sluice {

enum class waits_for : std::uint8_t {
    all,  ///< of its holders: every one has to let go
    any,  ///< of its holders: one is enough
};

struct wait_options {
    waits_for  mode = waits_for::all;       ///< of all that this one waits for, its earlier waits included
    bool       keep_deadlock = false;       ///< add the wait even though it closes a deadlock: it has happened already
    time_point until = time_point::max();   ///< when the waiter gives up, its earlier waits included
};

/// What add_wait found. The cycle begins and ends with the same id; of several it is a shortest one through the waiter. A
/// waiter that is not on a cycle itself, but waits for a deadlock that was kept, gets that one's. Whoever on the cycle waits for
/// any of several is stuck with the others, too.
template <class Id>
struct deadlock_answer {
    std::vector<Id> cycle;
    [[nodiscard]] bool     deadlock() const noexcept { return !cycle.empty(); }
    explicit               operator bool() const noexcept { return deadlock(); }
};

/// "A -> B -> A"; text(id) gives a std::string.
template <class Id, class Text>
[[nodiscard]] std::string to_string(deadlock_answer<Id> const& answer, Text text) {
    std::string all;
    for (auto const& id : answer.cycle) {
        if (!all.empty()) all += " -> ";
        all += text(id);
    }
    return all;
}

template <class Id = std::uint64_t, class Less = std::less<Id>>
class wait_for_graph {
public:
    using answer = deadlock_answer<Id>;

    wait_for_graph() = default;
    wait_for_graph(wait_for_graph const&) = delete;
    wait_for_graph& operator=(wait_for_graph const&) = delete;

    /// `waiter` waits for `holder` too. If it could then never go on: the cycle, and nothing is added unless options say so.
    [[nodiscard]] answer add_wait(Id const& waiter, Id const& holder, wait_options options = {}) {
        return add_wait(waiter, std::span<Id const>(&holder, 1), options);
    }
    /// The same for several holders at once.
    [[nodiscard]] answer add_wait(Id const& waiter, std::span<Id const> holders, wait_options options = {}) {
        if (holders.empty()) return {};
        std::lock_guard const lock(mutex_);
        std::size_t const     from = enter(waiter);
        std::size_t const     had = nodes_[from].out.size();
        auto const            mode = nodes_[from].mode;
        struct undo {  // an allocation failed, or the wait is refused
            wait_for_graph* graph;
            std::size_t     from, had;
            waits_for       mode;
            ~undo() {
                if (graph == nullptr) return;
                graph->nodes_[from].mode = mode;
                while (graph->nodes_[from].out.size() > had) graph->drop_last(from);
                graph->forget_if_unused(from);
            }
        } guard{this, from, had, mode};
        nodes_[from].mode = options.mode;
        for (auto const& id : holders) {
            std::size_t const to = enter(id);
            auto const&       out = nodes_[from].out;
            if (std::find(out.begin(), out.end(), to) != out.end()) continue;
            try {
                nodes_[from].out.push_back(to);
            } catch (...) {
                if (to != from) forget_if_unused(to);
                throw;
            }
            ++nodes_[to].in;
            ++waits_;
        }
        answer result = search(from);
        if (!result || options.keep_deadlock) {
            guard.graph = nullptr;
            nodes_[from].until = options.until;
        }
        return result;
    }

    /// `holder` let go of what `waiter` waits for. If that one waits for any, it has what it wanted and waits for nobody else
    /// either; so no deadlock ever comes from a removal. Unknown ids: no effect.
    void remove_wait(Id const& waiter, Id const& holder) noexcept {
        std::lock_guard const lock(mutex_);
        auto const            from = find(waiter), to = find(holder);
        if (from == none || to == none) return;
        auto&      out = nodes_[from].out;
        auto const at = std::find(out.begin(), out.end(), to);
        if (at == out.end()) return;
        if (nodes_[from].mode == waits_for::any) return stop_waiting(from);
        std::iter_swap(at, out.end() - 1);
        drop_last(from);
        forget_if_unused(from);
    }
    /// `waiter` no longer waits: it has what it asked for, or gave up.
    void remove_wait(Id const& waiter) noexcept {
        std::lock_guard const lock(mutex_);
        if (auto const from = find(waiter); from != none) stop_waiting(from);
    }
    /// `id` is gone: it waits for nobody and has let go of everything.
    void remove(Id const& id) noexcept {
        std::lock_guard const lock(mutex_);
        auto const            gone = find(id);
        if (gone == none) return;
        for (std::size_t i = 0; i < nodes_.size() && nodes_[gone].in != 0; ++i) {
            auto& out = nodes_[i].out;
            auto const at = std::find(out.begin(), out.end(), gone);
            if (i == gone || at == out.end()) continue;
            if (nodes_[i].mode == waits_for::any) {
                ++nodes_[gone].in;  // so that it stays until the end of this
                stop_waiting(i);
                --nodes_[gone].in;
                continue;
            }
            *at = out.back();
            out.pop_back();
            --nodes_[gone].in;
            --waits_;
            forget_if_unused(i);
        }
        stop_waiting(gone);
    }
    /// Ends the waits whose time has come, and tells whose they were.
    std::vector<Id> remove_expired(time_point now) {
        std::lock_guard const lock(mutex_);
        std::vector<Id>       late;
        for (auto const& [id, i] : index_)
            if (!nodes_[i].out.empty() && nodes_[i].until <= now) late.push_back(id);
        for (auto const& id : late) stop_waiting(find(id));
        return late;
    }

    /// Whether `id` is stuck as things are: of use only where deadlocks are kept.
    [[nodiscard]] answer find_deadlock(Id const& id) {
        std::lock_guard const lock(mutex_);
        auto const            from = find(id);
        return from == none ? answer{} : search(from);
    }

    /// Pairs of waiter and holder.
    [[nodiscard]] std::size_t size() const noexcept {
        std::lock_guard const lock(mutex_);
        return waits_;
    }
    /// Ids that wait or are waited for.
    [[nodiscard]] std::size_t ids() const noexcept {
        std::lock_guard const lock(mutex_);
        return index_.size();
    }

private:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);
    using index_map = std::map<Id, std::size_t, Less>;

    struct node {
        std::vector<std::size_t>     out;     // whom it waits for, each once
        std::size_t                  in = 0;  // how many wait for it
        time_point                   until = time_point::max();
        typename index_map::iterator self{};
        std::uint64_t                mark = 0;    // the search that reached it ...
        std::size_t                  local = 0;   // ... and its number there
        waits_for                    mode = waits_for::all;
    };

    [[nodiscard]] std::size_t find(Id const& id) const noexcept {
        auto const at = index_.find(id);
        return at == index_.end() ? none : at->second;
    }

    std::size_t enter(Id const& id) {
        auto const [at, fresh] = index_.try_emplace(id, none);
        if (!fresh) return at->second;
        try {
            if (free_.empty()) {
                nodes_.emplace_back();
                try {
                    free_.reserve(nodes_.capacity());  // so that forgetting needs no memory
                } catch (...) {
                    nodes_.pop_back();
                    throw;
                }
                at->second = nodes_.size() - 1;
            } else {
                at->second = free_.back();
                free_.pop_back();
            }
        } catch (...) {
            index_.erase(at);
            throw;
        }
        nodes_[at->second].self = at;
        return at->second;
    }

    void forget_if_unused(std::size_t i) noexcept {
        node& n = nodes_[i];
        if (n.in != 0 || !n.out.empty()) {
            if (n.out.empty()) n.mode = waits_for::all, n.until = time_point::max();
            return;
        }
        index_.erase(n.self);
        n.until = time_point::max();
        n.mode = waits_for::all;
        free_.push_back(i);  // has room
    }
    void drop_last(std::size_t from) noexcept {
        auto const to = nodes_[from].out.back();
        nodes_[from].out.pop_back();
        --nodes_[to].in;
        --waits_;
        if (to != from) forget_if_unused(to);
    }
    void stop_waiting(std::size_t from) noexcept {
        while (!nodes_[from].out.empty()) drop_last(from);
        forget_if_unused(from);
    }

    /// Whether `from` can never go on, and then why. Looks at what is reached from there, finds those that can go on (who waits
    /// for nobody can, and the rest follows), and keeps who is left.
    [[nodiscard]] answer search(std::size_t from) {
        ++searches_;
        reached_.clear();
        reach(from);
        for (std::size_t i = 0; i < reached_.size(); ++i)
            for (std::size_t const to : nodes_[reached_[i]].out) reach(to);

        // Who waits for reached_[i], among the reached: waiters_[first_[i]] … waiters_[first_[i + 1]].
        std::size_t const n = reached_.size();
        first_.assign(n + 1, 0);
        for (auto const i : reached_)
            for (auto const to : nodes_[i].out) ++first_[nodes_[to].local + 1];
        for (std::size_t i = 0; i < n; ++i) first_[i + 1] += first_[i];
        waiters_.assign(first_[n], 0);
        needs_.assign(first_.begin(), first_.end() - 1);  // for now: where the next waiter goes
        for (std::size_t i = 0; i < n; ++i)
            for (auto const to : nodes_[reached_[i]].out) waiters_[needs_[nodes_[to].local]++] = i;

        queue_.clear();
        queue_.reserve(n);
        for (std::size_t i = 0; i < n; ++i) {
            auto const& one = nodes_[reached_[i]];
            needs_[i] = one.out.empty() || one.mode == waits_for::all ? one.out.size() : 1;
            if (needs_[i] == 0) queue_.push_back(i);
        }
        for (std::size_t head = 0; head < queue_.size(); ++head)
            for (std::size_t k = first_[queue_[head]]; k < first_[queue_[head] + 1]; ++k)
                if (needs_[waiters_[k]] != 0 && --needs_[waiters_[k]] == 0) queue_.push_back(waiters_[k]);
        if (needs_[0] == 0) return {};
        return shortest_cycle();
    }

    void reach(std::size_t i) {
        if (nodes_[i].mark == searches_) return;
        reached_.push_back(i);
        nodes_[i].mark = searches_;
        nodes_[i].local = reached_.size() - 1;
    }

    /// Breadth first among the stuck (needs_ != 0). Each of them waits for another of them, so there is a cycle, and if the
    /// deadlock is new there is one through the start: without it the others would have been stuck before.
    [[nodiscard]] answer shortest_cycle() {
        auto& before = first_;  // no longer needed
        before.assign(reached_.size(), none);
        queue_.clear();
        queue_.push_back(0);
        for (std::size_t head = 0; head < queue_.size(); ++head)
            for (auto const to : nodes_[reached_[queue_[head]]].out) {
                auto const next = nodes_[to].local;
                if (needs_[next] == 0) continue;
                if (next == 0) return name(queue_[head], 0);
                if (before[next] != none) continue;
                before[next] = queue_[head];
                queue_.push_back(next);
            }
        // An older deadlock: walk on from one stuck to the next until one comes again.
        std::size_t at = 0;
        before.assign(reached_.size(), none);
        for (;;) {
            std::size_t next = none;
            for (auto const to : nodes_[reached_[at]].out)
                if (needs_[nodes_[to].local] != 0) next = nodes_[to].local;
            if (next == 0 || before[next] != none) {
                // the cycle is next … at; `before` of its first one leads to the way in, so it is cut there
                return name(at, next);
            }
            before[next] = at;
            at = next;
        }
    }

    /// The cycle first … last -> first, found by going back from last.
    [[nodiscard]] answer name(std::size_t last, std::size_t first) const {
        answer result;
        result.cycle.push_back(nodes_[reached_[first]].self->first);
        for (std::size_t i = last; i != first; i = first_[i]) result.cycle.push_back(nodes_[reached_[i]].self->first);
        result.cycle.push_back(nodes_[reached_[first]].self->first);
        std::reverse(result.cycle.begin(), result.cycle.end());
        return result;
    }

    mutable std::mutex       mutex_;
    index_map                index_;
    std::vector<node>        nodes_;
    std::vector<std::size_t> free_;
    std::size_t              waits_ = 0;
    std::uint64_t            searches_ = 0;
    // of one search
    std::vector<std::size_t> reached_, first_, waiters_, needs_, queue_;
};

}  // namespace sluice
