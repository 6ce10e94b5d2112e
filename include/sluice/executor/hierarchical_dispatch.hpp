// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// batch_fetch, dispatch_tree — local queues that are filled by the batch, and a tree of coordinators in place of one queue.
///
/// Use it for     many pollers on one queue whose every operation costs the same, full or empty: a message broker, a table
///                that is locked, a service behind a network
/// Not for        threads of one process (thread_pool steals), or order: items of different batches overtake each other
/// Thread-safety  one thread each, as it stands: a coordinator belongs to its event loop or is kept by a mutex. A tree in one
///                process may be guarded node by node: children only call their parent
/// Complexity     pop: O(1), and for every batch one operation upstream. A poll that finds nothing asks upstream at most once in
///                a back-off, however many ask below
/// Errors         options that cannot work throw std::invalid_argument; std::bad_alloc, then nothing that was fetched is lost
/// Units          items; times on the caller's clock
///
/// What it is about: an upstream that serves r operations a second collapses under n pollers of p polls a second each as soon
/// as n · p > r, whether there is work or not. With batches of b, a full queue needs 1 / b operations an item; with f children
/// to each coordinator, an empty one needs one operation in a back-off for each top coordinator, not one for each poller. Each
/// level adds one hop, and up to a back-off of delay to the first item after a pause.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace sluice {

struct batch_fetch_options {
    std::size_t batch = 32;                                       ///< most items taken upstream at once
    std::size_t low_water = 0;                                    ///< fetch when no more than so many are left here
    duration    first_backoff = std::chrono::milliseconds(10);    ///< after an empty answer upstream is left alone for so long ...
    duration    last_backoff = std::chrono::seconds(1);           ///< ... doubled with each further one, up to this
};

/// A local queue in front of an upstream, to which fetch(n, out) is one operation: it appends at most n items to out.
/// The upstream comes with each call: a queue, or another batch_fetch by its fetch().
template <class T>
class batch_fetch {
public:
    explicit batch_fetch(batch_fetch_options options = {}) : options_(options), backoff_(options.first_backoff) {
        detail::require_option(options.batch >= 1, "batch_fetch_options::batch (at least 1)", options.batch);
        detail::require_option(options.first_backoff.count() >= 0, "batch_fetch_options::first_backoff (not negative): nanoseconds",
                               options.first_backoff.count());
        detail::require_option(options.last_backoff >= options.first_backoff,
                               "batch_fetch_options::last_backoff (not less than the first): nanoseconds", options.last_backoff.count());
    }

    /// One item, from here or from upstream; none if both have none or upstream is to be left alone.
    template <class Fetch>
    [[nodiscard]] std::optional<T> pop(time_point now, Fetch&& fetch) {
        if (items_.size() <= options_.low_water) refill(1, now, fetch);
        if (items_.empty()) return std::nullopt;
        std::optional<T> first(std::move(items_.front()));
        items_.pop_front();
        return first;
    }

    /// At most n items, appended to out: for those below.
    template <class Fetch>
    void fetch(std::size_t n, std::deque<T>& out, time_point now, Fetch&& upstream) {
        if (items_.size() < n || items_.size() <= options_.low_water) refill(n, now, upstream);
        for (; n > 0 && !items_.empty(); --n) {
            out.push_back(std::move(items_.front()));
            items_.pop_front();
        }
    }

    /// When a call may ask upstream again; not later than now while there is something here or no back-off.
    [[nodiscard]] time_point next_fetch() const noexcept { return next_; }
    /// Somebody said that there is work: the back-off is over.
    void notify() noexcept {
        next_ = time_point::min();
        backoff_ = options_.first_backoff;
    }
    /// What is left here, for whoever takes over: a worker that leaves must not keep it.
    [[nodiscard]] std::deque<T> drain() noexcept { return std::exchange(items_, {}); }

