// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// strand — tasks that run one after the other, in the order in which they were posted, on whatever thread the executor has.
///
/// Use it for     an object that is used by one task at a time: a connection, a document, a user; no lock, no thread of its own
/// Not for        a key per object, and many of them (keyed_executor), or tasks that wait for each other
/// Thread-safety  every member from any thread, also from inside its tasks. Copies are the same strand. What one task does
///                happens before the next. The executor must outlive what is posted; the strand need not
/// Progress       post: lock-free but for the executor's own post, which the first task of a burst needs. A task runs as long as
///                it likes; after `quantum` of them the worker goes on with other work, and the strand queues up again
/// Complexity     post: O(1), one node (a slab has a hundred or so); the executor's cost once per burst or quantum. An idle
///                strand costs 64 to 128 bytes for its queue and about as much for its options
/// Errors         post throws std::bad_alloc or what moving the callable throws, or what the executor's post throws, and then
///                has no effect. A task that throws does not stop the strand: the exception goes to on_error, or leaves the
///                executor's task, so goes where that sends errors. If the executor drops tasks, those of the strand that wait
///                are destroyed unrun and counted in dropped(); so are those that came from other threads into a post that
///                failed, if a second one fails too
/// Source         the strands of Asio; SerialExecutor of folly
/// Example        examples/580_strand_per_user.cpp
///
/// If the executor refuses the strand when it queues up again, it keeps its worker until nothing waits: accepted is accepted.
/// Exceptions beyond the first of such a time, where there is no on_error, are counted in errors_dropped(). On a manual_executor
/// the tasks of one quantum begin at one instant and their times add up; a quantum of 1 keeps them apart.

#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/detail/ticket.hpp>
#include <sluice/executor/executor.hpp>
#include <sluice/queue/mpsc_inbox.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

namespace sluice {

struct strand_options {
    std::uint32_t quantum = 32;  ///< tasks that run before the worker turns to other work; > 0
    /// Gets what tasks throw, inside the strand; must not throw. Empty: it leaves the executor's task.
    unique_function<void(std::exception_ptr)> on_error{};
};

namespace detail {

/// The strands whose tasks the calling thread is in.
struct strand_frame {
    explicit strand_frame(void const* s) noexcept : strand(s), outer(innermost) { innermost = this; }
    strand_frame(strand_frame const&) = delete;
    strand_frame& operator=(strand_frame const&) = delete;
    ~strand_frame() { innermost = outer; }

    [[nodiscard]] static bool inside(void const* s) noexcept {
        for (auto const* f = innermost; f != nullptr; f = f->outer)
            if (f->strand == s) return true;
        return false;
    }

    [[nodiscard]] static std::size_t count(void const* s) noexcept {
        std::size_t n = 0;
        for (auto const* f = innermost; f != nullptr; f = f->outer) n += f->strand == s ? 1 : 0;
        return n;
    }

    void const*         strand;
    strand_frame const* outer;

    static inline constinit thread_local strand_frame const* innermost = nullptr;
};

/// Who is the inbox's consumer owns ready_ and serial_: a post that found it idle, then its ticket.
template <class Executor>
class strand_state {
public:
    strand_state(Executor& e, strand_options o) : executor_(e), options_(std::move(o)) {
        require_option(options_.quantum > 0, "strand_options::quantum (> 0)", options_.quantum);
    }

    [[nodiscard]] Executor& executor() noexcept { return executor_; }

    void post(std::shared_ptr<strand_state> const& self, queued_task* task) {
        if (!inbox_.push(task)) return;
        try {
            post_ticket(executor_, self, ++serial_);
        } catch (...) {
            // Nobody has been called: this thread is the consumer. Its own task is the first.
            ready_ = inbox_.take_all();
            std::exchange(ready_, task->next)->destroy();
            if (!leave_or_post(self)) drop_all();
            throw;
        }
    }

