// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// when_any — awaits several tasks, takes the result of the first that ends, and asks the others to stop.
///
/// Use it for     whichever is faster: two sources of the same answer, an operation and a time limit
/// Not for        results that are all wanted (when_all)
/// Thread-safety  as task; the tasks run at the same time if what they await lets them
/// Progress       all begin on the calling thread, in the order of the arguments, each when the one before has suspended; once one
///                has ended the rest do not begin. Every task that has begun has ended before when_any returns, so a task that
///                does not look at its stop token holds it up. The awaiting coroutine goes on on the thread that ended the last
/// Complexity     one allocation (the stop state) besides the tasks' frames; two atomic operations for each task
/// Errors         to end by an exception is to end: the first task's is rethrown. What the others give or throw is dropped.
///                std::bad_alloc by the call itself, and then no task has begun. A stop that the awaiter's token tells of is
///                passed on to all tasks
///
///     std::variant<reply, std::monostate> r = co_await sluice::when_any(ask(), wait_for(100ms));     // r.index() says which

#include <sluice/executor/detail/resume.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/when_all.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <tuple>
#include <utility>
#include <variant>

namespace sluice {

namespace detail {

// Ordering
//   (A) arrive  left fetch_sub acq_rel, by each task in the end and by the awaiter: the last one goes on with the awaiting
//               coroutine, which then sees what all of them did
//   (B) win     first compare_exchange relaxed: one of the tasks writes it; read by the winner's thread, or after (A). The awaiter
//               reads it between two tasks, too, where an old value only begins a task that is then asked to stop

struct any_state {
    static constexpr std::size_t nobody = static_cast<std::size_t>(-1);
    explicit any_state(std::size_t n) : left(n) {}

    std::atomic<std::size_t> left;
    std::atomic<std::size_t> first{nobody};
    std::stop_source         stop;
};

struct any_completion : task_completion {
    any_completion(any_state& s, std::size_t i) noexcept : task_completion{&arrive}, state(s), index(i) {}
    static bool arrive(task_completion& c) noexcept {
        auto&       self = static_cast<any_completion&>(c);
        any_state&  s = self.state;
        std::size_t none = any_state::nobody;
        if (s.first.compare_exchange_strong(none, self.index, std::memory_order_relaxed))    // (B)
            s.stop.request_stop();  // others may end in here; we have not arrived, so all is still there
        return s.left.fetch_sub(1, std::memory_order_acq_rel) == 1;                         // (A)
    }
    any_state&  state;
    std::size_t index;
};

template <class... T>
class when_any_awaiter {
public:
    using result = std::variant<when_all_value<T>...>;

    explicit when_any_awaiter(sluice::task<T>&&... t) : tasks_(std::move(t)...), token_(state_.stop.get_token()) {}
    when_any_awaiter(when_any_awaiter const&) = delete;
    when_any_awaiter& operator=(when_any_awaiter const&) = delete;

    static constexpr bool await_ready() noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        return begin(h, stop_of(h), std::index_sequence_for<T...>());
    }
    result await_resume() {
        asked_.reset();
        return take(std::index_sequence_for<T...>());
    }

private:
    /// Passes on the awaiter's stop. The tasks may end in here, and the awaiter with them: it keeps what it needs.
    struct pass_on {
        std::stop_source source;
        void operator()() const noexcept {
            std::stop_source const kept = source;
            kept.request_stop();
        }
    };

    /// Out of line, so that what it uses is not part of the coroutine's frame, which may be gone.
    template <std::size_t... I>
    [[gnu::noinline]] bool begin(std::coroutine_handle<> h, std::stop_token const* stop, std::index_sequence<I...>) {
        (prepare(std::get<I>(tasks_), ends_[I], h), ...);
        if (stop != nullptr && stop->stop_possible()) asked_.emplace(*stop, pass_on{state_.stop});
        std::size_t skipped = 0;
        (start(std::get<I>(tasks_), skipped), ...);
        return state_.left.fetch_sub(skipped + 1, std::memory_order_acq_rel) != skipped + 1;  // (A)
    }
    template <class U>
    void prepare(sluice::task<U>& t, any_completion& end, std::coroutine_handle<> h) noexcept {
        auto& p = t.internals().promise();
        p.continuation = h;
        p.completion = &end;
        p.stop = &token_;
    }
    template <class U>
    void start(sluice::task<U>& t, std::size_t& skipped) noexcept {
        if (state_.first.load(std::memory_order_relaxed) != any_state::nobody)              // (B)
            ++skipped;
        else
            resume(t.internals());
    }
    template <std::size_t... I>
    result take(std::index_sequence<I...>) {
        std::size_t const     who = state_.first.load(std::memory_order_relaxed);           // (B)
        std::optional<result> r;
        ((who == I ? void(r.emplace(std::in_place_index<I>, take_result(std::get<I>(tasks_)))) : void()), ...);
        return std::move(*r);
    }
    template <std::size_t... I>
    struct ends {
        explicit ends(any_state& s) noexcept : of{any_completion(s, I)...} {}
        any_completion& operator[](std::size_t i) noexcept { return of[i]; }
        any_completion of[sizeof...(I)];
    };
    template <std::size_t... I>
    static ends<I...> ends_for(std::index_sequence<I...>);

    std::tuple<sluice::task<T>...> tasks_;
    any_state                      state_{sizeof...(T) + 1};
    std::stop_token                token_;
    decltype(ends_for(std::index_sequence_for<T...>())) ends_{state_};
    std::optional<std::stop_callback<pass_on>> asked_;
};

}  // namespace detail

/// co_await when_any(a(), b(), …): a variant whose index says which task was first. void gives std::monostate.
template <class First, class... More>
[[nodiscard]] auto when_any(task<First> first, task<More>... more) {
    return detail::when_any_awaiter<First, More...>(std::move(first), std::move(more)...);
}

}  // namespace sluice
