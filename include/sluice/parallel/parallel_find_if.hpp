// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// parallel_find_if, parallel_any_of — the first element with a property, in parallel, always the same one.
///
/// Use it for     searches whose predicate costs something; the answer is the one that std::find_if gives
/// Not for        sorted ranges, or predicates cheaper than reading memory
/// Thread-safety  any thread; the caller works too. The predicate is called from several threads at once
/// Progress       as parallel_for
/// Complexity     if the first match is the k-th element, at most some k + k / 8 + 256 · workers calls; the pieces grow as the
///                search gets on
/// Errors         the first exception of the predicate is rethrown, also where a match lies before the element that threw; others
///                are counted. After a stop request: the first match among those elements that were looked at, or last; ask
///                the token. A backward range is empty

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <sluice/parallel/detail/as_function.hpp>
#include <sluice/parallel/detail/crew.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

// Ordering
//   (A) claim  next load, CAS relaxed: decides who looks where
//   (B) found  load, CAS relaxed: it only ever falls; the caller reads it when the loop has ended, which orders it

/// Pieces of an eighth of what lies behind, shared by the workers: little is looked at beyond the match.
struct search_partitioner {
    static constexpr bool probes = false;
    [[nodiscard]] static constexpr std::uint64_t smallest() noexcept { return 1; }
    [[nodiscard]] piece next_piece(std::atomic<std::uint64_t>& next, std::uint64_t n, std::size_t workers) const noexcept {
        std::uint64_t begin = next.load(std::memory_order_relaxed);                         // (A)
        for (;;) {
            std::uint64_t const end_at = found->load(std::memory_order_relaxed);            // (B)
            if (begin >= n || begin >= end_at) return {n, n};
            std::uint64_t size = begin / (std::uint64_t{workers} * 8);
            if (size < 64) size = n < std::uint64_t{workers} * 64 ? 1 : 64;
            if (size > n - begin) size = n - begin;
            if (next.compare_exchange_weak(begin, begin + size, std::memory_order_relaxed, std::memory_order_relaxed))  // (A)
                return {begin, begin + size};
        }
    }
    std::atomic<std::uint64_t> const* found;
};

}  // namespace detail

/// The least i in [first, last) for which predicate(i), or predicate(*i) for iterators; last if there is none.
template <detail::loop_index I, class Predicate>
[[nodiscard]] I parallel_find_if(thread_pool& pool, I first, std::type_identity_t<I> last, Predicate&& predicate,
                                 std::stop_token const& stop = {}) {
    static_assert(detail::takes_item<Predicate, I>, "parallel_find_if needs a predicate with an index, or *iterator");
    std::uint64_t const n = detail::loop_length<I>(first, last);
    if (n == 0) return last;
    std::atomic<std::uint64_t> found{n};
    auto&& holds = detail::as_function(predicate);
    auto look = [&](std::uint64_t begin, std::uint64_t end) {
        if (begin >= found.load(std::memory_order_relaxed)) return;                         // (B)
        for (std::uint64_t i = begin; i < end; ++i) {
            if (!detail::call_at(holds, detail::loop_at(first, i))) continue;
            std::uint64_t least = found.load(std::memory_order_relaxed);                    // (B)
            while (i < least && !found.compare_exchange_weak(least, i, std::memory_order_relaxed, std::memory_order_relaxed)) {  // (B)
            }
            return;
        }
    };
    detail::search_partitioner const p{&found};
    detail::crew<detail::search_partitioner, decltype(look)>::run(pool, n, p, look, stop, 64);
    std::uint64_t const i = found.load(std::memory_order_relaxed);                          // (B)
    return i == n ? last : detail::loop_at(first, i);
}

template <std::ranges::random_access_range R, class Predicate>
    requires std::ranges::sized_range<R>
[[nodiscard]] std::ranges::borrowed_iterator_t<R> parallel_find_if(thread_pool& pool, R&& range, Predicate&& predicate,
                                                                   std::stop_token const& stop = {}) {
    auto const first = std::ranges::begin(range);
    return parallel_find_if(pool, first, first + std::ranges::ssize(range), predicate, stop);
}

/// Whether predicate holds anywhere in [first, last).
template <detail::loop_index I, class Predicate>
[[nodiscard]] bool parallel_any_of(thread_pool& pool, I first, std::type_identity_t<I> last, Predicate&& predicate,
                                   std::stop_token const& stop = {}) {
    return first < last && parallel_find_if(pool, first, last, predicate, stop) != last;
}
template <std::ranges::random_access_range R, class Predicate>
    requires std::ranges::sized_range<R>
[[nodiscard]] bool parallel_any_of(thread_pool& pool, R&& range, Predicate&& predicate, std::stop_token const& stop = {}) {
    auto const first = std::ranges::begin(range);
    return parallel_any_of(pool, first, first + std::ranges::ssize(range), predicate, stop);
}

}  // namespace sluice
