// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// parallel_reduce, parallel_transform_reduce — one value from many, computed in parallel, always the same one.
///
/// Use it for     sums, minima, counts, merges: any associative combine; it need not be commutative
/// Not for        combine operations that are not associative beyond rounding
/// Thread-safety  as parallel_for. map and combine are called from several threads at once
/// Progress       as parallel_for
/// Complexity     n calls of map, n + 256 of combine, at most 256 partial results. The pieces depend on n alone, and partial
///                results are combined from left to right, so the result is the same, bit for bit, whatever the number of
///                workers and however they share the work; also for floating point
/// Errors         as parallel_for; after a stop request the result covers some of the range only, so ask the token
/// Units          the identity is used once for each piece
/// Example        examples/620_parallel_reduce.cpp

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <sluice/parallel/detail/as_function.hpp>
#include <sluice/parallel/detail/crew.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <type_traits>
#include <utility>

namespace sluice {

/// combine(… combine(combine(identity, map(first)), map(first + 1)) …, map(last - 1)), in pieces. For iterators map gets
/// *i. If map takes two of I, it is called as map(begin, end) and returns the value of a whole piece.
template <detail::loop_index I, class T, class Map, class Combine>
[[nodiscard]] T parallel_reduce(thread_pool& pool, I first, std::type_identity_t<I> last, T identity, Map&& map,
                                Combine&& combine, std::stop_token const& stop = {}) {
    std::uint64_t const n = detail::loop_length<I>(first, last);
    if (n == 0) return identity;
    static_assert(detail::takes_item<Map, I> || detail::takes_ranges<Map, I>,
                  "parallel_reduce needs a map with an index, or *iterator, or two of them for a range");
    constexpr std::uint64_t most_pieces = 256, stride = 1024;  // pieces; iterations between two looks at the token
    std::uint64_t const     grain = (n - 1) / most_pieces + 1;
    std::uint64_t const     pieces = (n - 1) / grain + 1;
    auto&&     value_at = detail::as_function(map);
    auto&&     join = detail::as_function(combine);
    auto const value_of = [&](std::uint64_t x) -> T {
        std::uint64_t const begin = x * grain;
        std::uint64_t const end = n - begin < grain ? n : begin + grain;
        if constexpr (detail::takes_ranges<Map, I>) {
            return static_cast<T>(join(T(identity), value_at(detail::loop_at(first, begin), detail::loop_at(first, end))));
        } else {
            T value = identity;
            for (std::uint64_t i = begin; i < end && !stop.stop_requested();)
                for (std::uint64_t const look = end - i < stride ? end : i + stride; i < look; ++i)
                    value = static_cast<T>(join(std::move(value), detail::call_at(value_at, detail::loop_at(first, i))));
            return value;
        }
    };

    std::optional<T> result;
    auto const       add = [&](T&& value) {
        if (result)
            result.emplace(join(*std::move(result), std::move(value)));
        else
            result.emplace(std::move(value));
    };
    std::uint64_t done = 0;
    if (n > std::uint64_t{pool.size()} * 4) {
        auto one_after_the_other = [&](std::uint64_t begin, std::uint64_t end) {
            for (; begin < end; ++begin) add(value_of(begin));
        };
        done = detail::probe(pieces, one_after_the_other, stop);
    }
    if (done < pieces) {
        auto const partial = std::make_unique<std::optional<T>[]>(static_cast<std::size_t>(pieces - done));
        auto       fill = [&](std::uint64_t begin, std::uint64_t end) {
            for (; begin < end; ++begin) partial[static_cast<std::size_t>(begin)].emplace(value_of(done + begin));
        };
        detail::crew<dynamic_partitioner, decltype(fill)>::run(pool, pieces - done, dynamic_partitioner{}, fill, stop, 1);
        for (std::uint64_t x = 0; x < pieces - done; ++x)
            if (auto& value = partial[static_cast<std::size_t>(x)]) add(std::move(*value));
    }
    return result ? *std::move(result) : std::move(identity);
}

/// The same over the elements of a range.
template <std::ranges::random_access_range R, class T, class Map, class Combine>
    requires std::ranges::sized_range<R>
[[nodiscard]] T parallel_reduce(thread_pool& pool, R&& range, T identity, Map&& map, Combine&& combine,
                                std::stop_token const& stop = {}) {
    auto const first = std::ranges::begin(range);
    return parallel_reduce(pool, first, first + std::ranges::ssize(range), std::move(identity), map, combine, stop);
}

/// As std::transform_reduce: init, then reduce over transform(*i) for i in [first, last).
template <std::random_access_iterator I, class T, class Reduce, class Transform>
[[nodiscard]] T parallel_transform_reduce(thread_pool& pool, I first, I last, T init, Reduce&& reduce,
                                          Transform&& transform, std::stop_token const& stop = {}) {
    if (!(first < last)) return init;
    auto&& one = detail::as_function(transform);
    auto&& two = detail::as_function(reduce);
    using partial = std::optional<T>;  // no identity is known: an empty one stands for it
    auto const join = [&](partial&& a, partial&& b) -> partial {
        if (!a) return std::move(b);
        if (!b) return std::move(a);
        return partial(two(*std::move(a), *std::move(b)));
    };
    partial sum = parallel_reduce(
        pool, first, last, partial{}, [&](auto&& x) -> partial { return partial(one(std::forward<decltype(x)>(x))); },
        [&](partial a, partial b) { return join(std::move(a), std::move(b)); }, stop);
    return sum ? static_cast<T>(two(std::move(init), *std::move(sum))) : init;
}

}  // namespace sluice
