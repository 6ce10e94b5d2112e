// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::point_table — the points of a ring in order, found in one cache line.
///
/// Thread-safety  a value: any number of readers, or one writer
/// Complexity     find: one line, expected, for points that are spread. insert, remove: one line and that of the point before.
///                All linear in the number of points that share a bucket
/// Errors         the constructor, reserve, deposit and append may throw std::bad_alloc; the rest is noexcept
///
/// The range of points is cut into 2^bits equal buckets, one line of 64 bytes for each: 16 more bits of its points in order,
/// their owners, and behind those, as the owner of every free place, the owner of the first point of the next bucket that has
/// one. So the owner of a key is owner[number of places below the key's], with no branch for an empty bucket or for a key
/// behind the last point. A bucket with more points goes on in spilled lines, all of them full but the last.
///
/// The table does not hold whole points. Where the bits it has are equal (one look-up in some thousands) it asks an Order
/// how many of the points with these bits come first: order.preceding(owner, low) of this owner, order.preceding_all(low) of all
/// owners; `low` is how many bits it does not have.

#include <sluice/core/assert.hpp>
#include <sluice/core/detail/prefetch.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sluice::detail {

template <class Owner>
class point_table {
    static_assert(std::is_same_v<Owner, std::uint16_t> || std::is_same_v<Owner, std::uint32_t>);

public:
    static constexpr std::uint32_t max_owner = sizeof(Owner) == 2 ? 0xFFFFu : 0xFFFF'FFFFu;
    static constexpr unsigned      capacity = sizeof(Owner) == 2 ? 14 : 9;  ///< points in one line
    /// Points for each bucket, at most: when the table is made; when it should be made anew.
    static constexpr std::uint64_t usual_load = sizeof(Owner) == 2 ? 10 : 6;
    static constexpr std::uint64_t most_load = sizeof(Owner) == 2 ? 13 : 8;

    point_table() : point_table(std::uint64_t{0}) {}
    explicit point_table(std::uint64_t points) {
        unsigned bits = 2;
        while (points > usual_load << bits) ++bits;
        shift_ = 64 - bits;
        lines_.resize(std::size_t{1} << bits);
    }

    [[nodiscard]] bool is_small_for(std::uint64_t points) const noexcept { return points > most_load * lines_.size(); }
    [[nodiscard]] bool is_large_for(std::uint64_t points) const noexcept {
        return lines_.size() > 16 && points * 5 < usual_load * 2 * lines_.size();
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return (lines_.capacity() + spilled_.capacity()) * sizeof(line); }

    /// The owner of the first point that does not come before the key. Requires a point.
    template <class Order>
    [[nodiscard]] Owner find(std::uint64_t key, Order const& order) const noexcept {
        line const&        l = lines_[bucket_of(key)];
        std::int16_t const place = place_of(key);
        unsigned const     n = l.below(place);
        if (l.place[n] == place || n == capacity) [[unlikely]] return find_elsewhere(key, order);
        return l.owner[n];
    }

    /// found(i, owner) for keys[0], keys[1], …: as find, with the lines of the next keys on their way meanwhile.
    template <class Key, class OrderOf, class Found>
    void find_each(Key const* keys, std::size_t count, OrderOf order_of, Found found) const noexcept {
        constexpr std::size_t ahead = 8;
        std::size_t           i = 0;
        for (; i + ahead < count; ++i) {
            prefetch(&lines_[bucket_of(keys[i + ahead].value)]);
            found(i, find(keys[i].value, order_of(keys[i].value)));
        }
        for (; i < count; ++i) found(i, find(keys[i].value, order_of(keys[i].value)));
    }

