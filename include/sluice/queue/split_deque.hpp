// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// split_deque — a work-stealing deque whose owner pays no fence and no read-modify-write while nobody steals.
///
/// Use it for     fork-join: the owner pushes and pops millions of times for each item that a thief takes
/// Not for        several producers (mpmc_ring, injector); owners that must expose every item at once whatever they do
///                next (chase_lev_deque, or publish() after the push)
/// Thread-safety  push, pop, publish, reserve, capacity: the owner. steal, size_approx: any thread.
///                Destruction: after everyone has left
/// Progress       push, pop: wait-free but for growth. steal: one attempt, lost only to someone's success
/// Complexity     O(1); n pushes and pops cost O(log n) atomic read-modify-writes, all of them in pop
/// Errors         push and reserve may throw std::bad_alloc and then have no effect; the rest is noexcept
/// Units          capacity in items, rounded up to a power of two, at least 2; it never shrinks
/// Source         split deques: Dijk, van de Pol, "Lace", Euro-Par 2014 workshops, doi:10.1007/978-3-319-14313-2_18; the
///                claim on the public part is Chase-Lev's (detail/chase_lev_protocol.hpp names the papers)
/// Differs        Lace's thieves raise a flag and wait for the owner to move the split; here the owner keeps the oldest
///                items public without being asked, so a thief never waits for the owner's current task to end
///
/// What a thief can count on. The items lie oldest to newest as [top, split) public, [split, bottom) private. After each
/// push, if two or more items are inside, the oldest is public. While the owner only pushes, all but the newest are.
/// When pop runs into the public part it takes half of it back, and then, as long as nobody steals, at least a quarter of
/// what is inside stays public: that slack is what makes pop cheap. If thieves empty the public part, the owner's next
/// push or pop publishes again. publish() exposes everything at once.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sluice/core/cacheline.hpp>
#include <sluice/queue/detail/ring.hpp>
#include <sluice/queue/steal_result.hpp>

namespace sluice {

// Ordering
//   (A) publish  owner:  split_ store release, the slots below it filled before              -> read by (C)
//   (B) retract  pop:    split_ exchange seq_cst, then top_ load seq_cst
//   (C) claim    steal:  top_ load seq_cst, then split_ load seq_cst, then CAS on top_ seq_cst; pop's CAS on the last item
//   (D) grow     push:   ring_ store release, its slots filled before                        -> steal: ring_ load acquire
//   (E) own              relaxed: bottom_, split_ and ring_ are written by their owner only, who reads its own last
//                        value; thieves do not act on bottom_
//   (G) room             top_ load acquire: a slot is written again only after the steal that emptied it
//   (H) hint             relaxed: an old value leads to a publish too early or too late, never to a wrong one
// It is the Chase-Lev protocol with split_ in the place of bottom_, and a private stack above it.
//
// Why an item i that the owner keeps after (B) is not stolen. (B) moved split_ to s <= i and then saw top_ < s. A thief
// that takes i has loaded top_ == i >= s, then split_ > i. The owner's load saw less than s, so in the single order of the
// seq_cst operations it precedes the CAS that made top_ equal to i, which precedes the thief's load of top_; so (B)'s
// exchange precedes the thief's load of split_. It saw more than i all the same, so it saw a later publish (A): what lies
// at i by then has been made public again on purpose, the same item or a newer one.
// The loser. A thief that loses its CAS drops the value that it read; the slot is atomic because push may have been
// writing it. An owner that sees top_ >= s has touched no slot: it tries once more for the newest item alone, and for the
// last one by CAS, so one of the two gets it. All stores to split_ are release or stronger, so a thief that reads any of
// them also sees the slots below (a relaxed store would not continue the release sequence since C++20).

template <class T, template <class> class Atom = std::atomic>
class split_deque {
public:
    static_assert(detail::deque_item<T>, "a thief copies an item before it knows whether it has won: items must be "
                                         "trivially copyable; store pointers to anything else");
    using value_type = T;

    /// Room for at least `capacity` items before the first growth. `first_index` is for tests of the wrap-around.
    explicit split_deque(std::size_t capacity = 64, std::uint64_t first_index = 0)
        : bottom_(first_index), split_(first_index), ring_(new ring(detail::ring_size(capacity), nullptr)), top_(first_index) {
        own_ = ring_.load(std::memory_order_relaxed)->view();                               // (E)
        full_at_ = first_index + own_.size();
    }
    split_deque(split_deque const&) = delete;
    split_deque& operator=(split_deque const&) = delete;
    ~split_deque() {
        for (ring* r = ring_.load(std::memory_order_relaxed); r != nullptr;) {              // (E)
            ring* const older = r->older();
            delete r;
            r = older;
        }
    }

