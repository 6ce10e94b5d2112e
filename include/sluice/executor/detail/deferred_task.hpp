// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::deferred_task — a task that waits in a queue: the callable, its stop_token, and what is called if it expires there.
///
/// Use it for     the items of queued_executor: one pointer to a bounded_queue, whatever was posted
/// Thread-safety  belongs to one thread at a time. The stop_token may be asked by any
/// Complexity     one allocation, from the task memory; one indirect call to end it
/// Errors         construction passes on what moving the callables or the allocation throws. act passes on what the callable
///                throws, and then the task is destroyed all the same. Destructors of callables must not throw
///
/// act ends the task, once: run calls the callable, expire the expiry callback, destroy neither. A deferred_ptr destroys.

#include <sluice/executor/detail/task_memory.hpp>

#include <cstdint>
#include <memory>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// What does not depend on the callables.
struct deferred_task {
    enum class action : std::uint8_t { run, expire, destroy };

    deferred_task(void (*a)(deferred_task*, action), std::stop_token s) noexcept : act(a), stop(std::move(s)) {}

    struct destroyer {
        void operator()(deferred_task* t) const noexcept { t->act(t, action::destroy); }
    };
    void (*act)(deferred_task*, action);
    std::stop_token stop;
    std::uint64_t   serial = 0;  // the owner's number for it
};
using deferred_ptr = std::unique_ptr<deferred_task, deferred_task::destroyer>;

template <class F, class Expiry>
struct deferred_callable final : deferred_task, slab_allocated<deferred_callable<F, Expiry>> {
    static_assert(std::is_invocable_v<F>, "post needs a callable without parameters");
    static_assert(std::is_invocable_v<Expiry>, "the expiry callback must be callable without parameters");
    static_assert(std::is_nothrow_destructible_v<F> && std::is_nothrow_destructible_v<Expiry>,
                  "a task's destructor must not throw");

    template <class G, class H>
    deferred_callable(G&& g, H&& h, std::stop_token s)
        : deferred_task(&perform, std::move(s)), f(std::forward<G>(g)), on_expiry(std::forward<H>(h)) {}

    static void perform(deferred_task* t, action a) {
        std::unique_ptr<deferred_callable> const self(static_cast<deferred_callable*>(t));
        if (a == action::run) std::move(self->f)();
        if (a == action::expire) std::move(self->on_expiry)();
    }
    F                            f;
    [[no_unique_address]] Expiry on_expiry;
};

}  // namespace sluice::detail
