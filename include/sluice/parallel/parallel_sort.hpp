// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// parallel_sort — sorts a random-access range with all workers of a pool.
///
/// Use it for     ranges of some thousand elements or more; shorter ones are sorted on the calling thread
/// Not for        equal elements that must keep their order (parallel_stable_sort)
/// Thread-safety  any thread; from outside the pool the work moves to a worker and the caller sleeps. less is called from
///                several threads at once, through one object
/// Progress       as parallel_invoke: waiting enters nothing unrelated and cannot deadlock
/// Complexity     O(n log n) comparisons in the worst case, O(n) if the range is sorted, reversed, or has few different values.
///                In place; one allocation from outside the pool. The first partitions are serial: w workers gain at most
///                a factor of (log2 n) / 2
/// Errors         what less throws is rethrown; others that throw are counted. Whatever less throws, or however inconsistent its
///                answers are, the range is a permutation of what it was. A stop request ends the sort without an
///                exception, with the range in some order: ask the token. A closed pool: the caller sorts. After
///                std::bad_alloc the range is a permutation, too. An element whose move throws may be lost, or
///                std::terminate is called
/// Example        examples/630_parallel_sort.cpp

#include <functional>
#include <iterator>
#include <ranges>
#include <sluice/parallel/detail/on_worker.hpp>
#include <sluice/parallel/detail/quicksort.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

/// Sorts [first, last) so that less(b, a) holds for no a before b. Elements are moved and exchanged, never copied unless they
/// are trivially copyable.
template <std::random_access_iterator I, class Less = std::less<>>
    requires std::permutable<I>
void parallel_sort(thread_pool& pool, I first, I last, Less less = {}, std::stop_token const& stop = {}) {
    static_assert(std::is_invocable_r_v<bool, Less&, std::iter_reference_t<I>, std::iter_reference_t<I>>,
                  "parallel_sort needs a comparison of two elements");
    using sorter = detail::quicksort<I, Less>;
    if (stop.stop_requested() || detail::one_run(first, last, less)) return;
    sorter sort(pool, less, stop);
    if (last - first < 2 * sorter::grain)
        sort(first, last);
    else
        detail::call_on_worker(pool, [&] { sort(first, last); });
}

template <std::random_access_iterator I, class Less>
    requires std::permutable<I> && std::is_member_pointer_v<Less>
void parallel_sort(thread_pool& pool, I first, I last, Less less, std::stop_token const& stop = {}) {
    parallel_sort(pool, first, last, std::mem_fn(less), stop);
}

template <std::ranges::random_access_range R, class Less = std::less<>>
    requires std::ranges::common_range<R> && std::permutable<std::ranges::iterator_t<R>>
void parallel_sort(thread_pool& pool, R&& range, Less less = {}, std::stop_token const& stop = {}) {
    parallel_sort(pool, std::ranges::begin(range), std::ranges::end(range), std::move(less), stop);
}

}  // namespace sluice
