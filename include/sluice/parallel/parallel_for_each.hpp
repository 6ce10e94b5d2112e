// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// parallel_for_each — a loop over any forward range: lists, maps, sets, and vectors as well.
///
/// Use it for     containers that parallel_for cannot cut because their iterators only step forward
/// Not for        cheap bodies on such containers: the steps are taken one after the other, under a lock
/// Thread-safety  any thread; the caller works too. f is called from several threads at once
/// Progress       as parallel_for; the lock is held for as long as it takes to step over one block
/// Complexity     random access: parallel_for. Otherwise n steps and n calls of f, one lock for each block of up to 64
///                elements (1 for the first blocks, so that a short range is shared as well)
/// Errors         as parallel_for: the first exception is rethrown, the others are counted and what has not begun is dropped, at
///                the latest after a block; likewise after a stop request, without an exception

#include <atomic>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <ranges>
#include <sluice/parallel/detail/as_function.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

// Ordering
//   (A) ended  store, load relaxed: a hint to stop. What an exception is carried by orders the rest (detail/crew.hpp)

template <std::forward_iterator I, std::sentinel_for<I> S, class F>
void forward_loop(thread_pool& pool, I first, S last, F& f, std::stop_token const& stop) {
    std::mutex        mutex;
    std::uint64_t     taken = 0;
    std::atomic<bool> ended{false};
    std::uint64_t const hands = pool.size();
    auto const take_part = [&](std::uint64_t) {
        while (!ended.load(std::memory_order_relaxed)) {                                    // (A)
            I             i = first;
            std::uint64_t n = 0;
            {
                std::lock_guard const lock(mutex);
                std::uint64_t const   most = taken / (hands * 4) < 1 ? 1 : taken / (hands * 4);
                for (i = first; n < 64 && n < most && first != last; ++n) ++first;
                taken += n;
            }
            if (n == 0) return;
            try {
                for (; n > 0 && !stop.stop_requested() && !ended.load(std::memory_order_relaxed); --n, ++i) f(*i);  // (A)
                if (n > 0) return;
            } catch (...) {
                ended.store(true, std::memory_order_relaxed);                               // (A)
                throw;
            }
        }
    };
    parallel_for(pool, std::uint64_t{0}, hands, take_part, dynamic_partitioner{}, stop);
}

}  // namespace detail

/// Calls f(*i) for each i in [first, last), in any order. The partitioner is used for random access only.
template <std::forward_iterator I, std::sentinel_for<I> S, class F, partitioner P = auto_partitioner>
void parallel_for_each(thread_pool& pool, I first, S last, F&& f, P const& p = {}, std::stop_token const& stop = {}) {
    static_assert(std::is_invocable_v<F&, std::iter_reference_t<I>>, "parallel_for_each needs a callable with *iterator");
    auto&&     call = detail::as_function(f);
    auto const each = [&call](std::iter_reference_t<I> x) { static_cast<void>(call(static_cast<std::iter_reference_t<I>>(x))); };
    if constexpr (std::random_access_iterator<I> && std::sized_sentinel_for<S, I>)
        parallel_for(pool, first, first + (last - first), each, p, stop);
    else
        detail::forward_loop(pool, first, last, each, stop);
}

template <std::ranges::forward_range R, class F, partitioner P = auto_partitioner>
void parallel_for_each(thread_pool& pool, R&& range, F&& f, P const& p = {}, std::stop_token const& stop = {}) {
    parallel_for_each(pool, std::ranges::begin(range), std::ranges::end(range), f, p, stop);
}

}  // namespace sluice
