// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// parallel_stable_sort — sorts a random-access range with all workers; equal elements keep their order.
///
/// Use it for     sorting by one field after another, records of which only a part is compared
/// Not for        plain values (parallel_sort: faster, in place)
/// Thread-safety  any thread; from outside the pool the work moves to a worker and the caller sleeps. less is called from
///                several threads at once, through one object
/// Progress       as parallel_invoke
/// Complexity     O(n log n) comparisons and moves, n - 1 comparisons if the range is sorted or strictly reversed; a buffer
///                of n elements. The merges are parallel too: work / span = Θ(n / log² n)
/// Errors         the first exception of less is rethrown, others are counted. Whatever less throws, or however inconsistent its
///                answers are, the range is a permutation of what it was. A stop request ends the sort without an
///                exception, with the range in some order: ask the token. A closed pool: the caller sorts. std::bad_alloc
///                before anything has been moved. Elements must have moves that do not throw
/// Source         parallel merge by splitting the longer run: Cormen et al., Introduction to Algorithms, section 27.3
/// Example        examples/630_parallel_sort.cpp

#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <new>
#include <ranges>
#include <sluice/parallel/detail/on_worker.hpp>
#include <sluice/parallel/detail/quicksort.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

// Ordering
//   (A) failed  exchange relaxed: the first to fail writes error_, which the caller reads after every fork has been joined;
//               load relaxed: a hint that comparisons are no longer worth while

/// Every element is in exactly one place at every time: a range and a buffer take turns. A comparison that throws counts as
/// "not less" from then on, so nothing has to be undone: runs are put together until all are back in the range.
template <std::random_access_iterator I, class Less>
class merge_sort {
    using T = std::iter_value_t<I>;
    using D = std::iter_difference_t<I>;

public:
    merge_sort(thread_pool& pool, I first, D n, Less& less, std::stop_token const& stop)
        : pool_(pool), data_(first), n_(n), less_(less), stop_(stop),
          buffer_(std::allocator<T>().allocate(static_cast<std::size_t>(n))) {}
    merge_sort(merge_sort const&) = delete;
    merge_sort& operator=(merge_sort const&) = delete;
    ~merge_sort() { std::allocator<T>().deallocate(buffer_, static_cast<std::size_t>(n_)); }

    void operator()() {
        sort(0, n_, false);
        std::destroy_n(buffer_, n_);
        if (error_) std::rethrow_exception(error_);
    }

private:
    static constexpr D leaf = 24;     // sorted by insertion
    static constexpr D grain = 4096;  // by one worker

    template <class X, class Y>
    bool less(X const& a, Y const& b) noexcept {
        if constexpr (std::is_nothrow_invocable_v<Less&, X const&, Y const&>) {
            return static_cast<bool>(less_(a, b));
        } else {
            try {
                return static_cast<bool>(less_(a, b));
            } catch (...) {
                fail();
                return false;
            }
        }
    }
    [[gnu::noinline, gnu::cold]] void fail() noexcept {
        if (failed_.exchange(true, std::memory_order_relaxed))                              // (A)
            pool_.internals().errors().drop();
        else
            error_ = std::current_exception();
    }
    [[nodiscard]] bool over() const noexcept {
        return failed_.load(std::memory_order_relaxed) || stop_.stop_requested();           // (A)
    }

    template <class F, class G>
    void both(D n, F f, G g) {
        worker* const me = n >= grain ? pool_.internals().here() : nullptr;
        if (me != nullptr) {
            try {
                return invoke_on(*me, f, g);
            } catch (std::bad_alloc const&) {  // the deque of forks could not grow; f and g do not throw, so have not begun
            }
        }
        f();
        g();
    }

    /// Sorts [begin, end) of the range into the same part of the buffer or of the range, and leaves the other part moved from.
    void sort(D begin, D end, bool into_buffer) {
        D const n = end - begin;
        if (n <= leaf) {
            bool const give_up = over();
            T* const   place = buffer_ + begin;
            for (D i = 0; i < n; ++i) {
                T* const x = std::construct_at(place + i, std::ranges::iter_move(data_ + begin + i));
                if (!give_up) insert(place, x);
            }
            if (!into_buffer) std::move(place, place + n, data_ + begin);
            return;
        }
        D const middle = begin + n / 2;
        both(n, [&] { sort(begin, middle, !into_buffer); }, [&] { sort(middle, end, !into_buffer); });
        if (into_buffer)
            merge(data_ + begin, data_ + middle, data_ + middle, data_ + end, buffer_ + begin);
        else
            merge(buffer_ + begin, buffer_ + middle, buffer_ + middle, buffer_ + end, data_ + begin);
    }

