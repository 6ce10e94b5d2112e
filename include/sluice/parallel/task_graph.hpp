// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// task_graph — tasks and which of them must come first; built once, run as often as needed.
///
/// Use it for     builds, schedules, wavefronts: dependencies that are known before the run; loops and branches by conditions
/// Not for        tasks that turn up while others run (dynamic_graph), streams (parallel_pipeline)
/// Thread-safety  building: one thread, not during a run. run: any thread, workers included, one run of a graph at a time. A task
///                happens after all that precede it
/// Progress       the caller works too, and sleeps only while others run tasks of the graph. A task whose last predecessor ends
///                goes on at once on that predecessor's worker
/// Complexity     an atomic subtraction for each edge, a short lock for each task that another worker may take. The first run
///                of a graph, or of another pool, allocates; later ones allocate nothing (but where a worker's deque grows)
/// Errors         the first exception drops what has not begun and is rethrown by run; others are counted. A stop request
///                likewise, run then returns false. The graph can be run again in each case. std::invalid_argument: a cycle
///                (named), a node of another graph, a graph in which nothing can begin. std::logic_error: two runs at a time,
///                a condition that selects a task which is under way. A closed pool: the caller works alone
/// Source         conditions as weak edges: Huang et al., Taskflow, TPDS 33, 2022, doi:10.1109/TPDS.2021.3104255
/// Example        examples/660_task_graph.cpp
///
/// A task that returns an integer is a condition: of its successors, in the order in which they were named, it selects the one
/// of that number, which runs at once; any other number selects none. An edge from a condition counts for nothing else, so
/// it may lead back. Tasks without any predecessor begin.

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <limits>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/detail/team.hpp>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

// Ordering
//   (A) join   left fetch_sub acq_rel by a predecessor that has ended: the last one has acquired from all, and runs the task
//              or pushes it, which a lock publishes. Reset relaxed when the task begins: its predecessors, which bring the
//              next subtractions, cannot run again before a successor of it has
//   (B) queued exchange acq_rel, only for targets of conditions: at most one selection is under way
//   (C) over   store, load relaxed: a hint. The error is written by who turns it first, and read after team::wait
//   (D) running exchange acquire, store release: the next run sees everything of this one
class task_graph {
    struct data final : detail::team_item {
        data(task_graph* g, std::size_t i) : team_item(&task_graph::act), graph(g), index(i) {}
        static constexpr std::uint64_t plain = std::numeric_limits<std::uint64_t>::max();

        unique_function<std::uint64_t()> f;  // plain, or what the condition returned
        task_graph* const          graph;
        std::size_t const          index;
        bool                       condition = false;
        std::uint32_t              strong = 0;  // predecessors that are to be waited for
        std::uint32_t              weak = 0;    // conditions before it
        std::atomic<std::uint32_t> left{0};
        std::atomic<bool>          queued{false};
        std::vector<data*>         after;
        std::string                name;
    };

public:
    /// A task of the graph, as long as the graph lives.
    class node {
    public:
        /// This task ends before each of the others begins.
        template <std::same_as<node>... N>
        node& precede(N const&... others) {
            (edge(*data_, *others.data_), ...);
            return *this;
        }
        /// This task begins after each of the others has ended.
        template <std::same_as<node>... N>
        node& succeed(N const&... others) {
            (edge(*others.data_, *data_), ...);
            return *this;
        }
        node& name(std::string n) {
            data_->name = std::move(n);
            return *this;
        }
        [[nodiscard]] std::string const& name() const noexcept { return data_->name; }
        friend bool operator==(node const&, node const&) = default;

    private:
        friend class task_graph;
        explicit node(data* d) noexcept : data_(d) {}
        data* data_;
    };

    task_graph() = default;
    task_graph(task_graph const&) = delete;
    task_graph& operator=(task_graph const&) = delete;

    /// f() is called once in each run; more often, or not at all, behind conditions.
    template <class F>
    node emplace(F&& f) {
        static_assert(std::is_invocable_v<std::decay_t<F>&>, "task_graph::emplace needs a callable without parameters");
        using R = std::invoke_result_t<std::decay_t<F>&>;
        static_assert(std::is_void_v<R> || std::integral<R>, "a task of a task_graph returns nothing, or an integer to select a successor");
        data& d = nodes_.emplace_back(this, nodes_.size());
        try {
            if constexpr (std::is_void_v<R>) {
                d.f = [g = std::forward<F>(f)]() mutable -> std::uint64_t { return g(), data::plain; };
            } else {
                d.f = [g = std::forward<F>(f)]() mutable -> std::uint64_t {
                    R const r = g();
                    if constexpr (std::signed_integral<R>)
                        if (r < 0) return data::plain;
                    return static_cast<std::uint64_t>(r);
                };
                d.condition = true;
            }
        } catch (...) {
            nodes_.pop_back();
            throw;
        }
        ready_to_run_ = false;
        return node(&d);
    }

    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }

    /// Runs all tasks in an order that keeps the dependencies, and returns when they have ended; false after a stop request.
    bool run(thread_pool& pool, std::stop_token const& stop = {}) {
        if (running_.exchange(true, std::memory_order_acquire))                             // (D)
            detail::throw_logic_error("sluice: task_graph: run during a run");
        struct unlock {
            task_graph* g;
            ~unlock() { g->running_.store(false, std::memory_order_release); }              // (D)
        } const guard{this};
        if (!ready_to_run_) prepare();
        if (nodes_.empty()) return !stop.stop_requested();
        if (team_ == nullptr || !team_->is_for(pool)) team_ = detail::team::make(pool);
        for (data& d : nodes_) {
            d.left.store(d.strong, std::memory_order_relaxed);                              // (A)
            d.queued.store(false, std::memory_order_relaxed);                               // (B)
        }
        over_.store(false, std::memory_order_relaxed);                                      // (C)
        failed_.store(false, std::memory_order_relaxed);                                    // (C)
        stop_ = &stop;
        for (std::size_t i = begins_.size(); i-- > 0;) team_->push(begins_[i], i != 0);
        team_->wait();
        if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
        return !over_.load(std::memory_order_relaxed);                                      // (C)
    }

