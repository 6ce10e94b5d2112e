// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// parallel_for — a loop whose iterations may run in any order and at the same time.
///
/// Use it for     independent iterations over integers or a random-access range
/// Not for        iterations that wait for each other, or recursion (parallel_invoke)
/// Thread-safety  any thread. The calling thread works too; pool.size() threads take part, the caller among them. f is
///                called from several threads at once. All iterations happen before the return
/// Progress       the caller waits only for iterations that have begun elsewhere. Loops in loops cannot deadlock
/// Complexity     n calls of f; one allocation and a wake-up where workers are invited, nothing where auto_partitioner
///                finds the loop too short
/// Errors         the first exception of f is rethrown here; the others stop within 256 iterations, or at the end of the
///                range that f is called with, and the rest is not run. A stop request ends the loop in the same way,
///                without an exception. std::bad_alloc. An empty or backward range does nothing. On a pool that has been
///                shut down the caller runs the loop alone
/// Example        examples/610_parallel_for.cpp

#include <concepts>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <sluice/parallel/detail/as_function.hpp>
#include <sluice/parallel/detail/crew.hpp>
#include <sluice/parallel/partitioner.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

template <class I>
concept loop_index = std::integral<I> || std::random_access_iterator<I>;

/// last - first as a count; 0 if the range is backward. Right for the whole width of I.
template <loop_index I>
std::uint64_t loop_length(I first, I last) noexcept {
    if (!(first < last)) return 0;
    if constexpr (std::integral<I>)
        return static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first);
    else
        return static_cast<std::uint64_t>(last - first);
}

template <loop_index I>
I loop_at(I first, std::uint64_t i) noexcept {
    if constexpr (std::integral<I>)
        return static_cast<I>(static_cast<std::uint64_t>(first) + i);
    else
        return first + static_cast<std::iter_difference_t<I>>(i);
}

template <class F, class I>
decltype(auto) call_at(F& f, I i) {
    if constexpr (std::integral<I>)
        return f(i);
    else
        return f(*i);
}

/// Whether f(i), or f(*i) for an iterator i, is a call.
template <class F, class I>
consteval bool takes_item_of() {
    if constexpr (std::integral<I>)
        return std::is_invocable_v<F&, I>;
    else
        return std::is_invocable_v<F&, std::iter_reference_t<I>>;
}
template <class F, class I>
inline constexpr bool takes_item = takes_item_of<F, I>();
template <class F, class I>
inline constexpr bool takes_ranges = std::is_invocable_v<F&, I, I> && !takes_item<F, I>;

}  // namespace detail

/// Calls f(i) for each integer i in [first, last), f(*i) for each iterator i in it, or, if f takes two of them, f(begin, end)
/// for ranges that make up [first, last): a range is what a compiler can vectorise.
template <detail::loop_index I, class F, partitioner P = auto_partitioner>
void parallel_for(thread_pool& pool, I first, std::type_identity_t<I> last, F&& f, P const& p = {},
                  std::stop_token const& stop = {}) {
    static_assert(detail::takes_item<F, I> || detail::takes_ranges<F, I>,
                  "parallel_for needs a callable with an index, or *iterator, or two of them for a range");
    detail::require_option(p.smallest() > 0, "parallel_for: grain (at least 1)", std::uint64_t{p.smallest()});
    std::uint64_t n = detail::loop_length<I>(first, last);
    if (n == 0) return;
    auto&& call = detail::as_function(f);
    auto body = [&](std::uint64_t begin, std::uint64_t end) {
        if constexpr (detail::takes_ranges<F, I>)
            call(detail::loop_at(first, begin), detail::loop_at(first, end));
        else
            for (std::uint64_t i = begin; i < end; ++i) detail::call_at(call, detail::loop_at(first, i));
    };
    if constexpr (P::probes) {
        if (n > std::uint64_t{pool.size()} * 4) {
            std::uint64_t const done = detail::probe(n, body, stop);
            if (done == n) return;
            first = detail::loop_at(first, done);
            n -= done;
        }
    }
    // A range is the caller's to leave early; single iterations are ours.
    constexpr std::uint64_t stride = detail::takes_ranges<F, I> ? ~std::uint64_t{0} : 256;
    detail::crew<P, decltype(body)>::run(pool, n, p, body, stop, stride);
}

/// The same for the elements of a range.
template <std::ranges::random_access_range R, class F, partitioner P = auto_partitioner>
    requires std::ranges::sized_range<R>
void parallel_for(thread_pool& pool, R&& range, F&& f, P const& p = {}, std::stop_token const& stop = {}) {
    auto const first = std::ranges::begin(range);
    parallel_for(pool, first, first + std::ranges::ssize(range), f, p, stop);
}

}  // namespace sluice
