// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// deterministic_reduce — one value from many by a fixed tree: the same bits for any number of workers.
///
/// Use it for     floating-point sums that must be repeatable, and accurate; expensive combines, which run in parallel too
/// Not for        plain sums over integers (parallel_reduce: no tree, a little cheaper; its result does not depend on the
///                workers either, but its pieces are chosen by the library and combined one after the other)
/// Thread-safety  as parallel_invoke. map and combine are called from several threads at once
/// Complexity     n calls of map, n + n / grain of combine, of which log2(n / grain) one after the other behind the last piece;
///                no allocation on a worker, one from outside
/// Errors         what map or combine throws is rethrown: the leftmost that was met, others are counted. A grain of 0:
///                std::invalid_argument. After a stop request pieces that have not begun count as the identity, so ask the
///                token. A closed pool: the caller works alone. std::bad_alloc
/// Units          grain: iterations of one piece
/// Source         the error of a sum by halves grows with log n: Higham, SIAM J. Sci. Comput. 14, 1993, doi:10.1137/0914050
/// Example        examples/670_deterministic_reduce.cpp
///
/// The tree: a range of more than `grain` iterations is cut behind the largest power of two times grain that is less than
/// its length; a piece is folded from left to right, beginning with the identity. So it depends on n and the grain alone.

#include <bit>
#include <cstdint>
#include <new>
#include <optional>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/parallel/detail/as_function.hpp>
#include <sluice/parallel/detail/on_worker.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <sluice/parallel/parallel_invoke.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

/// Value(begin, end) of a piece, combined by a tree. A class, so that the recursion hands on one pointer.
template <class T, class Value, class Combine>
class reduction_tree {
public:
    reduction_tree(thread_pool& pool, Value& value, Combine& combine, std::uint64_t grain) noexcept
        : pool_(pool), value_(value), combine_(combine), grain_(grain) {}

    [[nodiscard]] T operator()(std::uint64_t begin, std::uint64_t n) {
        if (n <= grain_) return value_(begin, begin + n);
        std::uint64_t const left = std::bit_floor((n - 1) / grain_) * grain_;
        std::optional<T>    a, b;
        auto first = [&] { a.emplace((*this)(begin, left)); };
        auto second = [&] { b.emplace((*this)(begin + left, n - left)); };
        if (worker* const me = pool_.internals().here()) {
            invoke_on(*me, first, second);
        } else {
            first();
            second();
        }
        return static_cast<T>(combine_(*std::move(a), *std::move(b)));
    }

private:
    thread_pool&        pool_;
    Value&              value_;
    Combine&            combine_;
    std::uint64_t const grain_;
};

}  // namespace detail

/// combine over map(i) for i in [first, last); for iterators map gets *i. If map takes two of I, map(begin, end) is the value
/// of a whole piece.
template <detail::loop_index I, class T, class Map, class Combine>
[[nodiscard]] T deterministic_reduce(thread_pool& pool, I first, std::type_identity_t<I> last, T identity, Map&& map,
                                     Combine&& combine, std::uint64_t grain = 1024, std::stop_token const& stop = {}) {
    static_assert(detail::takes_item<Map, I> || detail::takes_ranges<Map, I>,
                  "deterministic_reduce needs a map with an index, or *iterator, or two of them for a range");
    detail::require_option(grain > 0, "deterministic_reduce: grain (at least 1)", grain);
    std::uint64_t const n = detail::loop_length<I>(first, last);
    auto&&     value_at = detail::as_function(map);
    auto&&     join = detail::as_function(combine);
    auto const value = [&](std::uint64_t begin, std::uint64_t end) -> T {
        if (stop.stop_requested() || begin == end) return identity;
        if constexpr (detail::takes_ranges<Map, I>) {
            return static_cast<T>(join(T(identity), value_at(detail::loop_at(first, begin), detail::loop_at(first, end))));
        } else {
            T sum = identity;
            for (std::uint64_t i = begin; i < end; ++i)
                sum = static_cast<T>(join(std::move(sum), detail::call_at(value_at, detail::loop_at(first, i))));
            return sum;
        }
    };
    detail::reduction_tree<T, decltype(value), std::remove_reference_t<decltype(join)>> tree(pool, value, join, grain);
    if (n <= grain) return tree(0, n);
    std::optional<T> result;
    detail::call_on_worker(pool, [&] { result.emplace(tree(0, n)); });
    return *std::move(result);
}

}  // namespace sluice
