// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// fork_join, fork_task — recursion by coroutines, at the price of some functions' (parallel_invoke).
///
/// Use it for     divide and conquer whose branches may also co_await: a fork costs two to three times what
///                parallel_invoke's does (bench/forkjoin), half of when_all_on's
/// Not for        children that run long without forking (when_all_on): who waits for a stolen one keeps its worker
/// Thread-safety  a fork_task begins at once, on the thread that calls it, and goes on where what it awaits resumes it. Everything
///                that children do happens before fork_join gives their results
/// Progress       as parallel_invoke: the first child runs here, the others can be stolen; for a stolen one the worker runs only
///                what the thief forked from it, then sleeps until it has ended or suspended. A suspended child holds up nobody:
///                the parent suspends too, and goes on on the thread that ended the last one. From a thread that is no worker of
///                the pool's, the fork is posted and begins there. Children run inside each other's calls: the stack grows
///                with the depth of the recursion
/// Complexity     a frame for each child (detail/frame_memory.hpp), which is freed when the child ends. Of n children that neither
///                suspend nor are stolen, no atomic read-modify-write. At most one for each otherwise, and one for the parent
/// Errors         as when_all: every child is waited for, then the exception of the first in the order of the arguments that has one
///                is rethrown; std::bad_alloc is one of them, if there is no memory for a child's frame. If the pool refuses the
///                fork (closed) the children run on the calling thread; if it drops it, each one's exception is broken_task
/// Source         children inside the parent's call, as Cilk's and libfork's fast paths; split deques as in parallel_invoke
/// Differs        libfork steals continuations: its workers never wait, and the parent may come back on another thread
///
///     sluice::fork_task<std::uint64_t> fib(sluice::fork_point, sluice::thread_pool& pool, unsigned n) {
///         if (n < 2) co_return n;
///         auto const [x, y] = co_await sluice::fork_join(
///             pool, [&](sluice::fork_point p) { return fib(p, pool, n - 1); }, [&](sluice::fork_point p) { return fib(p, pool, n - 2); });
///         co_return x + y;
///     }
///
/// Requires of each callable that it calls one coroutine with the fork_point that it is given, once, as the last thing it does, and
/// returns what that returns. Without a call the await throws std::logic_error; a second call, or an exception behind one that is
/// suspended, is found by an assertion, where these are on. Any coroutine may await a fork_join; current_stop_token() in a child
/// is the parent's.

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <sluice/core/assert.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/executor/detail/frame_memory.hpp>
#include <sluice/executor/detail/join_count.hpp>
#include <sluice/executor/detail/resume.hpp>
#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/detail/task.hpp>
#include <sluice/executor/detail/worker.hpp>
#include <sluice/executor/future.hpp>
#include <sluice/executor/schedule.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/executor/when_all.hpp>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice {

template <class T = void>
class fork_task;

namespace detail {

/// What the children of one fork_join share.
struct fork_parent {
    explicit fork_parent(std::size_t children) noexcept : count(children) {}

    std::coroutine_handle<> continuation;
    std::stop_token const*  stop;
    join_count<>            count;
};

struct fork_child_base {
    enum : std::uint8_t { nothing, value, error };

    join_place<> place;
    fork_parent* parent;
    std::uint8_t has = nothing;
};

/// A child's result, in its parent's frame.
template <class T>
struct fork_child : fork_child_base {
    using stored = std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, when_all_value<T>>;

    fork_child() noexcept {}  // NOLINT: the result comes later
    fork_child(fork_child const&) = delete;
    fork_child& operator=(fork_child const&) = delete;
    ~fork_child() { forget(); }

    template <class... A>
    void succeed(A&&... a) {
        std::construct_at(&result, std::forward<A>(a)...);
        has = value;
    }
    void fail(std::exception_ptr e) noexcept {
        forget();  // what it returned before a destructor threw
        std::construct_at(&thrown, std::move(e));
        has = error;
    }
    when_all_value<T> take() {
        if (has != value) [[unlikely]] throw_it();
        if constexpr (std::is_reference_v<T>)
            return static_cast<T>(*result);
        else
            return std::move(result);
    }