    [[nodiscard]] std::size_t   size() const noexcept { return items_.size(); }
    [[nodiscard]] std::uint64_t fetches() const noexcept { return fetches_; }        ///< operations upstream
    [[nodiscard]] std::uint64_t empty_fetches() const noexcept { return empty_; }    ///< those that brought nothing

private:
    template <class Fetch>
    void refill(std::size_t wanted, time_point now, Fetch&& upstream) {
        if (now < next_) return;
        std::size_t const before = items_.size();
        ++fetches_;
        upstream(std::max(wanted, options_.batch), items_);
        if (items_.size() != before) {
            notify();
            return;
        }
        ++empty_;
        next_ = saturating_add(now, backoff_);
        backoff_ = std::min(saturating_add(backoff_, backoff_), options_.last_backoff);
    }

    batch_fetch_options options_;
    std::deque<T>       items_;
    time_point          next_ = time_point::min();
    duration            backoff_;
    std::uint64_t       fetches_ = 0;
    std::uint64_t       empty_ = 0;
};

struct dispatch_tree_options {
    std::size_t         leaves = 1;   ///< pollers
    std::size_t         fan_out = 32; ///< children of a coordinator, at most; at least 2
    std::size_t         levels = 1;   ///< of coordinators between the pollers and the shared queue; 0: each poller asks it
    batch_fetch_options leaf{};       ///< of each poller
    batch_fetch_options node{.batch = 256};  ///< of each coordinator
};

/// Pollers, their coordinators, and those of these. The top ones share one queue, each operation on which is one fetch.
template <class T>
class dispatch_tree {
public:
    explicit dispatch_tree(dispatch_tree_options options) : fan_out_(options.fan_out) {
        detail::require_option(options.leaves >= 1, "dispatch_tree_options::leaves (at least 1)", options.leaves);
        detail::require_option(options.fan_out >= 2, "dispatch_tree_options::fan_out (at least 2)", options.fan_out);
        detail::require_option(options.levels <= 16, "dispatch_tree_options::levels (at most 16)", options.levels);
        std::size_t n = options.leaves;
        levels_.emplace_back(n, batch_fetch<T>(options.leaf));
        for (std::size_t l = 0; l < options.levels && n > 1; ++l) {
            n = (n + fan_out_ - 1) / fan_out_;
            levels_.emplace_back(n, batch_fetch<T>(options.node));
        }
    }

    /// One item for a poller. root(n, out) is one operation on the shared queue.
    template <class Root>
    [[nodiscard]] std::optional<T> pop(std::size_t leaf, time_point now, Root&& root) {
        return levels_[0][leaf].pop(now, [&](std::size_t n, std::deque<T>& out) { fetch(1, leaf / fan_out_, n, out, now, root); });
    }

    /// There is work again: those above a poller, and it itself, may ask at once.
    void notify(std::size_t leaf) noexcept {
        for (auto& level : levels_) {
            level[leaf].notify();
            leaf /= fan_out_;
        }
    }

    [[nodiscard]] std::size_t levels() const noexcept { return levels_.size(); }  ///< pollers included
    [[nodiscard]] std::size_t width(std::size_t level) const noexcept { return levels_[level].size(); }
    [[nodiscard]] batch_fetch<T> const& at(std::size_t level, std::size_t i) const noexcept { return levels_[level][i]; }
    /// Items that lie in local queues.
    [[nodiscard]] std::size_t size() const noexcept {
        std::size_t n = 0;
        for (auto const& level : levels_)
            for (auto const& q : level) n += q.size();
        return n;
    }
    /// Operations that the nodes of a level asked of the one above.
    [[nodiscard]] std::uint64_t fetches(std::size_t level) const noexcept {
        std::uint64_t n = 0;
        for (auto const& q : levels_[level]) n += q.fetches();
        return n;
    }

private:
    template <class Root>
    void fetch(std::size_t level, std::size_t i, std::size_t n, std::deque<T>& out, time_point now, Root& root) {
        if (level == levels_.size()) return root(n, out);
        levels_[level][i].fetch(n, out, now, [&](std::size_t m, std::deque<T>& more) {
            fetch(level + 1, i / fan_out_, m, more, now, root);
        });
    }

    std::size_t                              fan_out_;
    std::vector<std::vector<batch_fetch<T>>> levels_;  // pollers first
};

}  // namespace sluice
