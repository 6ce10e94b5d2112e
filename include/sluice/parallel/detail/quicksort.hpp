// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::quicksort — the sort under parallel_sort: quicksort that meets patterns, and cannot lose an element.
///
/// Thread-safety  on a worker the two sides of a partition may run at the same time; they share the comparator
/// Complexity     O(n log n) comparisons, also in the worst case (heap sort after log2 n bad pivots); O(n) for inputs of few
///                different values
/// Errors         whatever a comparison throws. It only ever runs while every element is in its place, or in a `hole` that puts
///                it back, so the range is then a permutation. A comparator that is no strict weak order (a NaN) gives some
///                permutation and never an access outside
/// Source         introsort: Musser, SP&E 27, 1997; patterns: Peters, pdqsort, arXiv:2106.05123; a partition without
///                branches: Lomuto's, with the exchange done always (Alexandrescu, 2020)

#include <algorithm>
#include <bit>
#include <cstddef>
#include <iterator>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_invoke.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// Cheap enough to exchange without looking whether it is necessary.
template <class T>
inline constexpr bool small_and_plain = std::is_trivially_copyable_v<T> && sizeof(T) <= 2 * sizeof(void*);

template <std::random_access_iterator I, class Less>
class quicksort {
public:
    quicksort(thread_pool& pool, Less& less, std::stop_token const& stop) noexcept : pool_(pool), less_(less), stop_(stop) {}

    void operator()(I first, I last) {
        if (last - first < 2) return;
        sort(first, last, static_cast<int>(std::bit_width(static_cast<std::size_t>(last - first))), true);
    }

    static constexpr std::iter_difference_t<I> grain = 2048;  ///< less than this is sorted by one worker

    /// Moves *i down to where it belongs in the sorted [first, i).
    static void insert(I first, I i, Less& less) {
        if (i == first || !less(*i, *(i - 1))) return;
        hole h(i);
        do {
            *h.at = std::ranges::iter_move(h.at - 1);
            --h.at;
        } while (h.at != first && less(h.value, *(h.at - 1)));
    }

private:
    using T = std::iter_value_t<I>;
    using D = std::iter_difference_t<I>;

    /// An element on its way: the destructor puts it where it has got to.
    struct hole {
        explicit hole(I i) : at(i), value(std::ranges::iter_move(i)) {}
        hole(hole const&) = delete;
        hole& operator=(hole const&) = delete;
        ~hole() { *at = std::move(value); }
        I at;
        T value;
    };

    bool less(I a, I b) { return less_(*a, *b); }

    void sort(I first, I last, int bad_pivots, bool leftmost) {
        for (;;) {
            D const n = last - first;
            if (n <= (small_and_plain<T> ? 20 : 12)) {
                for (I i = first; i != last; ++i) insert(first, i, less_);
                return;
            }
            if (n >= grain && stop_.stop_requested()) return;
            pivot_to_front(first, last, n);
            // Nothing here is less than the element before: if that equals the pivot, so does everything that is not greater.
            if (!leftmost && !less(first - 1, first)) {
                first = partition(first, last, [this](auto&& x, auto const& pivot) { return !less_(pivot, x); }).first + 1;
                continue;
            }
            auto const [middle, was_in_order] =
                partition(first, last, [this](auto&& x, auto const& pivot) { return static_cast<bool>(less_(x, pivot)); });
            D const left = middle - first, right = last - (middle + 1);
            if (left < n / 8 || right < n / 8) {
                if (--bad_pivots == 0) return heap_sort(first, last);
                stir(first, middle, left);
                stir(middle + 1, last, right);
            } else if (was_in_order && nearly_sorted(first, middle) && nearly_sorted(middle + 1, last)) {
                return;
            }
            worker* const me = n >= grain ? pool_.internals().here() : nullptr;
            if (me != nullptr) {
                auto lower = [&] { sort(first, middle, bad_pivots, leftmost); };
                auto upper = [&] { sort(middle + 1, last, bad_pivots, false); };
                invoke_on(*me, lower, upper);
                return;
            }
            sort(first, middle, bad_pivots, leftmost);
            first = middle + 1;
            leftmost = false;
        }
    }

