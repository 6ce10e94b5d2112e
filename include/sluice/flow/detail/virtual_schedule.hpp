// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// virtual_schedule — a token bucket in its zero-time form: one word says since when the balance would have been zero.
///
/// Use it for     token_bucket, gcra, leaky_bucket: one engine, three vocabularies
/// Thread-safety  every member: any thread. Destruction: after everyone has left
/// Progress       takes, reservations and looks are lock-free; a refusal only reads. A mutex is taken to undo, to change
///                the configuration, once in each range() of time (9 minutes at least, 2 years for one event in whole
///                nanoseconds), and by those who would be refused or served later while a place that was given back
///                waits for a taker and is large enough
/// Complexity     O(1), no allocation; at most 16 places given back are remembered
/// Errors         none here; impossible numbers are refused by scaled_time
/// Units          positions and ticks as in scaled_time
/// Source         the zero-time form: folly TokenBucket, Envoy; virtual scheduling: ITU-T I.371, annex A
///
/// Why no window admits more than burst + rate · W. Time is a line of ticks, V(t) = t · scale. Each take of n tokens that
/// acts at time t owns an interval of n · weight ticks, [x, y), with V(t) - full <= x and y <= V(t). Intervals of takes
/// that count are disjoint. Those that act within [s, e] therefore lie within [V(s) - full, V(e)): no more fits. The word
/// holds `zero`, the end of the highest interval; a take owns [max(zero, V(t) - full), … + n · weight). (For a time that
/// is promised, t is an exact fraction of a nanosecond; `at` is that rounded up, so that windows of promised times hold
/// what belongs to W + 1 ns. Rounding each promise itself would add up, to a sixth of the rate at 3 · 10^8 per second.)
///
/// So what an undone take owned is free, and nothing more is, whoever took before and after it, and whenever. If it is the
/// highest interval, zero goes back to what it was before, and on over intervals below that had been given back already.
/// Otherwise it is kept as a place, and one who would be refused, or served later, has it if his cost fits in and it lies
/// within his [V(t) - full, V(t)). What is lost: the part of a place that has become older than `full`, a place that
/// nobody's cost fits in, and the oldest places beyond 16. An undo asks for no time, so no time given to it can be wrong.

#include <sluice/core/cacheline.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/flow/detail/scaled_time.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace sluice {

/// What a limiter carries over into a new configuration.
enum class inherit : std::uint8_t {
    as_is,           ///< the tokens it has, at most the new burst
    proportionally,  ///< the same share of the burst
    additive,        ///< the tokens it has, and what the burst grew by
    reset            ///< nothing: as newly constructed
};

namespace detail {

// Ordering
//   (A) state   the word: publish CAS release -> load acquire. A thread that sees a word sees the slot which its lowest bit
//               names as it was when the word was moved there: a slot is filled only while the word names the other one
//   (B) slot    numbers of a slot: store release, load acquire. A slow reader's slot may be refilled under it. With the
//               first new number it then also sees that the word has moved on since; its CAS fails, and one who is
//               refused looks at the word again (C)
//   (C) again   the word: load relaxed, it comes after (B)
//   (D) places  whether any wait: relaxed, the places themselves are under the mutex. One who reads an old number is served
//               as if he had come a moment earlier
//   (E) take    the word: CAS relaxed. The word alone says what is taken, and a read-modify-write goes on releasing what
//               the publisher (A) released
// A word that comes back to an earlier value is harmless: an interval belongs to whoever moved the word over it, and only
// its owner moves the word back. Across a change of configuration the version in the lowest four bits differs. It repeats
// after eight changes. A thread that is held up between load and CAS through so many, while zero comes back to the very tick
// where it was, has one request judged and paid for by old numbers; if by those the bucket was full and the ticks of a
// nanosecond are others now, zero may land anywhere: others may be refused, or find a full bucket, once.

/// PaidByNext: who comes acts at V(x) instead of V(y), and the next one waits for what he took (leaky_bucket).
template <template <class> class Atom, bool PaidByNext = false>
class virtual_schedule {
    using word = std::uint64_t;
    static constexpr word         version = scaled_time::step - 1;
    static constexpr std::int64_t far = std::int64_t{1} << 62;

public:
    /// `initial` ticks saved at `start`, or at the first time that is asked for if that is earlier.
    virtual_schedule(scaled_time const& numbers, std::uint64_t initial, time_point start) noexcept
        : start_(start), initial_(initial) {
        fill(slots_[0], numbers, time_point{}, 0, false);
    }
    virtual_schedule(virtual_schedule const&) = delete;
    virtual_schedule& operator=(virtual_schedule const&) = delete;