    void insert(T* first, T* i) noexcept {
        if (i == first || !less(*i, *(i - 1))) return;
        T x = std::move(*i);
        do {
            *i = std::move(*(i - 1));
            --i;
        } while (i != first && less(x, *(i - 1)));
        *i = std::move(x);
    }

    template <class In, class Out>
    void merge(In a, In a_end, In b, In b_end, Out out) {
        D const n = (a_end - a) + (b_end - b);
        if (n < grain || pool_.internals().here() == nullptr) return merge_here(a, a_end, b, b_end, out);
        if (a == a_end || b == b_end || over() || !less(*b, *(a_end - 1))) return together(a, a_end, b, b_end, out);
        In a_split = a, b_split = b;
        if (a_end - a >= b_end - b) {
            a_split = a + (a_end - a) / 2;  // the first of b that is not less than it stays behind it
            b_split = search(b, b_end, [&](auto const& x) { return less(x, *a_split); });
        } else {
            b_split = b + (b_end - b) / 2;
            a_split = search(a, a_end, [&](auto const& x) { return !less(*b_split, x); });
        }
        Out const rest = out + ((a_split - a) + (b_split - b));
        both(n, [&] { merge(a, a_split, b, b_split, out); }, [&] { merge(a_split, a_end, b_split, b_end, rest); });
    }

    /// The first of [first, last) for which before() is false.
    template <class In, class Before>
    static In search(In first, In last, Before before) {
        for (D n = last - first; n > 0;) {
            D const half = n / 2;
            if (before(*(first + half))) {
                first += half + 1;
                n -= half + 1;
            } else {
                n = half;
            }
        }
        return first;
    }

    template <class In, class Out>
    void merge_here(In a, In a_end, In b, In b_end, Out out) noexcept {
        if (a != a_end && b != b_end && !over() && less(*b, *(a_end - 1))) {
            if constexpr (small_and_plain<T>) {
                while (a != a_end && b != b_end) {  // no branch on the comparison
                    bool const second = less(*b, *a);
                    *out = second ? *b : *a;
                    ++out;
                    b += static_cast<D>(second);
                    a += static_cast<D>(!second);
                }
            } else {
                while (a != a_end && b != b_end) {
                    if (less(*b, *a)) {
                        *out = std::move(*b);
                        ++b;
                    } else {
                        *out = std::move(*a);
                        ++a;
                    }
                    ++out;
                }
            }
        }
        together(a, a_end, b, b_end, out);
    }

    template <class In, class Out>
    static void together(In a, In a_end, In b, In b_end, Out out) noexcept {
        std::move(b, b_end, std::move(a, a_end, out));
    }

    thread_pool&           pool_;
    I const                data_;
    D const                n_;
    Less&                  less_;
    std::stop_token const& stop_;
    T* const               buffer_;
    std::atomic<bool>      failed_{false};
    std::exception_ptr     error_;
};

}  // namespace detail

/// Sorts [first, last) so that less(b, a) holds for no a before b, and a stays before b if neither is less.
template <std::random_access_iterator I, class Less = std::less<>>
    requires std::permutable<I>
void parallel_stable_sort(thread_pool& pool, I first, I last, Less less = {}, std::stop_token const& stop = {}) {
    using T = std::iter_value_t<I>;
    static_assert(std::is_invocable_r_v<bool, Less&, std::iter_reference_t<I>, std::iter_reference_t<I>>,
                  "parallel_stable_sort needs a comparison of two elements");
    static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>,
                  "parallel_stable_sort needs elements whose moves do not throw");
    if (stop.stop_requested() || detail::one_run(first, last, less)) return;
    detail::merge_sort<I, Less> sort(pool, first, last - first, less, stop);
    if (last - first < 4096)
        sort();
    else
        detail::call_on_worker(pool, sort);
}

template <std::random_access_iterator I, class Less>
    requires std::permutable<I> && std::is_member_pointer_v<Less>
void parallel_stable_sort(thread_pool& pool, I first, I last, Less less, std::stop_token const& stop = {}) {
    parallel_stable_sort(pool, first, last, std::mem_fn(less), stop);
}

template <std::ranges::random_access_range R, class Less = std::less<>>
    requires std::ranges::common_range<R> && std::permutable<std::ranges::iterator_t<R>>
void parallel_stable_sort(thread_pool& pool, R&& range, Less less = {}, std::stop_token const& stop = {}) {
    parallel_stable_sort(pool, std::ranges::begin(range), std::ranges::end(range), std::move(less), stop);
}

}  // namespace sluice
