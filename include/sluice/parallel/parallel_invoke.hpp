// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// parallel_invoke — runs two or more functions, perhaps at the same time, and returns when all are done.
///
/// Use it for     divide and conquer: recursion is cheap enough to go without a cut-off for most work
/// Not for        functions that wait for each other: they may run one after the other on one thread
/// Thread-safety  any thread. On a worker of the pool the first function runs here and the others can be stolen; from any
///                other thread the whole call moves to a worker and the caller sleeps
/// Progress       a worker whose half was stolen runs only what the thief forked from that half, then sleeps: it never
///                enters unrelated work, and cannot deadlock, because a stolen half is being run
/// Complexity     on a worker some 3 ns and no allocation for each function that nobody steals: no fence, no atomic
///                read-modify-write, the fork lies on the caller's stack. From another thread one allocation and a wake-up
/// Errors         what a function throws is rethrown here when all are done or dropped. If the first throws, those that
///                have not begun are dropped. If several throw the leftmost wins, the others are counted
///                (pool_metrics::errors_dropped). From another thread: std::bad_alloc, pool_closed, or broken_task if the pool
///                drops its work before any of them has begun
/// Source         child stealing on split deques: Dijk, van de Pol, "Lace", 2014, doi:10.1007/978-3-319-14313-2_18
/// Example        examples/520_quicksort.cpp

#include <cstdint>
#include <exception>
#include <memory>
#include <sluice/executor/detail/isolation.hpp>
#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

// Ordering
//   (A) fail  state fetch_or relaxed: the error is read by the waiter only after the thief's `done`, which is later in
//             the thief's program and a release (executor/detail/scheduler.hpp)

template <class G>
struct fork_of final : fork {
    explicit fork_of(G& function) noexcept : fork(&run_it), g(function) {}

    static void run_it(fork* f) noexcept {
        try {
            static_cast<fork_of*>(f)->g();
        } catch (...) {
            ::new (static_cast<void*>(f->error)) std::exception_ptr(std::current_exception());
            f->state.fetch_or(failed, std::memory_order_relaxed);                           // (A)
        }
    }

    G& g;
};

/// What a stolen fork threw, or null.
inline std::exception_ptr error_of(fork& f) noexcept {
    if ((f.state.load(std::memory_order_relaxed) & fork::failed) == 0) return nullptr;      // (A)
    auto* const               e = std::launder(reinterpret_cast<std::exception_ptr*>(f.error));
    std::exception_ptr const copy = std::move(*e);
    std::destroy_at(e);
    return copy;
}

// The cold paths are kept out of line: they would cost the caller registers and stack on every fork.
[[gnu::noinline, gnu::cold]] inline void join_failed(worker& me, fork& f, std::uint64_t place) noexcept {
    if (me.forks.drop(place)) return;
    me.owner.join(me, f);
    if (error_of(f)) me.owner.errors().drop();
}

[[gnu::noinline, gnu::cold]] inline void join_stolen(worker& me, fork& f) {
    me.owner.join(me, f);
    if (std::exception_ptr e = error_of(f)) std::rethrow_exception(std::move(e));
}

template <class F, class G>
[[gnu::always_inline]] inline void invoke_pair(worker& me, F& f, G& g) {
    fork_of<G>          other(g);
    std::uint64_t const place = me.forks.next_index();
    if (me.forks.push_public(&other)) [[unlikely]] me.owner.announce_fork();
    try {
        f();
    } catch (...) {
        join_failed(me, other, place);
        throw;
    }
    if (me.forks.drop(place)) [[likely]]
        g();
    else
        join_stolen(me, other);
}

template <class F, class G, class... More>
[[gnu::always_inline]] inline void invoke_all(worker& me, F& f, G& g, More&... more) {
    if constexpr (sizeof...(More) == 0) {
        invoke_pair(me, f, g);
    } else {
        auto rest = [&] {
            invoke_all(*this_worker, g, more...);  // perhaps a thief's
        };
        invoke_pair(me, f, rest);
    }
}

// The rarer ways share one instance for each number of functions.

template <class F>
struct named_half {
    F&          f;
    static void run(void* self) { static_cast<named_half*>(self)->f(); }
};

/// Any function, in a region or none: whoever steals it runs it in there.
struct half {
    void*      f;
    void       (*run)(void*);
    isolation* region = nullptr;

    void operator()() const {
        if (region == nullptr) return run(f);
        call_in(region, [this] { run(f); });
    }
};

template <class... Half>
[[gnu::noinline, gnu::cold]] void invoke_halves(worker& me, Half... h) {
    ((h.region = me.isolated), ...);
    invoke_all(me, h...);
}

template <class... Half>
[[gnu::noinline, gnu::cold]] void invoke_from_outside(thread_pool& pool, Half... h) {
    pool.submit([&] {
            if (worker* const me = pool.internals().here())
                invoke_halves(*me, h...);
            else  // a waiting worker of another pool has taken it over
                (h(), ...);
        })
        .get();
}

/// Not on a worker of the pool, or on one that is in a region.
template <class... F>
[[gnu::noinline, gnu::cold]] void invoke_otherwise(thread_pool& pool, F&... f) {
    [&](named_half<F>... named) {
        if (worker* const me = pool.internals().here())
            invoke_halves(*me, half{&named, &named_half<F>::run}...);
        else
            invoke_from_outside(pool, half{&named, &named_half<F>::run}...);
    }(named_half<F>{f}...);
}

/// On a worker that may be in a region.
template <class F, class G>
void invoke_on(worker& me, F& f, G& g) {
    if (me.isolated == nullptr) [[likely]] return invoke_all(me, f, g);
    named_half<F> first{f};
    named_half<G> second{g};
    invoke_halves(me, half{&first, &named_half<F>::run}, half{&second, &named_half<G>::run});
}

}  // namespace detail

/// Calls f(), g(), … once each; requires that each can be called without arguments.
template <class F, class G, class... More>
void parallel_invoke(thread_pool& pool, F&& f, G&& g, More&&... more) {
    static_assert(std::is_invocable_v<F&> && std::is_invocable_v<G&> && (std::is_invocable_v<More&> && ...),
                  "parallel_invoke needs callables without parameters");
    if (detail::worker* const me = pool.internals().plain_here()) [[likely]]
        detail::invoke_all(*me, f, g, more...);
    else
        detail::invoke_otherwise(pool, f, g, more...);
}

}  // namespace sluice