    /// The whole cost at once or nothing. Inlined, so that what the caller does not read is not computed, and short: whatever
    /// is not plain goes the long way. What a CAS writes waits for nothing but the word it was computed from.
    [[nodiscard, gnu::always_inline]] verdict take(std::uint64_t cost, time_point now) noexcept {
        word const  seen = word_.load(std::memory_order_acquire);                  // (A)
        slot const& s = slots_[0];
        auto const  t = static_cast<word>(now.time_since_epoch().count());
        if ((seen & 1) != 0 || t - get(s.first) >= get(s.span)) return take_slowly(cost, now, nullptr);
        if (cost != 1 && cost - 1 >= get(s.burst)) return take_slowly(cost, now, nullptr);  // also 0
        word const weight = get(s.weight), scale = get(s.scale), need = cost * weight, position = t * scale;
        auto const balance = static_cast<std::int64_t>(position - (seen & ~version));
        if (balance < due(need)) {
            word const missing = static_cast<word>(due(need) - balance);
            auto const wait = divide(missing + scale - 1, scale, get(s.per_scale));
            auto const left = cost == 1 ? 0 : tokens(balance, weight, get(s.per_weight));
            if (word_.load(std::memory_order_relaxed) != seen) return take_slowly(cost, now, nullptr);  // (C)
            return verdict::later(duration(static_cast<std::int64_t>(wait)), left);
        }
        auto const full = static_cast<std::int64_t>(get(s.full));
        word const from = balance <= full ? seen : (position - static_cast<word>(full)) | (seen & version);
        if (!move(seen, from + need)) return take_slowly(cost, now, nullptr);
        return verdict::admit(tokens(std::min(balance, full) - static_cast<std::int64_t>(need), weight, get(s.per_weight)));
    }

    /// The same, with a receipt.
    [[nodiscard]] verdict take(std::uint64_t cost, time_point now, receipt& note) noexcept {
        note = {};
        return take_slowly(cost, now, &note);
    }

    /// As much of the cost as there is.
    [[nodiscard]] std::uint64_t take_up_to(std::uint64_t cost, time_point now) noexcept {
        for (;;) {
            auto const s = look(now);
            auto const n = std::min(cost, s.left());
            if (n == 0) return 0;
            if (move(s.seen, s.zero() + n * s.numbers.weight)) return n;
        }
    }

    [[nodiscard]] verdict peek(std::uint64_t cost, time_point now) const noexcept {
        auto const s = resolve(read(), now);
        if (cost == 0) return verdict::admit(s.left());
        if (cost > s.numbers.burst) return verdict::refuse(s.left());
        auto const need = cost * s.numbers.weight;
        auto       missing = due(need) - s.balance;
        if (missing <= 0) return verdict::admit(s.left_after(need));
        if (longest_.load(std::memory_order_relaxed) >= need) {                    // (D)
            std::lock_guard const lock(mutex_);
            auto const            p = best_place(resolve(read(), now), need);
            if (p.missing <= 0) return verdict::admit(s.left());
            missing = std::min(missing, p.missing);
        }
        return verdict::later(saturating_sub(s.when(missing), now), s.left());
    }

