// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// md_range — loops over two, three or more dimensions, cut into tiles.
///
/// Use it for     matrices, images, grids: a tile keeps what it touches in the cache
/// Not for        one dimension (parallel_for with integers)
/// Thread-safety  as parallel_for, of which this is an overload
/// Complexity     as parallel_for over the tiles; one division for each dimension and tile
/// Errors         as parallel_for. A tile of 0 in some dimension throws std::invalid_argument, and so do more than 2^64 - 1
///                tiles. A range that is empty or backward in one dimension does nothing
/// Units          indices are 64 bits, signed
///
///   parallel_for(pool, md_range<2>{.last = {rows, columns}}, [&](std::int64_t i, std::int64_t j) { … });
///   parallel_for(pool, md_range<2>{.last = {rows, columns}, .tile = {64, 64}}, [&](md_tile<2> const& t) { … });

#include <array>
#include <cstddef>
#include <cstdint>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

/// The indices [first[d], last[d]) of each dimension d.
template <std::size_t D>
struct md_tile {
    std::array<std::int64_t, D> first{};
    std::array<std::int64_t, D> last{};
};

/// Indices of D dimensions; the last one changes fastest. The tiles of an untold size are a row of up to 1024 in the last.
template <std::size_t D>
    requires(D >= 1)
struct md_range {
    std::array<std::int64_t, D> first{};
    std::array<std::int64_t, D> last{};
    std::array<std::int64_t, D> tile = [] {
        std::array<std::int64_t, D> t{};
        t.fill(1);
        t[D - 1] = 1024;
        return t;
    }();
};

namespace detail {

template <class F, std::size_t... K>
consteval bool takes_indices(std::index_sequence<K...>) {
    return std::is_invocable_v<F&, decltype(static_cast<void>(K), std::int64_t{})...>;
}

template <std::size_t D, class F, class... Index>
void each_index(md_tile<D> const& t, F& f, Index... outer) {
    constexpr std::size_t d = sizeof...(Index);
    for (std::int64_t i = t.first[d]; i < t.last[d]; ++i)
        if constexpr (d + 1 == D)
            f(outer..., i);
        else
            each_index(t, f, outer..., i);
}

}  // namespace detail

/// Calls f(i, j, …) for all indices, or f(md_tile) for tiles that make up the range.
template <std::size_t D, class F, partitioner P = auto_partitioner>
void parallel_for(thread_pool& pool, md_range<D> const& range, F&& f, P const& p = {}, std::stop_token const& stop = {}) {
    constexpr bool takes_indices = detail::takes_indices<F>(std::make_index_sequence<D>{});
    static_assert(takes_indices || std::is_invocable_v<F&, md_tile<D> const&>,
                  "parallel_for over an md_range needs a callable with one std::int64_t for each dimension, or with an md_tile");
    std::array<std::uint64_t, D> tiles{};
    std::uint64_t                all = 1;
    bool                         empty = false;
    for (std::size_t d = 0; d < D; ++d) {
        detail::require_option(range.tile[d] > 0, "md_range: tile (at least 1)", range.tile[d]);
        std::uint64_t const n = detail::loop_length(range.first[d], range.last[d]);
        tiles[d] = n == 0 ? 0 : (n - 1) / static_cast<std::uint64_t>(range.tile[d]) + 1;
        empty = empty || n == 0;
    }
    if (empty) return;
    for (std::size_t d = 0; d < D; ++d) {
        auto const product = detail::multiply_wide(all, tiles[d]);
        detail::require_option(product.high == 0, "md_range: number of tiles (less than 2^64); those of one dimension", tiles[d]);
        all = product.low;
    }
    auto const run_tile = [&](std::uint64_t which) {
        md_tile<D> t;
        for (std::size_t d = D; d-- > 0;) {
            std::uint64_t const begin = which % tiles[d] * static_cast<std::uint64_t>(range.tile[d]);
            which /= tiles[d];
            t.first[d] = detail::loop_at(range.first[d], begin);
            std::uint64_t const left = static_cast<std::uint64_t>(range.last[d]) - static_cast<std::uint64_t>(t.first[d]);
            std::uint64_t const size = static_cast<std::uint64_t>(range.tile[d]);
            t.last[d] = detail::loop_at(t.first[d], left < size ? left : size);
        }
        if constexpr (takes_indices)
            detail::each_index(t, f);
        else
            f(std::as_const(t));
    };
    parallel_for(pool, std::uint64_t{0}, all, run_tile, p, stop);
}

}  // namespace sluice
