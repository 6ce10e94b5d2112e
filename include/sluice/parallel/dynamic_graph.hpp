// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// dynamic_graph — tasks that are added while others run, behind tasks that may be running or done already.
///
/// Use it for     dependencies that are found on the way: parsers, builds, solvers, trees of unknown shape
/// Not for        graphs that are run again (task_graph), tasks that depend on nothing (task_group)
/// Thread-safety  add, cancel, wait: any thread, also from tasks. The destructor: after every other call has returned. A task
///                happens after add and after all tasks that it was put behind
/// Progress       wait works too, and sleeps only while others run tasks of the graph; tasks run without wait as well
/// Complexity     add: one allocation, and one short lock for each task that it is put behind
/// Errors         add: std::bad_alloc, what moving the callable throws, std::invalid_argument for a handle of another graph;
///                then it has no effect. The first exception of a task drops what has not begun; wait rethrows it, others
///                are counted, and so is one that no wait took. A closed pool: wait, or the destructor, works alone
/// Example        examples/660_task_graph.cpp

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/detail/task.hpp>
#include <sluice/executor/detail/worker.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/detail/team.hpp>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

// Ordering
//   (A) left   fetch_sub acq_rel by a predecessor that ended, and by add when it has seen all of them: the last one pushes
//   (B) over   store, load relaxed: a hint; the error is guarded by the lock
class dynamic_graph {
    struct data final : detail::team_item {
        data(dynamic_graph* g, unique_function<void()> c) : team_item(&dynamic_graph::act), graph(g), f(std::move(c)) {}
        dynamic_graph* const       graph;
        unique_function<void()>    f;
        std::atomic<std::uint32_t> left{1};  // predecessors that have not ended, and add
        std::mutex                 mutex;    // the rest
        bool                       ended = false;
        std::vector<data*>         after;
        std::shared_ptr<data>      self;     // until it has ended
    };

public:
    /// A task that was added. Keeps a small record alive, not the callable.
    class handle {
    public:
        handle() = default;
        [[nodiscard]] bool ended() const {
            if (data_ == nullptr) return true;
            std::lock_guard const lock(data_->mutex);
            return data_->ended;
        }

    private:
        friend class dynamic_graph;
        explicit handle(std::shared_ptr<data> d) noexcept : data_(std::move(d)) {}
        std::shared_ptr<data> data_;
    };

    explicit dynamic_graph(thread_pool& pool) : team_(detail::team::make(pool)), id_(pool.internals().new_group_id()) {}
    dynamic_graph(dynamic_graph const&) = delete;
    dynamic_graph& operator=(dynamic_graph const&) = delete;
    ~dynamic_graph() {
        team_->wait();
        if (error_) team_->pool().errors().drop();
    }

    /// f() runs once all of `behind` have ended; an empty handle counts as ended. A task may name itself in nobody's list but
    /// that of tasks it adds, so there are no cycles.
    template <class F>
    handle add(F&& f, std::span<handle const> behind = {}) {
        static_assert(std::is_invocable_v<std::decay_t<F>&>, "dynamic_graph::add needs a callable without parameters");
        for (handle const& h : behind)
            if (h.data_ != nullptr && h.data_->graph != this)
                throw std::invalid_argument("sluice: dynamic_graph: a handle of another graph");
        auto d = std::make_shared<data>(this, unique_function<void()>(std::forward<F>(f)));
        d->self = d;
        team_->hold();
        try {
            for (handle const& h : behind) follow(*d, h.data_.get());
        } catch (...) {
            d->f = unique_function<void()>();  // some will arrive there already: a task that does nothing
            arrive(*d);
            throw;
        }
        arrive(*d);
        return handle(std::move(d));
    }
    template <class F>
    handle add(F&& f, std::initializer_list<handle> behind) {
        return add(std::forward<F>(f), std::span<handle const>(behind.begin(), behind.size()));
    }

    /// Drops what has not begun.
    void cancel() noexcept { over_.store(true, std::memory_order_relaxed); }                // (B)