    /// Reserves the earliest time that the cost may be had, if that is at most max_wait away. `note` is written either way.
    struct promise {
        verdict_kind  kind;
        time_point    at;
        std::uint64_t left;
    };
    [[nodiscard]] promise reserve(std::uint64_t cost, time_point now, duration max_wait, receipt& note) noexcept {
        note = {};
        for (;;) {
            auto const s = look(now);
            if (cost == 0) return {verdict_kind::admitted, now, s.left()};
            if (cost > s.numbers.burst) return {verdict_kind::never, time_point::max(), s.left()};
            word const need = cost * s.numbers.weight;
            auto const missing = due(need) - s.balance;
            if (missing > 0 && longest_.load(std::memory_order_relaxed) >= need) {  // (D)
                std::lock_guard const lock(mutex_);
                if (read().seen != s.seen) continue;
                auto const p = best_place(s, need);
                if (p.missing < missing) {
                    auto const at = p.missing > 0 ? std::max(s.when(p.missing), now) : now;
                    if (saturating_sub(at, now) > max_wait) return {verdict_kind::wait, at, s.left()};
                    take_place(p, s, cost, note);
                    return {verdict_kind::admitted, at, s.left()};
                }
            }
            auto const at = missing > 0 ? std::max(s.when(missing), now) : now;
            auto const debt = static_cast<std::int64_t>(need) - s.balance;
            bool const possible = debt <= static_cast<std::int64_t>(scaled_time::most_debt) && at < time_point::max();
            if (saturating_sub(at, now) > max_wait || (missing > 0 && !possible)) return {verdict_kind::wait, at, s.left()};
            word const zero = s.zero() + need;
            if (!move(s.seen, zero)) continue;
            note = {cost, s.seen & ~version, zero, s.generation};
            return {verdict_kind::admitted, at, s.left_after(need)};
        }
    }

    /// Gives back what the receipt says was taken. Answers how much of it is free again: nothing after the configuration
    /// has changed, or the anchor; where others took after it, what could still be had at `now`, if one is given.
    std::uint64_t undo(receipt const& r, time_point const* now) noexcept {
        if (r.cost == 0) return 0;
        std::lock_guard const lock(mutex_);
        auto                  s = read();
        if (s.generation != r.generation) return 0;
        place p{r.from, r.to};
        while ((s.seen & ~version) == p.end) {
            if (!move(s.seen, p.begin)) {
                s = read();
                continue;
            }
            for (bool below = true; below;) {  // over what lies below and has been given back before
                below = false;
                for (std::size_t i = 0; i < count_; ++i) {
                    if (places_[i].end != p.begin) continue;
                    if (!move(p.begin | (s.seen & version), places_[i].begin)) break;
                    p.begin = places_[i].begin;
                    erase(i);
                    below = true;
                    break;
                }
            }
            return r.cost;
        }
        word const ticks = r.cost * s.numbers.weight;
        p.begin = p.end - ticks;  // what lies below was free before
        auto usable = ticks;
        if (now != nullptr) {
            auto const full = static_cast<std::int64_t>(s.numbers.full);
            auto const saved = resolve(s, *now).saved;
            auto const above = (s.seen & ~version) - p.end;  // what has been taken since
            auto const room = saved < full ? static_cast<word>(full - saved) : 0;
            if (room <= above) return 0;
            usable = std::min(usable, room - above);
        }
        keep(p);
        return s.numbers.tokens_in(usable);
    }

    /// Adds tokens, up to a full bucket. Earlier receipts undo nothing any more.
    void give_back(std::uint64_t n, time_point now) noexcept {
        if (n == 0) return;
        std::lock_guard const lock(mutex_);
        publish(now, [n](snapshot const& s, scaled_time const& same) {
            auto const room = same.full - static_cast<word>(s.balance);  // >= 0, also in debt
            return s.balance + static_cast<std::int64_t>(n > room / same.weight ? room : n * same.weight);
        }, nullptr);
    }

