// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::key_table — hashed keys and their limiter words in a fixed array: what keyed is made of.
///
/// Thread-safety  every member: any thread. Destruction: after everyone has left
/// Progress       a key that is in the table: lock-free, a denial only reads. Otherwise, and for undo: the mutex of the key's set
/// Complexity     O(1) expected; a key that is not in the table looks at 128 slots at most, and at 512 more when it is full
/// Errors         the constructor may throw std::bad_alloc
/// Units          capacity in keys; two slots of 16 bytes for each, and a line of memory for 64 keys
///
/// The slots lie in sets of 128, of which a key uses one. A slot is a tag and a word. The tag is 48 bits of the key's hash
/// and 16 bits that count the slot's owners; other bits of the hash name the set. A slot that was never used has the tag 0
/// and ends a search: a key takes the first free slot, so it never lies behind one. At half load a set of a table for 10^9
/// keys is full with a probability of 10^-12.

#include <sluice/core/cacheline.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/flow/detail/word_rule.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>

namespace sluice {

/// What a keyed limiter does with a new key while every state that it could forget still matters.
enum class when_full : std::uint8_t {
    deny,            ///< the key has to wait until a state may be forgotten
    share_overflow,  ///< all such keys together share one more limiter
    evict_oldest     ///< forgets the state that is nearest to fresh: that key may get more than its limit
};

namespace detail {

// Who may write what. Under the mutex of its set, and only there, a slot changes owners: close() turns its word into
// `closed`, open() gives it the next tag and then a word. Whoever found a slot may, without the mutex, CAS its word to
// another one, never from or to `closed`.
//
// Ordering
//   (A) tag      open(): tag release, after the word was closed  -> find(): tag acquire. With a new tag goes no older word
//   (B) word     open(): word release, after the tag             -> word acquire, of the load in find() and of the CAS of an
//                admission. CASes of admissions in between continue the release sequence. With a new word goes no older tag
//   (C) again    tag relaxed, after (B)
//   (D) mutex    relaxed: under the mutex of the set, which orders all changes of its tags, of `closed` and of horizon; the
//                words that admissions change meanwhile matter by their value alone
//   (E) alone    relaxed: used_ keeps the number of owners within the capacity (who sees an old one may find the table full
//                that was so a moment ago), overflow_ is a state, each by its value alone (who has charged overflow_ for a
//                key did so under the mutex that this key comes back to); hand_ spreads the searches; what a failed CAS
//                of an admission saw is not used
//
// No admission is free. A thread saw tag t, word w, tag t, and its CAS w -> w' succeeds; then it looks at the tag once more.
// Had the slot changed owners since, then the word that the CAS replaced comes from an open() behind t (that it equals w is
// possible, if undo put it back to what it was) and, by (B), the last look does not show t. Then the cost has been
// charged to another key, which this may only deny, and the caller starts again. If it shows t, w' is t's state. A tag
// comes back after 65536 owners of one slot within one call. undo, which a new owner must not get, asks under the mutex.
// No state lives twice. A key is put into the table under the mutex after a search for it, so it has one open slot. A slot
// that is closed cannot be charged. A key that was forgotten comes back with a word that is not better: before horizon,
// the latest mark at which a forgotten word of the set became fresh, it is not full either.

/// What is fixed at compile time; smaller in tests of every interleaving.
struct key_table_shape {
    using mutex = std::mutex;
    static constexpr std::size_t set = 128;   ///< slots; a power of two
    static constexpr std::size_t search = 4;  ///< sets that a new key looks at when the table is full
};

template <word_rule Rule, template <class> class Atom, class Shape = key_table_shape>
class key_table {
public:
    key_table(Rule const& rule, std::size_t capacity, when_full policy)
        : rule_(rule), capacity_(capacity), policy_(policy), count_(sets(capacity)), sets_(new set[count_]),
          slots_(new slot[count_ * Shape::set]) {}
    key_table(key_table const&) = delete;
    key_table& operator=(key_table const&) = delete;

    [[nodiscard]] Rule const& rule() const noexcept { return rule_; }

