// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// auto_, static_, dynamic_, guided_partitioner — how a loop is cut into pieces.
///
/// Use it for     the last argument of parallel_for and parallel_reduce
/// Thread-safety  plain values
/// Complexity     next_piece: one atomic read-modify-write; guided and auto repeat it when somebody else was faster
/// Errors         a grain of 0 throws std::invalid_argument when the loop starts
/// Units          iterations
///
/// All cut lazily: a piece is made when somebody is free to run it, so an uneven loop balances itself, and a worker that
/// comes late or never costs nothing. They differ in the size of the pieces.
///
/// | partitioner | pieces                                          | for                                        |
/// | auto        | guided, after a probe                           | loops that nobody has thought about        |
/// | static      | one for each worker, of equal size              | even work, memory touched again            |
/// | dynamic     | `grain` iterations                              | uneven work; grain 1 for heavy iterations  |
/// | guided      | a share of what is left, down to `grain`        | uneven work, cheap iterations              |
///
/// The probe runs the first iterations on the calling thread, which keeps the whole loop if it is too short to gain.

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>

namespace sluice {

// Ordering
//   (A) claim  next fetch_add or CAS relaxed: it only decides who runs which iterations; the loop itself came with the
//              invitation, and what the iterations did is published when a participant leaves (detail/crew.hpp)

/// Iterations [begin, end); empty when there are no more.
struct piece {
    std::uint64_t begin;
    std::uint64_t end;
    [[nodiscard]] constexpr bool empty() const noexcept { return begin >= end; }
};

namespace detail {

/// Up to here each of 1000 workers can add a grain behind the end of a range.
inline constexpr std::uint64_t most_grain = std::uint64_t{1} << 53;

inline piece next_fixed(std::atomic<std::uint64_t>& next, std::uint64_t n, std::uint64_t grain) noexcept {
    std::uint64_t begin = next.load(std::memory_order_relaxed);                             // (A)
    if (grain > most_grain || n > most_grain) {  // so large that the sum could wrap
        for (;;) {
            if (begin >= n) return {n, n};
            std::uint64_t const end = n - begin < grain ? n : begin + grain;
            if (next.compare_exchange_weak(begin, end, std::memory_order_relaxed, std::memory_order_relaxed))  // (A)
                return {begin, end};
        }
    }
    if (begin >= n) return {n, n};
    begin = next.fetch_add(grain, std::memory_order_relaxed);                               // (A)
    if (begin >= n) return {n, n};
    return {begin, n - begin < grain ? n : begin + grain};
}

inline piece next_guided(std::atomic<std::uint64_t>& next, std::uint64_t n, std::uint64_t grain,
                         std::size_t workers) noexcept {
    std::uint64_t begin = next.load(std::memory_order_relaxed);                             // (A)
    for (;;) {
        if (begin >= n) return {n, n};
        std::uint64_t size = (n - begin) / (std::uint64_t{workers} * 4);
        if (size < grain) size = grain;
        if (size > n - begin) size = n - begin;
        if (next.compare_exchange_weak(begin, begin + size, std::memory_order_relaxed, std::memory_order_relaxed))  // (A)
            return {begin, begin + size};
    }
}

}  // namespace detail

struct static_partitioner {
    static constexpr bool probes = false;
    [[nodiscard]] static constexpr std::uint64_t smallest() noexcept { return 1; }
    [[nodiscard]] piece next_piece(std::atomic<std::uint64_t>& next, std::uint64_t n, std::size_t workers) const noexcept {
        return detail::next_fixed(next, n, n / workers + (n % workers != 0 ? 1 : 0));
    }
};

struct dynamic_partitioner {
    std::uint64_t grain = 1;

    static constexpr bool probes = false;
    [[nodiscard]] constexpr std::uint64_t smallest() const noexcept { return grain; }
    [[nodiscard]] piece next_piece(std::atomic<std::uint64_t>& next, std::uint64_t n, std::size_t) const noexcept {
        return detail::next_fixed(next, n, grain);
    }
};

struct guided_partitioner {
    std::uint64_t grain = 1;

    static constexpr bool probes = false;
    [[nodiscard]] constexpr std::uint64_t smallest() const noexcept { return grain; }
    [[nodiscard]] piece next_piece(std::atomic<std::uint64_t>& next, std::uint64_t n, std::size_t workers) const noexcept {
        return detail::next_guided(next, n, grain, workers);
    }
};

/// A loop of at most four iterations for each worker is not probed: few iterations are usually long ones. The probe takes
/// neighbouring iterations, up to 256, to be alike; where they are not, dynamic_partitioner is the one to use.
struct auto_partitioner {
    static constexpr bool probes = true;
    [[nodiscard]] static constexpr std::uint64_t smallest() noexcept { return 1; }
    [[nodiscard]] piece next_piece(std::atomic<std::uint64_t>& next, std::uint64_t n, std::size_t workers) const noexcept {
        return detail::next_guided(next, n, 1, workers);
    }
};

template <class P>
concept partitioner = requires(P const& p, std::atomic<std::uint64_t>& next, std::uint64_t n, std::size_t workers) {
    { p.next_piece(next, n, workers) } noexcept -> std::same_as<piece>;
    { p.smallest() } -> std::convertible_to<std::uint64_t>;
    { P::probes } -> std::convertible_to<bool>;
};

}  // namespace sluice