    /// From one moment to the next: every request is judged by the old numbers or by the new ones.
    void reconfigure(scaled_time const& numbers, std::uint64_t initial, inherit how, time_point now) noexcept {
        std::lock_guard const lock(mutex_);
        publish(now, [&](snapshot const& s, scaled_time const& next) {
            auto const& last = s.numbers;
            auto const  full = static_cast<std::int64_t>(next.full);
            auto const  as_is = std::min(convert(s.balance, next.weight, last.weight), full);
            switch (how) {
                case inherit::as_is: return as_is;
                case inherit::proportionally: return std::min(convert(s.balance, next.full, last.full), full);
                case inherit::additive:
                    if (next.burst <= last.burst) return as_is;
                    return std::min(as_is + static_cast<std::int64_t>((next.burst - last.burst) * next.weight), full);
                case inherit::reset: break;
            }
            return static_cast<std::int64_t>(initial);
        }, &numbers, how == inherit::reset);
    }

    /// Whole tokens that could be had at once.
    [[nodiscard]] std::uint64_t available(time_point now) const noexcept { return resolve(read(), now).left(); }

    /// How long until the bucket is full.
    [[nodiscard]] duration reset_after(time_point now) const noexcept {
        auto const s = resolve(read(), now);
        auto const missing = static_cast<std::int64_t>(s.numbers.full) - s.balance;
        return missing <= 0 ? duration{0} : saturating_sub(s.when(missing), now);
    }

    /// Full for one token's time already: a new object would answer alike, also to callers that are so much behind.
    [[nodiscard]] bool fresh(time_point now) const noexcept {
        auto const s = resolve(read(), now);
        return s.saved > 0 && static_cast<word>(s.saved) >= s.numbers.full + s.numbers.weight;
    }

    [[nodiscard]] scaled_time numbers() const noexcept { return read().numbers; }

    /// The receipt for what is left of a take of which `spent` have been used.
    [[nodiscard]] receipt unspent(receipt const& r, std::uint64_t spent) const noexcept {
        auto const s = read();
        if (spent >= r.cost || s.generation != r.generation) return {};
        return {r.cost - spent, spent == 0 ? r.from : r.to - (r.cost - spent) * s.numbers.weight, r.to, r.generation};
    }

private:
    struct alignas(cache_line_size) slot {
        Atom<word> first{0};       ///< the earliest usable time …
        Atom<word> span{0};        ///< … and how many follow; 0 where take() has to go the long way, or a place waits
        Atom<word> scale{0};
        Atom<word> weight{0};
        Atom<word> full{0};
        Atom<word> burst{0};
        Atom<word> per_weight{0};  ///< reciprocals
        Atom<word> per_scale{0};
        Atom<word> generation{0};
        Atom<word> anchor{0};
        Atom<word> shift{0};
        Atom<word> anchored{0};
    };

    /// The state as one reader saw it.
    struct snapshot {
        scaled_time   numbers;
        word          seen = 0;
        word          generation = 0;
        time_point    anchor{};
        bool          anchored = false;
        bool          beyond = false;     ///< the time asked for is later than the anchor allows
        bool          behind = false;     ///< … or earlier: nothing may be had at once
        time_point    time{};             ///< the time asked for, or the earliest possible
        word          position = 0;       ///< of that time
        std::int64_t  saved = 0;          ///< ticks since zero
        std::int64_t  balance = 0;        ///< the same, at most a full bucket

        [[nodiscard]] word zero() const noexcept { return position - static_cast<word>(balance); }
        [[nodiscard]] std::uint64_t left() const noexcept {
            return balance <= 0 ? 0 : numbers.tokens_in(static_cast<word>(balance));
        }
        [[nodiscard]] std::uint64_t left_after(word need) const noexcept {
            auto const rest = balance - static_cast<std::int64_t>(need);
            return rest <= 0 ? 0 : numbers.tokens_in(static_cast<word>(rest));
        }
        [[nodiscard]] time_point when(std::int64_t missing) const noexcept {
            return numbers.time_after(time, static_cast<word>(missing));
        }
    };
    struct place {
        word begin;
        word end;
    };
    struct choice {
        std::size_t  index;
        word         begin;
        std::int64_t missing;  ///< ticks from now until it may be had
    };

