// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::resume, detail::transfer — how one coroutine hands its thread to another without the stack growing.
///
/// await_suspend may return the coroutine that is to go on (symmetric transfer), but only clang promises that this is a jump:
/// gcc makes a call of it without optimisation, and with a sanitizer. There a coroutine that hands over leaves the other one's
/// handle with the resume() that it was resumed by, which resumes it when the first has returned.
///
/// Thread-safety  any thread; the handle's coroutine is suspended and nobody else resumes it
/// Complexity     transfer is a jump with clang, elsewhere a return, a thread-local store and an indirect call
/// Errors         none: our promises keep what a coroutine throws

#include <coroutine>
#include <utility>

namespace sluice::detail {

#if defined(__clang__)

/// What an await_suspend that uses transfer() returns.
using transfer_result = std::coroutine_handle<>;

/// The last thing that an await_suspend of `from` does.
inline transfer_result transfer(std::coroutine_handle<> /*from*/, std::coroutine_handle<> to) noexcept { return to; }
inline transfer_result transfer_nowhere() noexcept { return std::noop_coroutine(); }
inline void            resume(std::coroutine_handle<> h) noexcept { h.resume(); }

#else

using transfer_result = void;

struct resumption {
    std::coroutine_handle<> now;   // runs
    std::coroutine_handle<> next;  // when it has suspended
};
/// Of the innermost resume() of this thread.
inline constinit thread_local resumption* resumed_here = nullptr;

/// Resumes h and everything that it hands over to. Others may suspend and go on elsewhere meanwhile.
inline void resume(std::coroutine_handle<> h) noexcept {
    resumption        r{h, nullptr};
    resumption* const outer = std::exchange(resumed_here, &r);
    do {
        r.next = nullptr;
        r.now.resume();
        r.now = r.next;
    } while (r.now);
    resumed_here = outer;
}

/// The last thing that an await_suspend of `from` does.
inline transfer_result transfer(std::coroutine_handle<> from, std::coroutine_handle<> to) noexcept {
    if (resumed_here != nullptr && resumed_here->now == from)
        resumed_here->next = to;
    else
        resume(to);  // somebody else resumed it, who may want to see it suspended when that returns
}
inline transfer_result transfer_nowhere() noexcept {}

#endif

}  // namespace sluice::detail