    /// visit(owner) for each point, once around from the first one that does not come before the key, until it is false.
    template <class Order, class Visit>
    bool walk(std::uint64_t key, Order const& order, Visit& visit) const {
        position const from = lower_bound(key, order);
        if (!visit_bucket(from.bucket, from.index, ~std::size_t{0}, visit)) return false;
        for (std::size_t b = from.bucket + 1; b < lines_.size(); ++b)
            if (!visit_bucket(b, 0, ~std::size_t{0}, visit)) return false;
        for (std::size_t b = 0; b < from.bucket; ++b)
            if (!visit_bucket(b, 0, ~std::size_t{0}, visit)) return false;
        return visit_bucket(from.bucket, 0, from.index, visit);
    }

    // Many points at once: deposit() each, arrange(), append() what was left over, settle the ties with each_of() and
    // assign(), refill_all().

    /// False if there is no place for it now.
    [[nodiscard]] bool deposit(std::uint64_t point, std::uint32_t owner) noexcept {
        line&          l = lines_[bucket_of(point)];
        unsigned const n = l.used();
        if (n == capacity) return false;
        l.place[n] = place_of(point);
        l.owner[n] = static_cast<Owner>(owner);
        l.set_used(n + 1);
        return true;
    }
    /// Puts each line in order. tie(point): there are several points with the bits of this one.
    template <class Tie>
    void arrange(Tie tie) {
        for (std::size_t b = 0; b < lines_.size(); ++b) lines_[b].arrange([&](std::int16_t place) { tie(point_at(b, place)); });
    }
    /// True if there are others with its bits: a tie.
    [[nodiscard]] bool append(std::uint64_t point, std::uint32_t owner) {
        reserve(1);
        std::int16_t const place = place_of(point);
        position           at{bucket_of(point), 0};
        bool const         tie = first_not_below(at, place).holds(place);
        insert_at(at, place, static_cast<Owner>(owner));
        return tie;
    }
    /// visit(owner) for the points with the bits of this one.
    template <class Visit>
    void each_of(std::uint64_t point, Visit visit) const {
        position at{bucket_of(point), 0};
        for (cursor c = first_not_below(at, place_of(point)); c.holds(place_of(point)); advance(c)) visit(c.owner());
    }
    /// Gives them the owners owner(0), owner(1), …
    template <class OwnerOf>
    void assign(std::uint64_t point, OwnerOf owner) noexcept {
        position    at{bucket_of(point), 0};
        std::size_t n = 0;
        for (cursor c = first_not_below(at, place_of(point)); c.holds(place_of(point)); advance(c))
            const_cast<line*>(c.at)->owner[c.slot] = static_cast<Owner>(owner(n++));
    }
    /// Brings all free places up to date.
    void refill_all() noexcept {
        Owner next = 0;
        for (std::size_t b = 0; b < lines_.size() && (next = lines_[b].owner[0], lines_[b].used() == 0); ++b) {}
        for (std::size_t b = lines_.size(); b-- > 0;) {
            last_of(b).fill(next);
            next = lines_[b].owner[0];
        }
    }
    /// The number of bits that the table does not have.
    [[nodiscard]] unsigned low() const noexcept { return shift_ - 16; }

    // One point at a time.

    /// So that `points` more can be inserted without memory.
    void reserve(std::size_t points) {
        std::size_t const spare = spilled_.capacity() - spilled_.size();
        if (spare < points) spilled_.reserve(spilled_.size() + (points > spilled_.size() / 2 ? points : spilled_.size() / 2));
    }
    /// Requires memory for it (reserve).
    template <class Order>
    void insert(std::uint64_t point, std::uint32_t owner, Order const& order) noexcept {
        auto const at = lower_bound(point, order);
        insert_at(at, place_of(point), static_cast<Owner>(owner));
        if (at.index == 0) refill_before(at.bucket);
    }
    /// Removes the owner's point with these bits; if it has several, which(): the how-many-th of them, counted from 0.
    /// Requires that it is there.
    template <class Which>
    void remove(std::uint64_t point, std::uint32_t owner, Which const& which) noexcept {
        std::int16_t const place = place_of(point);
        position           at{bucket_of(point), 0};
        cursor             c = first_not_below(at, place);
        std::size_t        same = 0;
        for (cursor i = c; i.holds(place); advance(i)) same += i.owner() == owner ? 1u : 0u;
        SLUICE_ASSERT(same > 0);
        for (std::size_t left = same > 1 ? which() : 0;; advance(c), ++at.index)
            if (c.owner() == owner && left-- == 0) break;
        remove_at(at);
        if (at.index == 0) refill_before(at.bucket);
    }

private:
    static constexpr unsigned     lanes = sizeof(Owner) == 2 ? 16 : 10;
    static constexpr std::int16_t unused = INT16_MAX;
    static constexpr std::size_t  none = ~std::size_t{0};