    [[nodiscard]] verdict try_acquire(std::uint64_t hash, std::uint64_t cost, time_point now, receipt* r) noexcept {
        for (;;) {
            auto f = find(hash);
            if (f.at == nullptr) {
                verdict answer;
                if (insert(hash, cost, now, r, answer)) return answer;
                continue;
            }
            auto const s = rule_.step(f.word, cost, now);
            if (!s.answer.admitted() || cost == 0) return s.answer;
            auto const before = f.word;
            if (!f.at->word.compare_exchange_strong(f.word, s.next, std::memory_order_acquire,     // (B)
                                                    std::memory_order_relaxed))                    // (E)
                continue;
            if (f.at->tag.load(std::memory_order_relaxed) != f.tag) continue;                      // (C)
            if (r != nullptr) *r = {cost, before, s.next, f.tag};
            return s.answer;
        }
    }

    /// As if there were a place for a key that is not in the table.
    [[nodiscard]] verdict peek(std::uint64_t hash, std::uint64_t cost, time_point now) const noexcept {
        auto f = find(hash);
        if (f.at == nullptr) {
            auto const&           s = sets_[set_of(hash)];
            std::lock_guard const lock(s.mutex);
            auto const            p = look(hash);
            f.word = p.known != nullptr ? p.known->word.load(std::memory_order_relaxed) : first_word(s);  // (D)
        }
        auto answer = rule_.step(f.word, cost, now).answer;
        if (answer.admitted()) answer.remaining += cost;
        return answer;
    }

    std::uint64_t undo(std::uint64_t hash, receipt const& r) noexcept {
        if (r.cost == 0) return 0;
        if (r.generation == overflow_receipt) return undo_in(overflow_, r);
        std::lock_guard const lock(sets_[set_of(hash)].mutex);
        auto* const           s = look(hash).known;
        return s != nullptr && s->tag.load(std::memory_order_relaxed) == r.generation ? undo_in(s->word, r) : 0;  // (D)
    }

    /// Forgets what has been fresh for the rule's grace. Returns how many keys that were.
    std::size_t sweep(time_point now) noexcept {
        auto const mark = rule_.mark(now);
        if (mark < rule_.grace()) return 0;
        std::size_t n = 0;
        for (std::size_t i = 0; i < count_; ++i) {
            std::lock_guard const lock(sets_[i].mutex);
            auto const            here = forget_all(i, mark - rule_.grace()).forgotten;
            used_.fetch_sub(here, std::memory_order_relaxed);                                      // (E)
            n += here;
        }
        return n;
    }

    [[nodiscard]] std::size_t size_approx() const noexcept { return used_.load(std::memory_order_relaxed); }  // (E)
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::size_t memory_bytes() const noexcept {
        return sizeof *this + count_ * (sizeof(set) + Shape::set * sizeof(slot));
    }

private:
    static constexpr std::uint64_t closed = last_word + 1;
    static constexpr std::uint64_t overflow_receipt = 1;  // no tag
    static constexpr unsigned      owner_bits = 16;
    static constexpr std::uint64_t owner_mask = (std::uint64_t{1} << owner_bits) - 1;

    struct alignas(16) slot {
        Atom<std::uint64_t> tag{0};
        Atom<std::uint64_t> word{closed};
    };
    struct alignas(cache_line_size) set {
        mutable typename Shape::mutex mutex{};
        std::uint64_t                 horizon = 0;
    };
    struct found {
        slot*         at = nullptr;
        std::uint64_t tag = 0;
        std::uint64_t word = 0;
    };
    /// A state that could be forgotten, and the mark at which it is fresh.
    struct candidate {
        slot*         at = nullptr;
        std::uint64_t word = 0;
        std::uint64_t mark = UINT64_MAX;

        void consider(Rule const& rule, slot& s, std::uint64_t w) noexcept {
            if (auto const m = rule.full_mark(w); at == nullptr || m < mark) *this = {&s, w, m};
        }
    };
    struct places {
        slot*     known = nullptr;  // the key's
        slot*     free = nullptr;   // the first one
        candidate oldest{};
    };
    struct forgotten_states {
        std::size_t forgotten = 0;
        candidate   oldest{};  // of the others
    };

    [[nodiscard]] static std::size_t sets(std::size_t capacity) {
        if (capacity > SIZE_MAX / sizeof(slot) / 4) throw std::bad_alloc();
        return (capacity * 2 + Shape::set - 1) / Shape::set;
    }
    [[nodiscard]] static std::uint64_t name_of(std::uint64_t hash) noexcept {
        auto const name = hash << owner_bits;
        return name == 0 ? std::uint64_t{1} << owner_bits : name;
    }
    [[nodiscard]] std::size_t set_of(std::uint64_t hash) const noexcept {
        return static_cast<std::size_t>(multiply_wide(hash, count_).high);
    }
    /// The key's i-th slot.
    [[nodiscard]] static std::size_t place_of(std::uint64_t hash, std::size_t i) noexcept {
        return (static_cast<std::size_t>(hash) + i) % Shape::set;
    }