    void run_ticket(std::shared_ptr<strand_state> const& self, std::uint64_t) {
        std::exception_ptr error;
        for (bool more = true; more;) {
            run_some(error);
            if constexpr (requires { executor_.at_task_end(queued_end{self}); }) {
                at_task_end(executor_, queued_end{self});
                more = false;
            } else {
                more = !leave_or_post(self);
            }
        }
        if (error) std::rethrow_exception(error);
    }
    void ticket_lost(std::shared_ptr<strand_state> const&, std::uint64_t) noexcept { drop_all(); }

    [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }  // (stat)
    [[nodiscard]] std::uint64_t errors_dropped() const noexcept {
        return errors_dropped_.load(std::memory_order_relaxed);  // (stat)
    }

private:
    /// The end of the ticket on an executor whose tasks end later than they return.
    struct queued_end {
        std::shared_ptr<strand_state> state;
        void operator()() noexcept {
            if (!state->leave_or_post(state)) state->drop_all();
        }
    };

    void run_some(std::exception_ptr& error) noexcept {
        strand_frame const here(this);
        for (std::uint32_t n = 0; n < options_.quantum; ++n) {
            if (ready_ == nullptr) ready_ = inbox_.take_all();
            if (ready_ == nullptr) return;
            auto* const task = std::exchange(ready_, ready_->next);
            try {
                task->run();
            } catch (...) {
                if (options_.on_error) {
                    options_.on_error(std::current_exception());
                } else if (error) {
                    errors_dropped_.fetch_add(1, std::memory_order_relaxed);  // (stat)
                } else {
                    error = std::current_exception();
                    return;  // the strand goes on with its next ticket
                }
            }
        }
    }

    /// False: there is more, and the executor takes no ticket.
    [[nodiscard]] bool leave_or_post(std::shared_ptr<strand_state> const& self) noexcept {
        if (ready_ == nullptr && inbox_.try_leave()) return true;
        try {
            post_ticket(executor_, self, ++serial_);
            return true;
        } catch (...) {
            return false;
        }
    }

    void drop_all() noexcept {
        strand_frame const here(this);
        do {
            if (ready_ == nullptr) ready_ = inbox_.take_all();
            while (ready_ != nullptr) {
                dropped_.fetch_add(1, std::memory_order_relaxed);  // (stat)
                std::exchange(ready_, ready_->next)->destroy();
                if (ready_ == nullptr) ready_ = inbox_.take_all();
            }
        } while (!inbox_.try_leave());
    }

    Executor&                  executor_;
    strand_options             options_;
    queued_task*               ready_ = nullptr;
    std::uint64_t              serial_ = 0;
    std::atomic<std::uint64_t> dropped_{0};
    std::atomic<std::uint64_t> errors_dropped_{0};
    mpsc_inbox<queued_task>    inbox_;
};

}  // namespace detail

template <executor Executor>
class strand {
public:
    explicit strand(Executor& e, strand_options options = {})
        : state_(std::make_shared<detail::strand_state<Executor>>(e, std::move(options))) {}

    /// Runs f() after everything that was posted before, and never beside another task of the strand.
    template <class F>
    void post(F&& f) {
        state_->post(state_, detail::make_queued(std::forward<F>(f)));
    }

    /// Whether the caller is inside a task of this strand.
    [[nodiscard]] bool running_in_this_strand() const noexcept { return detail::strand_frame::inside(state_.get()); }
    /// The same: these are the threads that run its tasks.
    [[nodiscard]] bool on_worker() const noexcept { return running_in_this_strand(); }

    /// Tasks that were accepted and destroyed unrun, because the executor would not run them.
    [[nodiscard]] std::uint64_t dropped() const noexcept { return state_->dropped(); }
    [[nodiscard]] std::uint64_t errors_dropped() const noexcept { return state_->errors_dropped(); }

    /// On an executor whose tasks end later than they return: inside a task, calls f at that end.
    template <class F>
    void at_task_end(F&& f)
        requires requires(Executor& e) { e.at_task_end(std::forward<F>(f)); }
    {
        state_->executor().at_task_end(std::forward<F>(f));
    }

    friend bool operator==(strand const& a, strand const& b) noexcept { return a.state_ == b.state_; }

private:
    std::shared_ptr<detail::strand_state<Executor>> state_;
};

}  // namespace sluice