    /// Owner: adds an item at the bottom. True: thieves can now see items that they could not see before.
    bool push(T item) {
        std::uint64_t const bottom = put(item);
        std::uint64_t const hidden = bottom - split_.load(std::memory_order_relaxed);       // (E)
        if (hidden >= most_hidden_ || (hidden >= 2 && public_part_is_gone())) return publish_up_to(bottom - 1);
        return false;
    }

    /// Owner: the same, but if no item is public the new one becomes so, too.
    [[gnu::always_inline]] bool push_public(T item) {
        std::uint64_t const bottom = put(item);
        if (public_part_is_gone()) return publish_up_to(bottom);
        if (bottom - split_.load(std::memory_order_relaxed) >= most_hidden_) return publish_up_to(bottom - 1);  // (E)
        return false;
    }

    /// Owner: makes every item public. True if there was a private one.
    bool publish() noexcept {
        std::uint64_t const bottom = bottom_.load(std::memory_order_relaxed);               // (E)
        return bottom != split_.load(std::memory_order_relaxed) && publish_up_to(bottom);   // (E)
    }

    /// Owner: the newest item, or nothing when the deque is empty or a thief was faster at the last one.
    [[nodiscard]] std::optional<T> pop() noexcept {
        std::uint64_t index;
        if (!pop_index(index)) return std::nullopt;
        return own_.get(index);
    }

    /// Owner: takes the item pushed at `index` (next_index() before that push) off without looking at it; false if it has
    /// been stolen. For owners that remember what they pushed: requires that whatever was pushed later has been popped,
    /// dropped or stolen.
    [[nodiscard, gnu::always_inline]] bool drop(std::uint64_t index) noexcept {
        std::uint64_t const split = split_.load(std::memory_order_relaxed);                 // (E)
        if (detail::index_distance(split, index) > 0)  // public, or was
            return bottom_.load(std::memory_order_relaxed) == index + 1 && take_back(index, index + 1);  // (E)
        leave_private(index, split);
        return true;
    }

    /// Any thread: one attempt at the oldest item.
    [[nodiscard]] steal_result<T> steal() noexcept {
        return steal_if([](std::uint64_t) { return true; });
    }

    /// Any thread: one attempt at the oldest item, made only if allowed(its index); otherwise the answer is empty.
    /// An index names one push for as long as the item is inside. What allowed() reads is read after the item was seen
    /// to be public; if the item has left the deque since, the attempt is lost.
    template <class Predicate>
    [[nodiscard]] steal_result<T> steal_if(Predicate allowed) noexcept {
        std::uint64_t       top = top_.load(std::memory_order_seq_cst);                     // (C)
        std::uint64_t const split = split_.load(std::memory_order_seq_cst);                 // (C)
        if (detail::index_distance(split, top) <= 0 || !allowed(top)) return {steal_status::empty, T{}};
        T const item = ring_.load(std::memory_order_acquire)->get(top);                     // (D)
        if (!top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst, std::memory_order_relaxed))  // (C)
            return {steal_status::lost, T{}};
        return {steal_status::success, item};
    }

    /// Owner: the index that the next push will have.
    [[nodiscard]] std::uint64_t next_index() const noexcept { return bottom_.load(std::memory_order_relaxed); }  // (E)

    /// Any thread: whether a thief would find something, as far as can be seen.
    [[nodiscard]] bool public_empty_approx() const noexcept {
        std::uint64_t const split = split_.load(std::memory_order_relaxed);                 // (H)
        return detail::index_distance(split, top_.load(std::memory_order_relaxed)) <= 0;    // (H)
    }

    /// Owner: makes room for `items` in all, so that pushes up to there cannot throw.
    void reserve(std::size_t items) {
        ring* const r = ring_.load(std::memory_order_relaxed);                              // (E)
        if (items > r->size()) grow(r, items);
    }