    void order(I a, I b) {
        if (less(b, a)) std::ranges::iter_swap(a, b);
    }
    void median_to_middle(I a, I b, I c) {
        order(a, b);
        order(b, c);
        order(a, b);
    }
    void pivot_to_front(I first, I last, D n) {
        I const middle = first + n / 2;
        median_to_middle(first, middle, last - 1);
        if (n > 128) {
            D const eighth = n / 8;
            median_to_middle(first + eighth, middle - eighth, middle - 1);
            median_to_middle(middle + 1, middle + eighth, last - 1 - eighth);
            median_to_middle(middle - 1, middle, middle + 1);
        }
        std::ranges::iter_swap(first, middle);
    }

    /// The pivot, *first, goes behind those elements for which goes_left(x, pivot), and stays before the others. Where it is
    /// now, and whether the elements were like that before.
    template <class GoesLeft>
    std::pair<I, bool> partition(I first, I last, GoesLeft goes_left) {
        I       left = first + 1;  // all before it go left
        I       right = last;      // nothing from it on does
        I const pivot = first;
        while (left != right && goes_left(*left, *pivot)) ++left;
        while (left != right && !goes_left(*(right - 1), *pivot)) --right;
        bool const was_in_order = left == right;
        if constexpr (small_and_plain<T>) {
            T const copy = *pivot;  // the elements' stores cannot change it
            for (I i = left; i != right; ++i) {
                T const    x = *i;
                bool const goes = goes_left(x, copy);
                *i = *left;
                *left = x;
                left += static_cast<D>(goes);
            }
        } else {
            while (left != right) {  // *left is on the wrong side, and so is *(right - 1)
                std::ranges::iter_swap(left, right - 1);
                ++left;
                --right;
                while (left != right && goes_left(*left, *pivot)) ++left;
                while (left != right && !goes_left(*(right - 1), *pivot)) --right;
            }
        }
        --left;
        std::ranges::iter_swap(pivot, left);
        return {left, was_in_order};
    }

    /// Insertion sort that gives up after a few moves.
    bool nearly_sorted(I first, I last) {
        D moves = 0;
        if (first == last) return true;
        for (I i = first + 1; i != last; ++i) {
            if (!less(i, i - 1)) continue;
            if (moves > 8) return false;
            hole h(i);
            do {
                *h.at = std::ranges::iter_move(h.at - 1);
                --h.at;
                ++moves;
            } while (h.at != first && moves <= 16 && less_(h.value, *(h.at - 1)));
            if (moves > 16 && h.at != first) return false;
        }
        return true;
    }

    /// Breaks up the pattern that made the last pivot a bad one.
    static void stir(I first, I last, D n) {
        if (n <= 24) return;
        D const quarter = n / 4;
        for (D i = 0; i < (n > 128 ? 3 : 1); ++i) {
            std::ranges::iter_swap(first + i, first + quarter + i);
            std::ranges::iter_swap(last - 1 - i, last - 1 - quarter - i);
        }
    }

    void sift_down(I first, D at, D n) {
        for (;;) {
            D child = 2 * at + 1;
            if (child >= n) return;
            if (child + 1 < n && less(first + child, first + child + 1)) ++child;
            if (!less(first + at, first + child)) return;
            std::ranges::iter_swap(first + at, first + child);
            at = child;
        }
    }
    void heap_sort(I first, I last) {
        D const n = last - first;
        for (D i = n / 2; i-- > 0;) sift_down(first, i, n);
        for (D i = n; --i > 0;) {
            std::ranges::iter_swap(first, first + i);
            sift_down(first, 0, i);
        }
    }

    thread_pool&           pool_;
    Less&                  less_;
    std::stop_token const& stop_;
};

/// Whether a range was sorted, or the other way round and strictly, in which case it has been reversed.
template <class I, class Less>
bool one_run(I first, I last, Less& less) {
    if (last - first < 2) return true;
    I i = first + 1;
    if (less(*i, *first)) {
        while (++i != last && less(*i, *(i - 1))) {
        }
        if (i == last) std::reverse(first, last);
    } else {
        while (++i != last && !less(*i, *(i - 1))) {
        }
    }
    return i == last;
}

}  // namespace sluice::detail