    /// info: how many places are taken (4 bits), whether another line follows (1 bit); the rest, and then owner[capacity], is
    /// that line's number.
    struct alignas(64) line {
        std::int16_t place[lanes];  // bits less 2^15: comparisons of signed numbers are what every processor has
        Owner        owner[capacity + 1];
        Owner        info;

        line() noexcept : owner{}, info(0) {
            for (auto& p : place) p = unused;
        }
        [[nodiscard]] unsigned used() const noexcept { return info & 15u; }
        [[nodiscard]] bool     chained() const noexcept { return (info & 16u) != 0; }
        void set_used(unsigned n) noexcept { info = static_cast<Owner>((info & ~15u) | n); }
        void fill(Owner next) noexcept {
            for (unsigned i = used(); i <= capacity; ++i) owner[i] = next;
        }
        [[nodiscard]] std::size_t follower() const noexcept {
            if constexpr (sizeof(Owner) == 2) return (std::size_t{info} >> 5 << 16) | owner[capacity];
            else return owner[capacity];
        }
        void follow(std::size_t number) noexcept {
            owner[capacity] = static_cast<Owner>(number);
            info = static_cast<Owner>(used() | 16u | (sizeof(Owner) == 2 ? (number >> 16) << 5 : 0));
        }
        void unfollow(Owner next) noexcept {
            info = static_cast<Owner>(used());
            owner[capacity] = next;
        }
        /// How many places are below; requires that they are in order.
        [[nodiscard]] unsigned below(std::int16_t key) const noexcept {
#if defined(__SSE2__)
            if constexpr (lanes == 16) return static_cast<unsigned>(std::countr_zero(~mask_below(key) | 1u << capacity));
#endif
            return count_below(key);
        }
        /// The same in any order.
        [[nodiscard]] unsigned count_below(std::int16_t key) const noexcept {
#if defined(__SSE2__)
            if constexpr (lanes == 16) {
                __m128i const sums = _mm_sad_epu8(_mm_sub_epi8(_mm_setzero_si128(), bytes_below(key)), _mm_setzero_si128());
                return static_cast<unsigned>(_mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4));
            }
#endif
            int n = 0;
            for (unsigned i = 0; i < lanes; ++i) n += place[i] < key ? 1 : 0;
            return static_cast<unsigned>(n);
        }
#if defined(__SSE2__)
        // By hand: for a loop that counts in 16 bits gcc 12 makes code at -O3 that counts backwards.
        [[nodiscard]] __m128i bytes_below(std::int16_t key) const noexcept {  // -1 or 0 for each place
            auto const* const vectors = reinterpret_cast<__m128i const*>(place);
            __m128i const     k = _mm_set1_epi16(key);
            __m128i const     low = _mm_cmpgt_epi16(k, _mm_load_si128(vectors));
            __m128i const     high = _mm_cmpgt_epi16(k, _mm_load_si128(vectors + 1));
            return _mm_packs_epi16(low, high);
        }
        [[nodiscard]] std::uint32_t mask_below(std::int16_t key) const noexcept {
            return static_cast<std::uint32_t>(_mm_movemask_epi8(bytes_below(key)));
        }
#endif
        /// The last one falls out.
        void put(unsigned slot, std::int16_t p, Owner o) noexcept {
            for (unsigned i = capacity - 1; i > slot; --i) {
                place[i] = place[i - 1];
                owner[i] = owner[i - 1];
            }
            place[slot] = p;
            owner[slot] = o;
        }
        template <class Tie>
        void arrange(Tie tie) {
            line const old = *this;
            unsigned   taken = 0;
            for (unsigned i = 0, n = used(); i < n; ++i) {
                unsigned to = old.count_below(old.place[i]);
                if ((taken >> to & 1u) != 0) {
                    tie(old.place[i]);
                    while ((taken >> to & 1u) != 0) ++to;
                }
                taken |= 1u << to;
                place[to] = old.place[i];
                owner[to] = old.owner[i];
            }
        }
    };
    static_assert(sizeof(line) == 64);

    struct position {
        std::size_t bucket;
        std::size_t index;  // within the bucket; its size stands for the next bucket's first
    };
    struct cursor {
        line const* at;
        unsigned    slot;

        [[nodiscard]] bool  holds(std::int16_t p) const noexcept { return at && slot < at->used() && at->place[slot] == p; }
        [[nodiscard]] Owner owner() const noexcept { return at->owner[slot]; }
    };

    /// Of find what is rare; apart, so that a loop over keys keeps its values in registers.
    template <class Order>
    [[nodiscard]] [[gnu::noinline]] Owner find_elsewhere(std::uint64_t key, Order const order) const noexcept {
        return owner_at(lower_bound(key, order));
    }

    [[nodiscard]] std::size_t bucket_of(std::uint64_t point) const noexcept { return static_cast<std::size_t>(point >> shift_); }
    [[nodiscard]] std::int16_t place_of(std::uint64_t point) const noexcept {
        return static_cast<std::int16_t>(static_cast<std::uint16_t>(point >> (shift_ - 16)) ^ 0x8000u);
    }
    [[nodiscard]] std::uint64_t point_at(std::size_t bucket, std::int16_t place) const noexcept {
        return std::uint64_t{bucket} << shift_ | std::uint64_t{static_cast<std::uint16_t>(place) ^ 0x8000u} << (shift_ - 16);
    }

    [[nodiscard]] line const* next(line const& l) const noexcept { return l.chained() ? &spilled_[l.follower()] : nullptr; }
    [[nodiscard]] line*       next(line const& l) noexcept { return l.chained() ? &spilled_[l.follower()] : nullptr; }
    [[nodiscard]] line&       last_of(std::size_t bucket) noexcept {
        line* l = &lines_[bucket];
        while (l->chained()) l = next(*l);
        return *l;
    }
    void advance(cursor& c) const noexcept {
        if (++c.slot == capacity) c = {next(*c.at), 0};
    }

    /// The first place in the bucket that is not below; at.index: where that is.
    [[nodiscard]] cursor first_not_below(position& at, std::int16_t place) const noexcept {
        line const* l = &lines_[at.bucket];
        unsigned    n = l->below(place);
        for (; n == capacity && l->chained(); n = l->below(place)) {
            at.index += capacity;
            l = next(*l);
        }
        at.index += n;
        return n == capacity ? cursor{nullptr, 0} : cursor{l, n};
    }
    template <class Order>
    [[nodiscard]] position lower_bound(std::uint64_t key, Order const& order) const noexcept {
        std::int16_t const place = place_of(key);
        position           at{bucket_of(key), 0};
        cursor const       c = first_not_below(at, place);
        if (c.holds(place)) [[unlikely]] at.index += rank(c, place, order);
        return at;
    }
    /// How many of the points with the same bits come first.
    template <class Order>
    [[nodiscard]] std::size_t rank(cursor const run, std::int16_t place, Order const& order) const noexcept {
        std::size_t length = 0, before = 0;
        for (cursor c = run; c.holds(place); advance(c)) ++length;
        if (length > 64) return order.preceding_all(low());
        for (cursor c = run; c.holds(place); advance(c)) {
            bool counted = false;
            for (cursor d = run; d.at != c.at || d.slot != c.slot; advance(d)) counted = counted || d.owner() == c.owner();
            if (!counted) before += order.preceding(c.owner(), low());
        }
        return before;
    }

    [[nodiscard]] Owner owner_at(position at) const noexcept {
        line const* l = &lines_[at.bucket];
        for (; l->chained() && at.index >= capacity; at.index -= capacity) l = next(*l);
        return l->owner[at.index];
    }
    template <class Visit>
    bool visit_bucket(std::size_t bucket, std::size_t from, std::size_t to, Visit& visit) const {
        std::size_t index = 0;
        for (line const* l = &lines_[bucket]; l != nullptr; l = next(*l))
            for (unsigned i = 0; i < l->used(); ++i, ++index)
                if (index >= from && index < to && !visit(l->owner[i])) return false;
        return true;
    }

    /// A new last line behind a full one. Requires memory for it.
    line* spill_behind(line& l) noexcept {
        Owner const fill = l.owner[capacity];
        std::size_t number = free_;
        if (number != none) {
            free_ = spilled_[number].chained() ? spilled_[number].follower() : none;
        } else {
            number = spilled_.size();
            spilled_.emplace_back();
        }
        spilled_[number] = line();
        spilled_[number].fill(fill);
        l.follow(number);
        return &spilled_[number];
    }

    void insert_at(position at, std::int16_t place, Owner owner) noexcept {
        line* l = &lines_[at.bucket];
        for (; at.index >= capacity && l->chained(); at.index -= capacity) l = next(*l);
        auto slot = static_cast<unsigned>(at.index);
        while (l->used() == capacity) {  // its last one moves on to the next line
            if (slot < capacity) {
                std::int16_t const last_place = l->place[capacity - 1];
                Owner const        last_owner = l->owner[capacity - 1];
                l->put(slot, place, owner);
                place = last_place;
                owner = last_owner;
            }
            slot = 0;
            l = l->chained() ? next(*l) : spill_behind(*l);
        }
        l->put(slot, place, owner);
        l->set_used(l->used() + 1);
    }

    void remove_at(position at) noexcept {
        line* previous = nullptr;
        line* l = &lines_[at.bucket];
        for (; at.index >= capacity; at.index -= capacity) {
            previous = l;
            l = next(*l);
        }
        for (auto slot = static_cast<unsigned>(at.index);; slot = 0) {
            for (unsigned i = slot; i + 1 < capacity; ++i) {
                l->place[i] = l->place[i + 1];
                l->owner[i] = l->owner[i + 1];
            }
            line* const behind = next(*l);
            if (behind == nullptr) break;
            l->place[capacity - 1] = behind->place[0];
            l->owner[capacity - 1] = behind->owner[0];
            previous = l;
            l = behind;
        }
        l->place[capacity - 1] = unused;
        l->owner[capacity - 1] = l->owner[capacity];
        l->set_used(l->used() - 1);
        if (l->used() == 0 && previous != nullptr) {
            std::size_t const number = previous->follower();
            previous->unfollow(l->owner[capacity]);
            if (free_ != none) l->follow(free_);
            free_ = number;
        }
    }

    /// After a change of this bucket's first point: the buckets before it, back to one that is not empty.
    void refill_before(std::size_t bucket) noexcept {
        Owner const       first = lines_[bucket].owner[0];
        std::size_t const size = lines_.size();
        for (std::size_t n = 0, b = bucket; n < size; ++n) {
            b = b == 0 ? size - 1 : b - 1;
            last_of(b).fill(first);
            if (lines_[b].used() > 0) return;
        }
    }

    unsigned          shift_;
    std::vector<line> lines_;
    std::vector<line> spilled_;
    std::size_t       free_ = none;  // of spilled lines, linked by follow()
};

}  // namespace sluice::detail