    union {
        stored             result;
        std::exception_ptr thrown;
    };

private:
    [[noreturn, gnu::noinline, gnu::cold]] void throw_it() const {
        if (has == nothing) throw_logic_error("sluice: fork_join: a callable returned without having called a coroutine");
        std::rethrow_exception(thrown);
    }
    void forget() noexcept {
        if (has == error) [[unlikely]]
            std::destroy_at(&thrown);
        else if constexpr (!std::is_trivially_destructible_v<stored>)
            if (has == value) std::destroy_at(&result);
    }
};

template <class T>
struct fork_promise;
template <class... F>
class fork_join_awaiter;

}  // namespace detail

/// Where a child's result goes: fork_join gives it to the callable, and that to the coroutine.
class fork_point {
    template <class>
    friend struct detail::fork_promise;
    template <class...>
    friend class detail::fork_join_awaiter;

    explicit fork_point(detail::fork_child_base& c) noexcept : child_(&c) {}
    detail::fork_child_base* child_;
};

namespace detail {

template <class T>
struct fork_result {
    fork_child<T>& child;

    template <class U = T>
        requires std::convertible_to<U, T>
    void return_value(U&& u) const {
        if constexpr (std::is_reference_v<T>) {
            T r = static_cast<U&&>(u);
            child.succeed(std::addressof(r));
        } else {
            child.succeed(std::forward<U>(u));
        }
    }
};
template <>
struct fork_result<void> {
    fork_child<void>& child;
    void              return_void() const { child.succeed(); }
};

template <class T>
struct fork_promise : fork_result<T> {
    struct final_awaiter {
        bool inside;  // then the frame goes without a suspension

        [[nodiscard]] bool await_ready() const noexcept { return inside; }
        // Not inlined: nothing of this call may lie in the frame that it destroys.
        transfer_result await_suspend(std::coroutine_handle<fork_promise> h) const noexcept {
            fork_parent& parent = *h.promise().child.parent;
            h.destroy();
            if (!parent.count.arrive()) return transfer_nowhere();
            return transfer(h, parent.continuation);
        }
        static constexpr void await_resume() noexcept {}
    };

    template <class... A>
    explicit fork_promise(fork_point p, A const&... /*arguments*/) noexcept
        : fork_result<T>{static_cast<fork_child<T>&>(*p.child_)} {
        // One coroutine for each fork_point.
        SLUICE_ASSERT(!this->child.place.inside() && this->child.has == fork_child_base::nothing);
        this->child.place.enter(&this_worker);  // the address names the thread
    }
    template <class Self, class... A>
        requires(!std::is_same_v<Self, fork_point>)
    fork_promise(Self const& /*of a member function or lambda*/, fork_point p, A const&... a) noexcept : fork_promise(p, a...) {}

    fork_task<T>               get_return_object() const noexcept { return {}; }
    static std::suspend_never  initial_suspend() noexcept { return {}; }
    final_awaiter              final_suspend() const noexcept { return {this->child.place.ends_inside(&this_worker)}; }
    void                       unhandled_exception() const noexcept { this->child.fail(std::current_exception()); }
    std::stop_token const*     stop_pointer() const noexcept { return this->child.parent->stop; }

    static void* operator new(std::size_t size) { return frame_memory::allocate(size); }
    static void  operator delete(void* p, std::size_t size) noexcept { frame_memory::deallocate(p, size); }
};

template <class R>
struct value_of_fork_task {
    static_assert(!std::is_same_v<R, R>, "fork_join needs callables that take a fork_point and return a fork_task");
};
template <class T>
struct value_of_fork_task<fork_task<T>> {
    using type = T;
};
template <class F>
using fork_value = typename value_of_fork_task<std::invoke_result_t<F&, fork_point>>::type;

template <class... F>
class fork_join_awaiter : fork_parent {
    static constexpr std::size_t n = sizeof...(F);

public:
    fork_join_awaiter(thread_pool& p, F&&... f) : fork_parent(n), pool_(p), functions_(std::move(f)...) {}
    fork_join_awaiter(fork_join_awaiter const&) = delete;
    fork_join_awaiter& operator=(fork_join_awaiter const&) = delete;

