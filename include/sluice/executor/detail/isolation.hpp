// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::isolation — the region of a call of sluice::isolate, and how tasks that were made inside carry it with them.
///
/// A worker is in at most one region at a time, the innermost; each region knows the one around it. While it is in one, what
/// it submits to its pool goes into the queue inside an isolated_task, which brings whoever runs it into the region first. The
/// worker's `plain` is null then, so that submit and parallel_invoke need not look: they take the long way because they do
/// not find the worker that they compare with anyway.
///
/// Thread-safety  a region: any thread. isolation_scope: the worker's thread
/// Complexity     one allocation for each region and for each task that is submitted in one. within: O(regions between)
/// Errors         make and isolated_task: std::bad_alloc. entered: noexcept, see there

#include <atomic>
#include <cstdint>
#include <new>
#include <sluice/executor/detail/task.hpp>
#include <sluice/executor/detail/task_memory.hpp>
#include <sluice/executor/detail/worker.hpp>
#include <utility>

namespace sluice::detail {

// Ordering
//   (A) refs  fetch_add relaxed: whoever adds has one. fetch_sub acq_rel: the last one frees
class isolation {
public:
    /// A reference to a region, or to none.
    class reference {
    public:
        reference() noexcept = default;
        explicit reference(isolation* r) noexcept : region_(r) {
            if (r != nullptr) r->refs_.fetch_add(1, std::memory_order_relaxed);             // (A)
        }
        reference(reference&& other) noexcept : region_(std::exchange(other.region_, nullptr)) {}
        reference& operator=(reference&&) = delete;
        ~reference() { release(region_); }
        [[nodiscard]] isolation* get() const noexcept { return region_; }

    private:
        isolation* region_ = nullptr;
    };

    /// A new region inside `outer`, which may be null.
    [[nodiscard]] static reference make(isolation* outer) { return reference(new isolation(outer)); }
    [[nodiscard]] static reference try_make(isolation* outer) noexcept { return reference(new (std::nothrow) isolation(outer)); }

    /// Whether it is `region` or lies inside it.
    [[nodiscard]] bool within(isolation const* region) const noexcept {
        isolation const* r = this;
        while (r != nullptr && r != region) r = r->outer_;
        return r != nullptr;
    }

private:
    explicit isolation(isolation* outer) noexcept : outer_(outer) {
        if (outer != nullptr) outer->refs_.fetch_add(1, std::memory_order_relaxed);         // (A)
    }
    static void release(isolation* r) noexcept {
        while (r != nullptr && r->refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) {     // (A)
            isolation* const outer = r->outer_;
            delete r;
            r = outer;
        }
    }

    isolation* const           outer_;
    std::atomic<std::uint32_t> refs_{0};
};

/// Where something runs that was made in the region `of_it`, or in none, on a worker that is in a region already, or in none.
/// What the worker has below on its stack must see nothing from outside its region, and the task nothing from outside its own: if
/// neither lies inside the other that is a new one. Without memory for it the worker's own counts.
[[nodiscard]] inline isolation::reference entered(worker const& me, isolation* of_it) noexcept {
    if (of_it == nullptr) return isolation::reference(me.isolated);
    if (me.isolated == nullptr || of_it->within(me.isolated)) return isolation::reference(of_it);
    isolation::reference both = isolation::try_make(me.isolated);
    return both.get() != nullptr ? std::move(both) : isolation::reference(me.isolated);
}

/// As long as it lives the worker is in the region; null: in none.
class isolation_scope {
public:
    isolation_scope(worker& me, isolation::reference r) noexcept : me_(me), region_(std::move(r)), before_(me.isolated) {
        me.isolate(region_.get());
    }
    isolation_scope(isolation_scope const&) = delete;
    isolation_scope& operator=(isolation_scope const&) = delete;
    ~isolation_scope() { me_.isolate(before_); }

private:
    worker&              me_;
    isolation::reference region_;
    isolation*           before_;
};

/// f() in the region, on whichever worker this is, or on no worker.
template <class F>
void call_in(isolation* region, F&& f) {
    if (worker* const me = this_worker) {
        isolation_scope const in(*me, entered(*me, region));
        std::forward<F>(f)();
    } else {
        std::forward<F>(f)();
    }
}

/// A task that was submitted in a region.
struct isolated_task final : task, slab_allocated<isolated_task> {
    isolated_task(task* t, isolation* r) noexcept : task(&act_inside), inner(t), region(r) {}

    static void act_inside(task* t, scheduler& pool, task_action a) noexcept {
        auto* const          self = static_cast<isolated_task*>(t);
        task* const          inner = self->inner;
        isolation::reference region(std::move(self->region));
        delete self;
        call_in(region.get(), [&]() noexcept { inner->act(inner, pool, a); });
    }

    task* const          inner;
    isolation::reference region;
};

/// The task itself, if it is in an isolated_task.
[[nodiscard]] inline task* task_inside(task* t) noexcept {
    return t->act == &isolated_task::act_inside ? static_cast<isolated_task*>(t)->inner : t;
}
[[nodiscard]] inline isolation* region_of(task* t) noexcept {
    return t->act == &isolated_task::act_inside ? static_cast<isolated_task*>(t)->region.get() : nullptr;
}
/// Whether a worker that is in `region`, or in none, may run it inside.
[[nodiscard]] inline bool may_run_inside(isolation const* region, task* t) noexcept {
    if (region == nullptr) return true;
    isolation const* const of_it = region_of(t);
    return of_it != nullptr && of_it->within(region);
}

}  // namespace sluice::detail