    /// The key's slot with its word, as they were at one moment. Nothing is certain only under the mutex.
    [[nodiscard]] found find(std::uint64_t hash) const noexcept {
        auto const  name = name_of(hash);
        auto* const first = &slots_[set_of(hash) * Shape::set];
        for (std::size_t i = 0; i < Shape::set;) {
            slot&      s = first[place_of(hash, i)];
            auto const tag = s.tag.load(std::memory_order_acquire);                                // (A)
            if (tag == 0) break;
            if ((tag & ~owner_mask) == name) {
                auto const word = s.word.load(std::memory_order_acquire);                          // (B)
                if (s.tag.load(std::memory_order_relaxed) != tag) continue;                        // (C)
                if (word != closed) return {&s, tag, word};
            }
            ++i;
        }
        return {};
    }

    /// Everything that a key can find. Under the mutex.
    [[nodiscard]] places look(std::uint64_t hash) const noexcept {
        auto const  name = name_of(hash);
        auto* const first = &slots_[set_of(hash) * Shape::set];
        places      p;
        for (std::size_t i = 0; i < Shape::set; ++i) {
            slot&      s = first[place_of(hash, i)];
            auto const word = s.word.load(std::memory_order_relaxed);                              // (D)
            if (word == closed) {
                if (p.free == nullptr) p.free = &s;
            } else if ((s.tag.load(std::memory_order_relaxed) & ~owner_mask) == name) {            // (D)
                p.known = &s;
            } else {
                p.oldest.consider(rule_, s, word);
            }
        }
        return p;
    }

    /// The word of a key that comes, perhaps again. Under the mutex.
    [[nodiscard]] std::uint64_t first_word(set const& s) const noexcept {
        auto const word = policy_ == when_full::share_overflow ? overflow_.load(std::memory_order_relaxed) : fresh_word;  // (E)
        return rule_.not_before(word, s.horizon);
    }

    /// Gives the key a place and charges its first cost there (a state that is fresh could be forgotten again at once, and two
    /// keys take one place from each other for ever), or says what happens instead. False: it is in the table already.
    [[nodiscard]] bool insert(std::uint64_t hash, std::uint64_t cost, time_point now, receipt* r, verdict& answer) noexcept {
        auto const       mark = rule_.mark(now);
        set&             s = sets_[set_of(hash)];
        bool             reserved = false;  // of the capacity, for this key
        bool             searched = false;
        candidate        far;
        std::unique_lock lock(s.mutex);
        auto const       take_over = [&](candidate const& c) {
            if (!close(*c.at, c.word)) return;
            if (c.mark <= mark) s.horizon = std::max(s.horizon, c.mark);
            if (reserved) release_one();
            reserved = true;
        };
        for (;;) {
            auto const p = look(hash);
            auto const word = first_word(s);
            auto const step = rule_.step(word, cost, now);
            if (p.known != nullptr || !step.answer.admitted() || cost == 0) {  // a denial needs no place
                if (reserved) release_one();
                answer = step.answer;
                return p.known == nullptr;
            }
            if (p.free != nullptr && (reserved || reserve_one())) {
                auto const tag = open(*p.free, name_of(hash), step.next);
                if (r != nullptr) *r = {cost, word, step.next, tag};
                answer = step.answer;
                return true;
            }
            if (p.oldest.at != nullptr && p.oldest.mark <= mark) {
                take_over(p.oldest);
            } else if (p.free != nullptr && !searched) {
                searched = true;
                lock.unlock();
                reserved = search(mark, Shape::search, false, far);
                lock.lock();
            } else if (policy_ == when_full::evict_oldest && p.oldest.at != nullptr) {
                take_over(p.oldest);
            } else if (policy_ == when_full::evict_oldest) {
                lock.unlock();
                reserved = search(mark, count_, true, far);
                lock.lock();
            } else {
                if (reserved) release_one();
                answer = without_place(s, cost, now, std::min(p.oldest.mark, far.mark), r);
                return true;
            }
        }
    }