    static constexpr bool await_ready() noexcept { return n == 0; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
        this->continuation = h;
        this->stop = stop_of(h);
        worker* const me = pool_.internals().here();
        if (me == nullptr) [[unlikely]] return !begin_from_outside();
        return !this->count.settle(n, run_from<0>(*me));
    }
    std::tuple<when_all_value<fork_value<F>>...> await_resume() {
        return std::apply([](auto&... c) { return std::tuple<when_all_value<fork_value<F>>...>{c.take()...}; }, children_);
    }

private:
    /// The children from I on, for a thief. It lies on the stack of the call that made it, which waits for the thief.
    template <std::size_t I>
    struct rest final : fork {
        explicit rest(fork_join_awaiter& a) noexcept : fork(&run_it), awaiter(a) {}
        static void run_it(fork* f) noexcept {
            auto& self = *static_cast<rest*>(f);
            self.inside = self.awaiter.template run_from<I>(*this_worker);
        }
        fork_join_awaiter& awaiter;
        std::size_t        inside;  // read after `done`
    };

    /// How many of the children from I on have ended inside.
    template <std::size_t I>
    [[gnu::always_inline]] std::size_t run_from(worker& me) noexcept {
        if constexpr (I >= n) {
            return 0;
        } else if constexpr (I + 1 == n) {
            return start<I>();
        } else {
            rest<I + 1>         others(*this);
            std::uint64_t const place = me.forks.next_index();
            bool                offered = true;
            try {
                if (me.forks.push_public(&others)) [[unlikely]] me.owner.announce_fork();
            } catch (...) {  // no memory for a larger deque: nobody can steal them
                offered = false;
            }
            std::size_t const inside = start<I>();
            if (!offered || me.forks.drop(place)) [[likely]] return inside + run_from<I + 1>(me);
            me.owner.join(me, others);
            return inside + others.inside;
        }
    }
    template <std::size_t I>
    std::size_t start() noexcept {
        auto& c = std::get<I>(children_);
        c.parent = this;
        try {
            (void)std::get<I>(functions_)(fork_point(c));
        } catch (...) {  // no coroutine: an argument threw, or there was no memory for the frame
            SLUICE_ASSERT(!c.place.inside());  // the coroutine's call is the last thing that the callable does
            c.fail(std::current_exception());
        }
        return c.place.left_inside() ? 1 : 0;
    }

    // ---- where there is no worker ----

    struct node : posted_node<thread_pool> {
        explicit node(fork_join_awaiter& a) noexcept : posted_node<thread_pool>(&end), awaiter(a) {}
        static void end(posted_node<thread_pool>& p, bool ran) noexcept {
            fork_join_awaiter& a = static_cast<node&>(p).awaiter;
            if (a.count.settle(n, a.run_posted(ran))) resume(a.continuation);
        }
        fork_join_awaiter& awaiter;
    };
    /// True: all have ended, on this thread.
    [[gnu::noinline, gnu::cold]] bool begin_from_outside() noexcept {
        try {
            (::new (static_cast<void*>(node_)) node(*this))->post(pool_);
            return false;  // perhaps it is gone
        } catch (...) {
            return this->count.settle(n, run_alone(std::index_sequence_for<F...>()));
        }
    }
    std::size_t run_posted(bool ran) noexcept {
        if (!ran) {
            std::apply([](auto&... c) { (c.fail(std::make_exception_ptr(broken_task())), ...); }, children_);
            return n;
        }
        // It may have been taken over by a waiting thread.
        worker* const me = pool_.internals().here();
        return me != nullptr ? run_from<0>(*me) : run_alone(std::index_sequence_for<F...>());
    }
    template <std::size_t... I>
    std::size_t run_alone(std::index_sequence<I...>) noexcept {
        std::size_t inside = 0;
        ((inside += start<I>()), ...);
        return inside;
    }

    thread_pool&                          pool_;
    std::tuple<F...>                      functions_;
    std::tuple<fork_child<fork_value<F>>...> children_;
    alignas(node) unsigned char           node_[sizeof(node)];
};

}  // namespace detail

/// What a coroutine returns that fork_join is to begin; it takes a fork_point, before its other parameters.
template <class T>
class [[nodiscard]] fork_task {
public:
    using promise_type = detail::fork_promise<T>;
    using value_type = T;

    fork_task(fork_task&&) noexcept = default;
    fork_task& operator=(fork_task&&) = delete;

private:
    friend promise_type;
    fork_task() noexcept = default;
};

/// co_await fork_join(pool, f, g, …): a tuple of the results; void gives std::monostate.
template <class... F>
[[nodiscard]] auto fork_join(thread_pool& pool, F... f) {
    return detail::fork_join_awaiter<F...>(pool, std::move(f)...);
}

}  // namespace sluice