    /// Any thread: a count that others are changing.
    [[nodiscard]] std::size_t size_approx() const noexcept {
        std::uint64_t const bottom = bottom_.load(std::memory_order_relaxed);               // (H)
        std::int64_t const  n = detail::index_distance(bottom, top_.load(std::memory_order_relaxed));  // (H)
        return n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    [[nodiscard]] bool empty_approx() const noexcept { return size_approx() == 0; }

    /// Owner: how many items fit before the next growth.
    [[nodiscard]] std::size_t capacity() const noexcept { return own_.size(); }

private:
    using ring = detail::ring<T, Atom>;

    std::uint64_t put(T item) {
        std::uint64_t const bottom = bottom_.load(std::memory_order_relaxed);               // (E)
        if (detail::index_distance(bottom, full_at_) >= 0) make_room(bottom);
        own_.put(bottom, item);
        bottom_.store(bottom + 1, std::memory_order_relaxed);                               // (E)
        return bottom + 1;
    }

    [[nodiscard]] bool public_part_is_gone() const noexcept {
        return top_.load(std::memory_order_relaxed) == split_.load(std::memory_order_relaxed);  // (H)
    }

    /// While the owner only pushes, each push publishes all but the newest item: a plain store on most machines.
    bool publish_up_to(std::uint64_t split) noexcept {
        if (most_hidden_ != 2) most_hidden_ = 2;
        split_.store(split, std::memory_order_release);                                     // (A)
        return true;
    }

    bool pop_index(std::uint64_t& index) noexcept {
        std::uint64_t const bottom = bottom_.load(std::memory_order_relaxed);               // (E)
        std::uint64_t const split = split_.load(std::memory_order_relaxed);                 // (E)
        if (bottom == split) return take_back(index, bottom);
        index = bottom - 1;
        leave_private(index, split);
        return true;
    }

    /// The private item at `index` goes.
    void leave_private(std::uint64_t index, std::uint64_t split) noexcept {
        bottom_.store(index, std::memory_order_relaxed);                                    // (E)
        if (index - split >= 2 && public_part_is_gone()) publish_up_to(split + (index - split) / 2);
    }

    /// The private part is empty: retracts half of the public one, at least an item.
    [[gnu::noinline]] bool take_back(std::uint64_t& index, std::uint64_t const bottom) noexcept {
        std::int64_t const inside = detail::index_distance(bottom, top_.load(std::memory_order_relaxed));  // (H)
        if (inside <= 0) {  // final: only the owner adds items, and an old top_ is too small, not too large
            most_hidden_ = 2;
            return false;
        }
        index = bottom - 1;
        for (std::uint64_t split = bottom - (static_cast<std::uint64_t>(inside) + 1) / 2;; split = index) {
            (void)split_.exchange(split, std::memory_order_seq_cst);                        // (B) retract ...
            std::uint64_t      top = top_.load(std::memory_order_seq_cst);                  // (B) ... then look for thieves
            std::int64_t const left = detail::index_distance(split, top);
            if (left > 0) {
                most_hidden_ = 2 + 2 * static_cast<std::uint64_t>(left);
                bottom_.store(index, std::memory_order_relaxed);                            // (E)
                return true;
            }
            if (split != index) continue;  // thieves came half-way: once more, for the newest item alone
            bool const won = left == 0 && top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst,
                                                                       std::memory_order_relaxed);  // (C)
            split_.store(bottom, std::memory_order_release);                                // (A)
            most_hidden_ = 2;
            return won;
        }
    }

    [[gnu::noinline, gnu::cold]] void make_room(std::uint64_t bottom) {
        ring* const         r = ring_.load(std::memory_order_relaxed);                      // (E)
        std::uint64_t const top = top_.load(std::memory_order_acquire);                     // (G)
        if (bottom - top < r->size())
            full_at_ = top + r->size();
        else
            grow(r, r->size() + 1);
    }

    void grow(ring* old, std::size_t items) {
        std::uint64_t const bottom = bottom_.load(std::memory_order_relaxed);               // (E)
        std::uint64_t const top = top_.load(std::memory_order_acquire);                     // (G)
        ring* const         bigger = new ring(detail::ring_size(items), old);  // may throw; nothing has changed yet
        for (std::uint64_t i = top; i != bottom; ++i) bigger->put(i, old->get(i));
        ring_.store(bigger, std::memory_order_release);                                     // (D)
        own_ = bigger->view();
        full_at_ = top + bigger->size();
    }

    // The owner's line.
    alignas(cache_line_size) Atom<std::uint64_t> bottom_;
    std::uint64_t most_hidden_ = 2;  // so many private items are too many
    std::uint64_t full_at_ = 0;
    detail::ring_view<T, Atom> own_;  // the current ring's
    // Written by the owner when the border moves or the ring grows, read by thieves.
    alignas(cache_line_size) Atom<std::uint64_t> split_;
    Atom<ring*> ring_;
    // Written by thieves.
    alignas(cache_line_size) Atom<std::uint64_t> top_;
};

}  // namespace sluice
