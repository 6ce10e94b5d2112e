// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::ticket, post_ticket, at_task_end, queued_task — what components in front of an executor hand to it, and what they keep.
///
/// A ticket is the callable that is posted. Its state has run_ticket(self, serial), called when the executor runs it, and
/// ticket_lost(self, serial), called when it is destroyed unrun: by an executor that discards, or is destroyed. Exactly one of
/// them is called, unless the post itself threw: then neither.
///
/// Thread-safety  a ticket belongs to the executor; the rest to one thread at a time
/// Complexity     post_ticket: a few instructions beyond the executor's post; a ticket has 24 bytes on a 64-bit target
/// Errors         post_ticket passes on what the executor throws. Destructors of tasks must not throw

#include <sluice/executor/detail/task_memory.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// On the stack while a ticket is being posted: who destroys a ticket meanwhile, on this thread, leaves it to who posts it to
/// say what that was: a post that throws, or a task that was lost.
class posting {
public:
    posting(void const* state, std::uint64_t serial) noexcept : state_(state), serial_(serial), outer_(innermost_) {
        innermost_ = this;
    }
    posting(posting const&) = delete;
    posting& operator=(posting const&) = delete;
    ~posting() { innermost_ = outer_; }

    /// Told by who destroys the ticket. False: nobody is posting it.
    [[nodiscard]] static bool note_lost(void const* state, std::uint64_t serial) noexcept {
        for (auto* p = innermost_; p != nullptr; p = p->outer_)
            if (p->state_ == state && p->serial_ == serial) return p->lost_ = true;
        return false;
    }
    [[nodiscard]] bool lost() const noexcept { return lost_; }

private:
    void const*   state_;
    std::uint64_t serial_;
    bool          lost_ = false;
    posting*      outer_;

    static inline constinit thread_local posting* innermost_ = nullptr;
};

template <class State>
class ticket {
public:
    ticket(std::shared_ptr<State> state, std::uint64_t serial) noexcept : state_(std::move(state)), serial_(serial) {}
    ticket(ticket&& other) noexcept = default;
    ticket& operator=(ticket&&) = delete;
    ~ticket() {
        if (state_ == nullptr || posting::note_lost(state_.get(), serial_)) return;
        auto const state = std::move(state_);
        state->ticket_lost(state, serial_);
    }
    void operator()() {
        auto const state = std::move(state_);
        state->run_ticket(state, serial_);
    }

private:
    std::shared_ptr<State> state_;
    std::uint64_t          serial_;
};

/// `serial` is another one for each ticket of a state that may exist at the same time.
template <class Executor, class State>
void post_ticket(Executor& executor, std::shared_ptr<State> const& state, std::uint64_t serial) {
    posting const now(state.get(), serial);
    executor.post(ticket<State>(state, serial));
}

/// Calls f at the end of the task that the caller is in: now, except on an executor whose tasks end later. f is noexcept.
template <class Executor, class F>
void at_task_end(Executor& executor, F f) noexcept {
    if constexpr (requires { executor.at_task_end(std::move(f)); }) {
        try {
            return executor.at_task_end(std::move(f));
        } catch (...) {  // no memory to remember it; then it has not been moved
        }
    }
    f();
}

/// A callable in a queue, one allocation.
struct queued_task {
    enum class action : std::uint8_t { run, destroy };

    explicit queued_task(void (*a)(queued_task*, action)) noexcept : act(a) {}

    /// Calls the callable, and destroys it and the node whatever it throws.
    void run() { act(this, action::run); }
    void destroy() noexcept { act(this, action::destroy); }

    queued_task* next = nullptr;
    void (*act)(queued_task*, action);
};

template <class F>
struct queued_callable final : queued_task, slab_allocated<queued_callable<F>> {
    static_assert(std::is_invocable_v<F>, "post needs a callable without parameters");
    static_assert(std::is_nothrow_destructible_v<F>, "a task's destructor must not throw");

    template <class G>
    explicit queued_callable(G&& g) : queued_task(&perform), f(std::forward<G>(g)) {}

    static void perform(queued_task* t, action a) {
        std::unique_ptr<queued_callable> const self(static_cast<queued_callable*>(t));
        if (a == action::run) std::move(self->f)();
    }
    F f;
};

template <class F>
[[nodiscard]] queued_task* make_queued(F&& f) {
    return new queued_callable<std::decay_t<F>>(std::forward<F>(f));
}

}  // namespace sluice::detail