    /// The balance at which a cost may be had.
    [[nodiscard]] static std::int64_t due(word need) noexcept { return PaidByNext ? 0 : static_cast<std::int64_t>(need); }

    [[nodiscard]] static std::uint64_t tokens(std::int64_t ticks, word weight, word per_weight) noexcept {
        return ticks <= 0 ? 0 : divide(static_cast<word>(ticks), weight, per_weight);
    }

    [[nodiscard]] static word get(Atom<word> const& number) noexcept {
        return number.load(std::memory_order_acquire);                             // (B)
    }
    static void set(Atom<word>& number, word value) noexcept {
        number.store(value, std::memory_order_release);                            // (B)
    }

    [[nodiscard]] bool move(word seen, word zero) noexcept {
        return word_.compare_exchange_strong(seen, zero | (seen & version), std::memory_order_relaxed,  // (E)
                                             std::memory_order_relaxed);                          // (E)
    }

    static word fill(slot& s, scaled_time const& n, time_point anchor, word generation, bool anchored) noexcept {
        auto const range = n.range();
        auto const first = saturating_add(anchor, -range).time_since_epoch().count();
        auto const last = saturating_add(anchor, range).time_since_epoch().count();
        bool const simple = anchored && n.shift == 0;
        word const span = simple ? static_cast<word>(last) - static_cast<word>(first) : 0;
        set(s.first, static_cast<word>(first));
        set(s.span, span);
        set(s.scale, n.scale);
        set(s.weight, n.weight);
        set(s.full, n.full);
        set(s.burst, n.burst);
        set(s.per_weight, reciprocal(n.weight));
        set(s.per_scale, reciprocal(n.scale));
        set(s.generation, generation);
        set(s.anchor, static_cast<word>(anchor.time_since_epoch().count()));
        set(s.shift, n.shift);
        set(s.anchored, anchored ? 1 : 0);
        return span;
    }

    [[nodiscard]] snapshot read() const noexcept {
        for (;;) {
            snapshot r;
            r.seen = word_.load(std::memory_order_acquire);                        // (A)
            slot const& s = slots_[static_cast<std::size_t>(r.seen & 1)];
            r.numbers.scale = get(s.scale);
            r.numbers.weight = get(s.weight);
            r.numbers.full = get(s.full);
            r.numbers.burst = get(s.burst);
            r.numbers.shift = get(s.shift);
            r.generation = get(s.generation);
            r.anchor = time_point(duration(static_cast<std::int64_t>(get(s.anchor))));
            r.anchored = get(s.anchored) != 0;
            if (word_.load(std::memory_order_relaxed) == r.seen) return r;         // (C)
        }
    }

    /// The balance at a time, however far that is from the anchor.
    [[nodiscard]] snapshot resolve(snapshot s, time_point now) const noexcept {
        auto const& n = s.numbers;
        auto const  range = n.range();
        s.time = now;
        if (!s.anchored) {
            auto const gone = n.ticks_between(std::min(start_, now), now, static_cast<word>(far));
            s.saved = static_cast<std::int64_t>(std::min(initial_ + gone, static_cast<word>(far + far / 2)));
            s.beyond = true;
            s.position = n.position(now);
        } else if (now > saturating_add(s.anchor, range)) {
            auto const gone = static_cast<std::int64_t>(n.ticks_between(s.anchor, now, static_cast<word>(INT64_MAX)));
            auto const then = static_cast<std::int64_t>(n.position(s.anchor) - (s.seen & ~version));
            s.saved = then > INT64_MAX - gone ? INT64_MAX : then + gone;
            s.beyond = true;
            s.position = n.position(now);
        } else {
            auto const first = saturating_add(s.anchor, -range);
            s.behind = now < first;
            s.time = std::max(now, first);
            s.position = n.position(s.time);
            s.saved = static_cast<std::int64_t>(s.position - (s.seen & ~version));
            if (s.behind) s.saved = std::min(s.saved, -static_cast<std::int64_t>(scaled_time::step));
        }
        s.balance = std::min(s.saved, static_cast<std::int64_t>(n.full));
        return s;
    }