    /// Until all tasks have ended or been dropped, those included that are added meanwhile; then rethrows the first exception.
    /// The graph can be used again. Not from one of its own tasks, which would have to end first, nor from the tasks of a group that
    /// was made inside one, on whichever worker they run: std::logic_error. What such a task waits for in another way (a future, a
    /// stolen half of parallel_invoke) must not call it either, and is not found out on another thread.
    void wait() {
        if (called_from_inside()) throw std::logic_error("sluice: dynamic_graph: wait called from one of its tasks");
        team_->wait();
        std::exception_ptr e;
        {
            std::lock_guard const lock(mutex_);
            e = std::exchange(error_, nullptr);
            over_.store(false, std::memory_order_relaxed);                                  // (B)
        }
        if (e) std::rethrow_exception(e);
    }

private:
    /// The graphs whose tasks this thread is in.
    struct running {
        dynamic_graph const* graph;
        running const*       outer;
    };
    static inline thread_local running const* running_here = nullptr;

    [[nodiscard]] bool called_from_inside() const noexcept {
        for (running const* r = running_here; r != nullptr; r = r->outer)
            if (r->graph == this) return true;
        auto const* const me = detail::this_worker;
        if (me == nullptr || me->lineage == nullptr) return false;
        return std::find(me->lineage, me->lineage + detail::lineage_depth, id_) != me->lineage + detail::lineage_depth;
    }

    /// What groups that are made in a task remember.
    class lineage {
    public:
        explicit lineage(std::uint64_t id) noexcept : ids_{id} {
            if (me_ == nullptr) return;
            if (me_->lineage != nullptr) std::copy_n(me_->lineage, detail::lineage_depth - 1, ids_ + 1);
            outer_ = std::exchange(me_->lineage, ids_);
        }
        lineage(lineage const&) = delete;
        lineage& operator=(lineage const&) = delete;
        ~lineage() {
            if (me_ != nullptr) me_->lineage = outer_;
        }

    private:
        detail::worker* const me_ = detail::this_worker;
        std::uint64_t const*  outer_ = nullptr;
        std::uint64_t         ids_[detail::lineage_depth];
    };

    static void follow(data& d, data* before) {
        if (before == nullptr) return;
        std::lock_guard const lock(before->mutex);
        if (before->ended) return;
        before->after.push_back(&d);
        d.left.fetch_add(1, std::memory_order_relaxed);                                     // (A)
    }
    void arrive(data& d) noexcept {
        if (d.left.fetch_sub(1, std::memory_order_acq_rel) == 1) team_->push(&d, true, true);  // (A)
    }

    static detail::team_item* act(detail::team_item* i) noexcept {
        data& d = *static_cast<data*>(i);
        d.graph->run_one(d);
        return nullptr;
    }

    void run_one(data& d) noexcept {
        if (d.f && !over_.load(std::memory_order_relaxed)) {                                // (B)
            running const here{this, running_here};
            running_here = &here;
            lineage const ids(id_);
            try {
                d.f();
            } catch (...) {
                fail(std::current_exception());
            }
            running_here = here.outer;
        }
        try {
            d.f = unique_function<void()>();
        } catch (...) {
            fail(std::current_exception());
        }
        std::vector<data*>    after;
        std::shared_ptr<data> self;
        {
            std::lock_guard const lock(d.mutex);
            d.ended = true;
            after.swap(d.after);
            self.swap(d.self);
        }
        for (data* const to : after) arrive(*to);
    }

    void fail(std::exception_ptr e) noexcept {
        std::lock_guard const lock(mutex_);
        over_.store(true, std::memory_order_relaxed);                                       // (B)
        if (error_)
            team_->pool().errors().drop();
        else
            error_ = std::move(e);
    }

    detail::team::handle team_;
    std::uint64_t const  id_;  // as a group's
    std::mutex           mutex_;
    std::exception_ptr   error_;
    std::atomic<bool>    over_{false};
};

}  // namespace sluice
