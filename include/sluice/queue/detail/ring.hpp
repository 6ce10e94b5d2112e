// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::ring — the array behind the deques: a power of two of atomic slots, addressed by an ever-growing index.
///
/// Thread-safety  slots are atomics, read and written relaxed; who may touch which slot is the deque's business
/// Complexity     O(1) access; construction writes every slot once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace sluice::detail {

// Ordering
//   (F) slot  relaxed: a slot may be overwritten while a thief reads it; that thief then loses its CAS on the index, so
//             the value is thrown away. It must be atomic all the same: a torn read is not a lost race but undefined

template <class T>
concept deque_item = std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T> &&
                     std::is_default_constructible_v<T>;

/// a − b where both count upward for ever and may have wrapped: right while they are less than 2⁶³ apart.
[[nodiscard]] constexpr std::int64_t index_distance(std::uint64_t a, std::uint64_t b) noexcept {
    return static_cast<std::int64_t>(a - b);
}

[[nodiscard]] constexpr std::size_t ring_size(std::size_t wanted) noexcept {
    constexpr std::size_t most = (static_cast<std::size_t>(-1) >> 1) + 1;
    return wanted < 2 ? 2 : wanted > most ? most : std::bit_ceil(wanted);
}

/// What is needed to reach the slots of a ring, without the step through the ring itself.
template <class T, template <class> class Atom>
class ring_view {
public:
    constexpr ring_view() noexcept = default;
    constexpr ring_view(Atom<T>* slots, std::size_t mask) noexcept : slots_(slots), mask_(mask) {}

    [[nodiscard]] std::size_t size() const noexcept { return mask_ + 1; }
    [[nodiscard]] T get(std::uint64_t index) const noexcept {
        return slots_[static_cast<std::size_t>(index) & mask_].load(std::memory_order_relaxed);  // (F)
    }
    void put(std::uint64_t index, T item) const noexcept {
        slots_[static_cast<std::size_t>(index) & mask_].store(item, std::memory_order_relaxed);  // (F)
    }

private:
    Atom<T>*    slots_ = nullptr;
    std::size_t mask_ = 0;
};

/// A ring on the heap; rings that a deque has outgrown stay linked behind it until the deque goes, because a thief may
/// still read them. They add up to less than the current one.
template <class T, template <class> class Atom>
class ring {
public:
    explicit ring(std::size_t size, ring* older) : slots_(new Atom<T>[size]()), view_(slots_, size - 1), older_(older) {}
    ring(ring const&) = delete;
    ring& operator=(ring const&) = delete;
    ~ring() { delete[] slots_; }

    [[nodiscard]] std::size_t size() const noexcept { return view_.size(); }
    [[nodiscard]] ring* older() const noexcept { return older_; }
    [[nodiscard]] ring_view<T, Atom> view() const noexcept { return view_; }
    [[nodiscard]] T get(std::uint64_t index) const noexcept { return view_.get(index); }
    void put(std::uint64_t index, T item) noexcept { view_.put(index, item); }

private:
    Atom<T>*           slots_;
    ring_view<T, Atom> view_;
    ring*              older_;
};

/// A ring of fixed size inside its owner.
template <class T, std::size_t N, template <class> class Atom>
class inline_ring {
public:
    static_assert(N >= 2 && std::has_single_bit(N), "the capacity of a bounded deque is a power of two, at least 2");

    [[nodiscard]] static constexpr std::size_t size() noexcept { return N; }
    [[nodiscard]] T get(std::uint64_t index) const noexcept {
        return slots_[static_cast<std::size_t>(index) & (N - 1)].load(std::memory_order_relaxed);  // (F)
    }
    void put(std::uint64_t index, T item) noexcept {
        slots_[static_cast<std::size_t>(index) & (N - 1)].store(item, std::memory_order_relaxed);  // (F)
    }

private:
    Atom<T> slots_[N] = {};
};

}  // namespace sluice::detail
