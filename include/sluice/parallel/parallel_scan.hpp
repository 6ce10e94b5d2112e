// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// parallel_inclusive_scan, parallel_exclusive_scan — all prefixes of a range, combined, in parallel.
///
/// Use it for     running totals, offsets from lengths, compaction; combine is associative, it need not be commutative
/// Not for        operations of a nanosecond on few workers: each element is combined twice, so two workers gain nothing over
///                std::inclusive_scan but the memory's speed
/// Thread-safety  as parallel_for. combine is called from several threads at once
/// Progress       as parallel_for
/// Complexity     2 n calls of combine in two passes, n for up to 1024 elements; at most 256 partial results. The pieces depend on
///                n alone, so the result is the same, bit for bit, for any number of workers, also for floating point
/// Errors         as parallel_for; the output is then written in part. After a stop request likewise, so ask the token
/// Source         Blelloch, Prefix Sums and Their Applications, CMU-CS-90-190, 1990

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <sluice/parallel/parallel_for.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

template <class I>
[[nodiscard]] std::iter_difference_t<I> step(std::uint64_t i) noexcept {
    return static_cast<std::iter_difference_t<I>>(i);
}

/// The prefix before the range may be missing (inclusive scan without init).
template <bool Inclusive, class I, class Out, class T, class Combine>
Out scan(thread_pool& pool, I first, I last, Out out, std::optional<T> before, Combine& combine, std::stop_token const& stop) {
    std::uint64_t const n = loop_length<I>(first, last);
    if (n == 0) return out;
    constexpr std::uint64_t most_pieces = 256, shortest = 1024;
    std::uint64_t const     least = (n - 1) / most_pieces + 1, grain = least < shortest ? shortest : least;
    std::uint64_t const     pieces = (n - 1) / grain + 1;
    auto const end_of = [&](std::uint64_t x) { return n - x * grain < grain ? n : (x + 1) * grain; };

    auto const partial = std::make_unique<std::optional<T>[]>(static_cast<std::size_t>(pieces));
    partial[0] = std::move(before);
    dynamic_partitioner const one{.grain = 1};
    auto total = [&](std::uint64_t x) {  // of piece x, for the next one
        I const       end = first + step<I>(end_of(x));
        I             i = first + step<I>(x * grain);
        T             sum = static_cast<T>(*i);
        while (++i != end) sum = static_cast<T>(combine(std::move(sum), *i));
        partial[static_cast<std::size_t>(x + 1)].emplace(std::move(sum));
    };
    parallel_for(pool, std::uint64_t{0}, pieces - 1, total, one, stop);
    if (stop.stop_requested()) return out + step<Out>(n);  // some totals are missing
    for (std::size_t x = 1; x < pieces; ++x)
        if (partial[x - 1]) partial[x].emplace(combine(std::as_const(*partial[x - 1]), *std::move(partial[x])));

    auto write = [&](std::uint64_t x) {
        std::optional<T>& sum = partial[static_cast<std::size_t>(x)];
        I const           end = first + step<I>(end_of(x));
        I                 i = first + step<I>(x * grain);
        Out               to = out + step<Out>(x * grain);
        for (; i != end; ++i, ++to) {
            if constexpr (Inclusive) {
                if (sum)
                    sum.emplace(combine(*std::move(sum), *i));
                else
                    sum.emplace(static_cast<T>(*i));
                *to = std::as_const(*sum);
            } else {
                T next = static_cast<T>(combine(std::as_const(*sum), *i));  // before *to, which may be *i
                *to = *std::move(sum);
                sum.emplace(std::move(next));
            }
        }
    };
    parallel_for(pool, std::uint64_t{0}, pieces, write, one, stop);
    return out + step<Out>(n);
}

}  // namespace detail

/// out[k] = first[0] combined with … and first[k]. out may be first, otherwise the two must not overlap. Returns the output's end.
template <std::random_access_iterator I, std::random_access_iterator Out, class Combine = std::plus<>>
Out parallel_inclusive_scan(thread_pool& pool, I first, std::type_identity_t<I> last, Out out, Combine combine = {},
                            std::stop_token const& stop = {}) {
    using T = std::iter_value_t<I>;
    return detail::scan<true, I, Out, T>(pool, first, last, out, std::nullopt, combine, stop);
}

/// The same with init before first[0].
template <std::random_access_iterator I, std::random_access_iterator Out, class Combine, class T>
    requires(!std::same_as<T, std::stop_token>)
Out parallel_inclusive_scan(thread_pool& pool, I first, std::type_identity_t<I> last, Out out, Combine combine, T init,
                            std::stop_token const& stop = {}) {
    return detail::scan<true, I, Out, T>(pool, first, last, out, std::move(init), combine, stop);
}

/// out[k] = init combined with first[0] … first[k - 1]. out may be first, otherwise the two must not overlap.
template <std::random_access_iterator I, std::random_access_iterator Out, class T, class Combine = std::plus<>>
Out parallel_exclusive_scan(thread_pool& pool, I first, std::type_identity_t<I> last, Out out, T init, Combine combine = {},
                            std::stop_token const& stop = {}) {
    return detail::scan<false, I, Out, T>(pool, first, last, out, std::move(init), combine, stop);
}

}  // namespace sluice