    /// The table is full: looks for fresh states elsewhere, each time where the last one ended. With `any`, takes one that
    /// matters if need be. True: there is one owner less, whom the caller may replace.
    [[nodiscard]] bool search(std::uint64_t mark, std::size_t most, bool any, candidate& far) noexcept {
        for (auto n = std::min(most, count_); n > 0; --n) {
            auto const            i = hand_.fetch_add(1, std::memory_order_relaxed) % count_;      // (E)
            std::lock_guard const lock(sets_[i].mutex);
            auto const            here = forget_all(i, mark);
            if (here.forgotten > 0) {
                used_.fetch_sub(here.forgotten - 1, std::memory_order_relaxed);                    // (E)
                return true;
            }
            if (here.oldest.mark < far.mark) far = here.oldest;
            if (any && here.oldest.at != nullptr && close(*here.oldest.at, here.oldest.word)) return true;
        }
        return false;
    }

    /// Forgets the states of a set that were fresh at the mark; their owners are still counted in used_. Under the mutex.
    forgotten_states forget_all(std::size_t index, std::uint64_t mark) noexcept {
        forgotten_states all;
        auto&            horizon = sets_[index].horizon;
        for (std::size_t i = 0; i < Shape::set; ++i) {
            slot&      s = slots_[index * Shape::set + i];
            auto const word = s.word.load(std::memory_order_relaxed);                              // (D)
            if (word == closed) continue;
            auto const full = rule_.full_mark(word);
            if (full > mark) {
                all.oldest.consider(rule_, s, word);
            } else if (close(s, word)) {
                horizon = std::max(horizon, full);
                ++all.forgotten;
            }
        }
        return all;
    }

    /// Ends an owner's time, if the state is still this one. Under the mutex.
    [[nodiscard]] static bool close(slot& s, std::uint64_t word) noexcept {
        return s.word.compare_exchange_strong(word, closed, std::memory_order_relaxed,             // (D)
                                              std::memory_order_relaxed);                          // (D)
    }
    /// Gives a closed slot to a key. Under the mutex.
    [[nodiscard]] static std::uint64_t open(slot& s, std::uint64_t name, std::uint64_t word) noexcept {
        auto const tag = name | ((s.tag.load(std::memory_order_relaxed) + 1) & owner_mask);        // (D)
        s.tag.store(tag, std::memory_order_release);                                               // (A)
        s.word.store(word, std::memory_order_release);                                             // (B)
        return tag;
    }

    [[nodiscard]] bool reserve_one() noexcept {
        auto n = used_.load(std::memory_order_relaxed);                                            // (E)
        while (n < capacity_)
            if (used_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed,                   // (E)
                                            std::memory_order_relaxed))                            // (E)
                return true;
        return false;
    }
    void release_one() noexcept { used_.fetch_sub(1, std::memory_order_relaxed); }                 // (E)

    /// Under the mutex of the key's set.
    [[nodiscard]] verdict without_place(set const& s, std::uint64_t cost, time_point now, std::uint64_t mark,
                                        receipt* r) noexcept {
        if (policy_ != when_full::share_overflow) {
            auto const wait = mark == UINT64_MAX ? duration(1) : saturating_sub(rule_.time_of(mark), now);
            return verdict::later(std::max(wait, duration(1)), 0);
        }
        auto word = overflow_.load(std::memory_order_relaxed);                                     // (E)
        for (;;) {
            auto const step = rule_.step(rule_.not_before(word, s.horizon), cost, now);
            if (!step.answer.admitted()) return step.answer;
            if (overflow_.compare_exchange_weak(word, step.next, std::memory_order_relaxed,        // (E)
                                                std::memory_order_relaxed)) {                      // (E)
                if (r != nullptr) *r = {cost, word, step.next, overflow_receipt};
                return step.answer;
            }
        }
    }

    /// In a state that has one owner all the while.
    [[nodiscard]] std::uint64_t undo_in(Atom<std::uint64_t>& state, receipt const& r) const noexcept {
        auto word = state.load(std::memory_order_relaxed);                                         // (E)
        for (;;) {
            auto const next = rule_.undo(word, r);
            if (next == word) return 0;
            if (state.compare_exchange_weak(word, next, std::memory_order_relaxed,                 // (E)
                                            std::memory_order_relaxed))                            // (E)
                return r.cost;
        }
    }

    Rule                                          rule_;
    std::size_t                                   capacity_;
    when_full                                     policy_;
    std::size_t                                   count_;
    std::unique_ptr<set[]>                        sets_;
    std::unique_ptr<slot[]>                       slots_;
    alignas(cache_line_size) Atom<std::size_t>    used_{0};
    Atom<std::size_t>                             hand_{0};
    alignas(cache_line_size) Atom<std::uint64_t>  overflow_{fresh_word};
};

}  // namespace detail
}  // namespace sluice