private:
    static void edge(data& from, data& to) {
        if (from.graph != to.graph) throw std::invalid_argument("sluice: task_graph: an edge between two graphs");
        from.after.push_back(&to);
        from.graph->ready_to_run_ = false;
    }

    [[nodiscard]] static std::string name_of(data const& d) {
        if (!d.name.empty()) return d.name;
        std::string text(1, '#');  // gcc 12 warns of "#" + …
        return text += std::to_string(d.index);
    }

    void prepare() {
        begins_.clear();
        for (data& d : nodes_) d.strong = d.weak = 0;
        for (data& d : nodes_)
            for (data* to : d.after) ++(d.condition ? to->weak : to->strong);
        for (data& d : nodes_)
            if (d.strong == 0 && d.weak == 0) begins_.push_back(&d);
        refuse_cycle();
        if (begins_.empty() && !nodes_.empty())
            throw std::invalid_argument("sluice: task_graph: nothing can begin: each task is behind another");
        ready_to_run_ = true;
    }

    /// A depth-first walk along the edges that are waited for; what it has come by and not left is a cycle if it comes again.
    void refuse_cycle() {
        enum : unsigned char { fresh, on_the_way, left };
        struct place {
            data*       at;
            std::size_t next;
        };
        std::vector<unsigned char> state(nodes_.size(), fresh);
        std::vector<place>         way;
        for (data& start : nodes_) {
            if (state[start.index] != fresh) continue;
            state[start.index] = on_the_way;
            way.push_back({&start, 0});
            while (!way.empty()) {
                data& d = *way.back().at;
                if (d.condition || way.back().next == d.after.size()) {
                    state[d.index] = left;
                    way.pop_back();
                    continue;
                }
                data* const to = d.after[way.back().next++];
                if (state[to->index] == on_the_way) {
                    std::size_t first = way.size() - 1;
                    while (way[first].at != to) --first;
                    std::string text = "sluice: task_graph: cycle: ";
                    for (; first < way.size(); ++first) text.append(name_of(*way[first].at)).append(" -> ");
                    throw std::invalid_argument(text.append(name_of(*to)));
                }
                if (state[to->index] == fresh) {
                    state[to->index] = on_the_way;
                    way.push_back({to, 0});
                }
            }
        }
    }

    [[nodiscard]] bool over() noexcept {
        if (over_.load(std::memory_order_relaxed)) return true;                             // (C)
        if (!stop_->stop_requested()) return false;
        over_.store(true, std::memory_order_relaxed);                                       // (C)
        return true;
    }

    static detail::team_item* act(detail::team_item* i) noexcept {
        data& d = *static_cast<data*>(i);
        return d.graph->run_one(d);
    }

    data* run_one(data& d) noexcept {
        if (over()) return nullptr;
        d.left.store(d.strong, std::memory_order_relaxed);                                  // (A)
        std::uint64_t selected;
        try {
            selected = d.f();
        } catch (...) {
            fail(std::current_exception());
            return nullptr;
        }
        if (d.weak != 0) d.queued.store(false, std::memory_order_release);                  // (B)
        if (d.condition) return selected < d.after.size() ? ready(*d.after[static_cast<std::size_t>(selected)]) : nullptr;
        data* mine = nullptr;
        for (data* const to : d.after) {
            if (to->left.fetch_sub(1, std::memory_order_acq_rel) != 1) continue;            // (A)
            data* const next = ready(*to);
            if (next == nullptr) continue;
            if (mine != nullptr) team_->push(mine);
            mine = next;
        }
        return mine;
    }

    data* ready(data& d) noexcept {
        if (d.weak == 0 || !d.queued.exchange(true, std::memory_order_acq_rel)) return &d;  // (B)
        try {
            detail::throw_logic_error("sluice: task_graph: a condition selected a task that is under way");
        } catch (...) {
            fail(std::current_exception());
        }
        return nullptr;
    }

    void fail(std::exception_ptr e) noexcept {
        if (failed_.exchange(true, std::memory_order_relaxed)) {                            // (C)
            team_->pool().errors().drop();
            return;
        }
        error_ = std::move(e);
        over_.store(true, std::memory_order_relaxed);                                       // (C)
    }

    std::deque<data>       nodes_;
    std::vector<data*>     begins_;
    bool                   ready_to_run_ = false;
    std::stop_token const* stop_ = nullptr;
    std::exception_ptr     error_;
    std::atomic<bool>      over_{false}, failed_{false}, running_{false};
    detail::team::handle   team_;
};

}  // namespace sluice