    /// The same, after the anchor has been moved if it had to be.
    [[nodiscard]] snapshot look(time_point now) noexcept {
        for (;;) {
            auto const s = resolve(read(), now);
            if (!s.beyond) return s;
            std::lock_guard const lock(mutex_);
            if (resolve(read(), now).beyond)
                publish(now, [](snapshot const& old, scaled_time const&) { return old.balance; }, nullptr);
        }
    }

    /// Fills the second slot, moves the word to it, and then both home to the first, which is all that take() knows: each is
    /// one step for everybody else. Under the mutex. `anew`: at `now` even if that is before the anchor.
    template <class Balance>
    void publish(time_point now, Balance balance, scaled_time const* numbers, bool anew = false) noexcept {
        auto const first = read();
        auto const when = first.anchored && !anew ? std::max(now, first.anchor) : now;
        auto const next = numbers != nullptr ? *numbers : first.numbers;
        fill(slots_[1], next, when, first.generation + 1, true);
        for (;;) {
            auto const s = resolve(read(), when);
            auto const ticks = static_cast<word>(std::max(balance(s, next), -static_cast<std::int64_t>(scaled_time::most_late)));
            word       seen = s.seen;
            if (word_.compare_exchange_strong(seen, ((next.position(when) - ticks) & ~version) | ((seen + 1) & version),
                                              std::memory_order_release,           // (A)
                                              std::memory_order_relaxed)) break;   // (E)
        }
        span_ = fill(slots_[0], next, when, first.generation + 1, true);
        word seen = word_.load(std::memory_order_relaxed);                         // (E)
        while (!word_.compare_exchange_strong(seen, (seen & ~version) | ((seen + 1) & version),
                                              std::memory_order_release,           // (A)
                                              std::memory_order_relaxed)) {}       // (E)
        now_wait(0);
    }

    /// ticks · to / from, towards fewer tokens; a multiple of the step.
    [[nodiscard]] static std::int64_t convert(std::int64_t ticks, word to, word from) noexcept {
        bool const debt = ticks < 0;
        auto const size = debt ? word{0} - static_cast<word>(ticks) : static_cast<word>(ticks);
        auto const result = std::min(multiply_divide(size, to, from, debt ? round_to::ceiling : round_to::floor),
                                     static_cast<word>(far));
        return debt ? -static_cast<std::int64_t>((result + version) & ~version) : static_cast<std::int64_t>(result & ~version);
    }

    [[nodiscard, gnu::noinline]] verdict take_slowly(std::uint64_t cost, time_point now, receipt* note) noexcept {
        for (;;) {
            auto const s = look(now);
            tidy(s);
            if (cost == 0) return verdict::admit(s.left());
            if (cost > s.numbers.burst) return verdict::refuse(s.left());
            word const need = cost * s.numbers.weight;
            auto       missing = due(need) - s.balance;
            if (missing <= 0) {
                word const zero = s.zero() + need;
                if (!move(s.seen, zero)) continue;
                if (note != nullptr) *note = {cost, s.seen & ~version, zero, s.generation};
                return verdict::admit(s.left_after(need));
            }
            if (longest_.load(std::memory_order_relaxed) >= need) {                // (D)
                std::lock_guard const lock(mutex_);
                if (read().seen != s.seen) continue;
                auto const p = best_place(s, need);
                if (p.missing <= 0) {
                    receipt r;
                    take_place(p, s, cost, r);
                    if (note != nullptr) *note = r;
                    return verdict::admit(s.left());
                }
                missing = std::min(missing, p.missing);
            }
            return verdict::later(saturating_sub(s.when(missing), now), s.left());
        }
    }

