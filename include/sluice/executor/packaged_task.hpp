// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// packaged_task — a callable whose result goes to a future, for whatever runs it: a strand, a queue in front of a pool, a timer.
///
/// Use it for     results from executors that have no submit; get_future() first, then hand the task over
/// Not for        thread_pool, which has submit
/// Thread-safety  a packaged_task: one thread at a time. The future: as always. Both need the pool to be alive
/// Progress       a worker of the pool that waits for the future runs the task itself if nobody has begun it; the call that comes
///                later does nothing then. What order an executor keeps does not hold for a task that is run like that
/// Complexity     one allocation; the call: one compare-exchange, and what is waiting is woken
/// Errors         what the callable throws goes to the future. Destroyed without a call it leaves broken_task there. The constructor
///                throws std::bad_alloc, or what copying the callable throws
///
///     sluice::packaged_task task(pool, [] { return 42; });
///     auto answer = task.get_future();
///     strand.post(std::move(task));

#include <sluice/core/assert.hpp>
#include <sluice/executor/future.hpp>
#include <sluice/executor/thread_pool.hpp>

#include <type_traits>
#include <utility>

namespace sluice {

template <class F>
class packaged_task {
    static_assert(std::is_invocable_v<F>, "packaged_task needs a callable without parameters");

public:
    using result_type = std::invoke_result_t<F>;

    /// Waiting workers of this pool help.
    template <class G>
        requires std::is_constructible_v<F, G>
    packaged_task(thread_pool& pool, G&& f)
        : state_(new state(std::forward<G>(f))), pool_(&pool.internals()), result_(state_, pool_) {}
    packaged_task(packaged_task&& other) noexcept
        : state_(std::exchange(other.state_, nullptr)), pool_(other.pool_), result_(std::move(other.result_)) {}
    packaged_task& operator=(packaged_task&&) = delete;
    ~packaged_task() {
        if (state_ == nullptr) return;
        if (state_->claim()) state_->forsake(*pool_);
        state_->release();
    }

    /// Once.
    [[nodiscard]] future<result_type> get_future() noexcept {
        SLUICE_ASSERT(result_.valid());
        return std::move(result_);
    }

    /// Once.
    void operator()() noexcept {
        SLUICE_ASSERT(state_ != nullptr);
        auto* const s = std::exchange(state_, nullptr);
        if (s->claim()) s->execute(*pool_, false);
        s->release();
    }

private:
    using state = detail::future_task<result_type, F>;

    state*              state_;
    detail::scheduler*  pool_;
    future<result_type> result_;
};

template <class F>
packaged_task(thread_pool&, F) -> packaged_task<F>;

}  // namespace sluice