    /// The place that may be had earliest. Under the mutex, as all of these.
    [[nodiscard]] choice best_place(snapshot const& s, word need) const noexcept {
        choice     best{places_.size(), 0, INT64_MAX};
        word const oldest = s.position - s.numbers.full;
        for (std::size_t i = 0; i < count_; ++i) {
            auto const begin = before(places_[i].begin, oldest) ? oldest : places_[i].begin;
            if (before(places_[i].end, begin + need)) continue;
            auto missing = static_cast<std::int64_t>(begin - s.position) + due(need);
            if (s.behind) missing = std::max(missing, static_cast<std::int64_t>(scaled_time::step));
            if (missing < best.missing) best = {i, begin, missing};
        }
        return best;
    }
    void take_place(choice const& c, snapshot const& s, std::uint64_t cost, receipt& note) noexcept {
        word const end = c.begin + cost * s.numbers.weight;
        note = {cost, c.begin, end, s.generation};
        places_[c.index].begin = end;
        if (places_[c.index].end == end) erase(c.index);
        else now_wait(count_);
    }
    void keep(place p) noexcept {
        for (std::size_t i = 0; i < count_;) {  // neighbours become one
            if (places_[i].end == p.begin) {
                p.begin = places_[i].begin;
                erase(i);
            } else if (places_[i].begin == p.end) {
                p.end = places_[i].end;
                erase(i);
            } else {
                ++i;
            }
        }
        if (count_ == places_.size()) {
            std::size_t oldest = 0;
            for (std::size_t i = 1; i < count_; ++i)
                if (before(places_[i].end, places_[oldest].end)) oldest = i;
            if (before(p.end, places_[oldest].end)) return;
            erase(oldest);
        }
        places_[count_] = p;
        now_wait(count_ + 1);
    }
    void erase(std::size_t i) noexcept {
        places_[i] = places_[count_ - 1];
        now_wait(count_ - 1);
    }
    /// So many wait. While one does, take() goes the long way.
    void now_wait(std::size_t n) noexcept {
        word longest = 0, last = places_[0].end;
        for (std::size_t i = 0; i < n; ++i) {
            longest = std::max(longest, places_[i].end - places_[i].begin);
            if (before(last, places_[i].end)) last = places_[i].end;
        }
        count_ = n;
        last_.store(last, std::memory_order_relaxed);                              // (D)
        longest_.store(longest, std::memory_order_relaxed);                        // (D)
        slots_[0].span.store(n == 0 ? span_ : 0, std::memory_order_relaxed);       // (D)
    }
    /// Forgets the places when all have become too old, if nobody else is at them.
    void tidy(snapshot const& s) noexcept {
        if (longest_.load(std::memory_order_relaxed) == 0) return;                 // (D)
        if (before(s.position - s.numbers.full, last_.load(std::memory_order_relaxed))) return;  // (D)
        std::unique_lock const lock(mutex_, std::try_to_lock);
        if (lock.owns_lock() && read().generation == s.generation &&
            !before(s.position - s.numbers.full, last_.load(std::memory_order_relaxed)))  // (D)
            now_wait(0);
    }
    [[nodiscard]] static bool before(word a, word b) noexcept { return static_cast<std::int64_t>(a - b) < 0; }

    alignas(cache_line_size) Atom<word> word_{0};
    alignas(cache_line_size) std::array<slot, 2> slots_{};
    Atom<word>            longest_{0};   // of the places, in ticks; 0: none waits
    Atom<word>            last_{0};      // the end of the highest
    word                  span_ = 0;     // of the first slot, while no place waits
    time_point            start_;
    std::uint64_t         initial_;
    mutable std::mutex    mutex_;
    std::array<place, 16> places_{};
    std::size_t           count_ = 0;
};

}  // namespace detail

}  // namespace sluice
