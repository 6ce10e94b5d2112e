// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// keyed, keyed_exact, keyed_hash — a limiter for each tenant, user or address, in memory that is fixed beforehand.
///
/// Use it for     per-tenant limits, also where anybody may invent keys: the memory does not grow with them
/// Not for        a handful of keys known beforehand: an array of limiters
/// Thread-safety  every member: any thread. Destruction: after everyone has left
/// Progress       keyed of token_bucket, gcra, sliding_window_counter: lock-free for a key that is in the table, where a
///                denial only reads; a new key, and undo, take a mutex of many. Other limiters, keyed_exact: a mutex per shard
/// Complexity     O(1) expected, no allocation after construction; 34 bytes per key of capacity. (keyed_exact: what Key and
///                Limiter take, and a new key allocates what making them does)
/// Errors         std::invalid_argument: capacity (> 0), and what the limiter refuses. Lock-free form: noexcept afterwards
/// Units          capacity in keys; cost as the limiter has it
/// Source         the state of governor's keyed limiter; its unbounded growth is answered by forgetting what is fresh
/// Example        examples/320_per_tenant_limits.cpp
///
///     sluice::keyed<std::string, sluice::gcra<>> limits({.capacity = 100'000}, {.rate = sluice::per_second(10), .burst = 20});
///     if (limits.try_acquire(user)) …            or, as a part of all_of: limits.at(user)
///
/// A state that equals that of a key never seen costs nothing to forget. That is done when room is needed, and by sweep(now)
/// for all keys, there with the grace of one token's time. If there is none to forget, `full` says what happens. With deny and
/// share_overflow no key ever gets more than one limiter admits, whatever is forgotten and whichever threads race
/// for it: a key that comes back starts at least where it left, also for a time from the past. With share_overflow a
/// new key starts where the shared limiter is, since part of that may be its own.
///
/// The lock-free form knows a key by 48 bits of its hash and by one of capacity / 64 sets. That two of n keys are taken for
/// one has a probability of about 32 · n² / (2^48 · capacity), 10^-7 for a million keys in as much capacity (from four million
/// on n² / 2^65), and then they share one limit. keyed_exact compares keys. Whoever chooses keys in order to collide must not
/// know the hash: give keyed_hash a secret seed, or a keyed hash such as xxh3. A hash gets the seed if it can be made from one.
/// Hashes are mixed once more, unless they say is_avalanching; one of 32 bits, as std::hash is there, makes many collide.
///
/// Keys do not start with another number of tokens than the burst: token_bucket_options.initial is refused. The options of a
/// keyed limiter do not change. The lock-free form has rates up to one per nanosecond, and of sliding_window_counter limits
/// up to 2^12 - 1 per 100 ms, 2^14 - 1 per second, 2^17 - 1 per minute, 2^20 - 1 per hour. Where `capacity` is split into
/// shards (one for 256 keys, at most 64), a full shard is full.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/mix64.hpp>
#include <sluice/flow/acquire.hpp>
#include <sluice/flow/detail/key_shards.hpp>
#include <sluice/flow/detail/key_table.hpp>
#include <sluice/flow/detail/word_rule.hpp>
#include <sluice/flow/gcra.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/sliding_window_counter.hpp>
#include <sluice/flow/token_bucket.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sluice {

struct keyed_options {
    std::size_t   capacity;                ///< keys whose states may matter at one time; > 0
    when_full     full = when_full::deny;  ///< what a new key gets when there are more
    std::uint64_t seed = 0;                ///< of the hash; a secret where keys come from strangers
    std::size_t   shards = 0;              ///< of the forms with mutexes; 0: one for 256 keys, at most 64
};

/// Text, whole numbers, enumerations by all their bits; other keys by std::hash, which may have collisions of its own.
template <class Key>
class keyed_hash {
public:
    using is_avalanching = void;  ///< a change of any bit changes all of them

    constexpr keyed_hash() noexcept = default;
    explicit constexpr keyed_hash(std::uint64_t seed) noexcept : seed_(mix64(seed ^ 0x9E3779B97F4A7C15u)) {}

    [[nodiscard]] std::uint64_t operator()(Key const& key) const noexcept
        requires(!std::convertible_to<Key const&, std::string_view>)
    {
        if constexpr (std::is_enum_v<Key>)
            return mix64(seed_ ^ static_cast<std::uint64_t>(static_cast<std::underlying_type_t<Key>>(key)));
        else if constexpr (std::integral<Key>)
            return mix64(seed_ ^ static_cast<std::uint64_t>(key));
        else
            return mix64(seed_ ^ static_cast<std::uint64_t>(std::hash<Key>{}(key)));
    }
    [[nodiscard]] std::uint64_t operator()(std::string_view text) const noexcept
        requires std::convertible_to<Key const&, std::string_view>
    {
        auto h = mix64(seed_ + text.size());
        for (; text.size() >= 8; text.remove_prefix(8)) h = mix64(h ^ word(text.substr(0, 8)));
        return text.empty() ? h : mix64(h ^ word(text));
    }

private:
    [[nodiscard]] static std::uint64_t word(std::string_view at_most_8) noexcept {
        std::uint64_t w = 0;
        std::memcpy(&w, at_most_8.data(), at_most_8.size());
        return w;
    }

    std::uint64_t seed_ = 0x6A09E667F3BCC908u;
};

namespace detail {

/// How a limiter's options become one word per key, if they do.
template <class Limiter>
struct keyed_limiter {
    using options = typename Limiter::options_type;
};
template <class Clock, template <class> class A>
struct keyed_limiter<token_bucket<Clock, A>> {
    using options = token_bucket_options;
    using rule = schedule_rule;
    static rule make(options const& o) {
        require_option(!o.initial || *o.initial == o.burst, "keyed: initial (only the burst itself)", o.initial.value_or(0));
        return {o.refill, o.burst};
    }
};
template <class Clock, template <class> class A>
struct keyed_limiter<gcra<Clock, A>> {
    using options = gcra_options;
    using other_options = gcra_rate_options;
    using rule = schedule_rule;
    static rule make(options const& o) { return {o.emission_interval, o.burst_tolerance}; }
    static rule make(other_options const& o) { return {o.rate, o.burst}; }
};
template <class Clock>
struct keyed_limiter<sliding_window_counter<Clock>> {
    using options = sliding_window_counter_options;
    using rule = counter_word_rule;
    static rule make(options const& o) { return rule(checked_rule(o)); }
};

template <class Limiter>
concept one_word_limiter = requires { typename keyed_limiter<Limiter>::rule; };

struct no_other_options {
    no_other_options() = delete;
};
template <class Limiter>
struct other_options {
    using type = no_other_options;
};
template <class Limiter>
    requires requires { typename keyed_limiter<Limiter>::other_options; }
struct other_options<Limiter> {
    using type = typename keyed_limiter<Limiter>::other_options;
};

template <class Limiter>
using clock_of = std::remove_cvref_t<decltype(std::declval<Limiter const&>().clock())>;

/// What is passed for a key.
template <class Key>
using key_view =
    std::conditional_t<std::convertible_to<Key const&, std::string_view>, std::string_view,
                       std::conditional_t<std::is_trivially_copyable_v<Key> && sizeof(Key) <= 16, Key const, Key const&>>;

template <class Hash>
[[nodiscard]] Hash make_hash(std::uint64_t seed) {
    if constexpr (std::constructible_from<Hash, std::uint64_t>)
        return Hash(seed);
    else
        return Hash{};
}

template <class Hash, class Key>
[[nodiscard]] std::uint64_t hash_of(Hash const& hash, Key const& key) {
    static_assert(std::invocable<Hash const&, Key const&>, "the hash of a key that is text has to take std::string_view");
    auto const h = static_cast<std::uint64_t>(hash(key));
    if constexpr (requires { typename Hash::is_avalanching; })
        return h;
    else
        return mix64(h);
}

inline keyed_options const& checked(keyed_options const& o) {
    require_option(o.capacity > 0, "keyed: capacity (> 0)", o.capacity);
    require_option(o.full <= when_full::evict_oldest, "keyed: full (deny, share_overflow, evict_oldest)",
                   static_cast<unsigned>(o.full));
    return o;
}

/// One key of a keyed limiter as a limiter. Refers to both: neither may go before it.
template <class Keyed>
class keyed_view {
public:
    using key_view = typename Keyed::key_view;
    using receipt_type = typename Keyed::receipt_type;

    keyed_view(Keyed& all, key_view key) noexcept : all_(&all), key_(store(key)) {}

    [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now) { return all_->try_acquire(key(), cost, now); }
    [[nodiscard]] verdict try_acquire(std::uint64_t cost = 1) { return all_->try_acquire(key(), cost); }
    [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now, receipt_type& r) {
        return all_->try_acquire(key(), cost, now, r);
    }
    [[nodiscard]] verdict peek(std::uint64_t cost, time_point now) const { return all_->peek(key(), cost, now); }
    [[nodiscard]] verdict peek(std::uint64_t cost = 1) const { return all_->peek(key(), cost); }
    std::uint64_t undo(receipt_type const& r, time_point now = time_point::min()) noexcept { return all_->undo(key(), r, now); }
    [[nodiscard]] auto const& clock() const noexcept { return all_->clock(); }

private:
    static constexpr bool by_reference = std::is_reference_v<key_view>;
    using stored = std::conditional_t<by_reference, std::remove_reference_t<key_view>*, std::remove_cvref_t<key_view>>;

    [[nodiscard]] static stored store(key_view key) noexcept {
        if constexpr (by_reference)
            return &key;
        else
            return key;
    }

    [[nodiscard]] key_view key() const noexcept {
        if constexpr (by_reference)
            return *key_;
        else
            return key_;
    }

    Keyed* all_;
    stored key_;
};

}  // namespace detail

/// What keyed_exact notes about an admission.
struct keyed_receipt {
    receipt       inner{};
    std::uint64_t owner = 0;
};

/// Any key type with ==, compared exactly; any limiter.
template <class Key, reversible_limiter Limiter, class Hash = keyed_hash<Key>>
class keyed_exact {
public:
    using key_view = detail::key_view<Key>;
    using receipt_type = keyed_receipt;
    using limiter_options = typename detail::keyed_limiter<Limiter>::options;
    using other_options = typename detail::other_options<Limiter>::type;
    using clock_type = detail::clock_of<Limiter>;

    keyed_exact(keyed_options options, limiter_options limits, clock_type clock = {})
        : keyed_exact(maker(limits, clock), options, clock) {}
    keyed_exact(keyed_options options, other_options limits, clock_type clock = {})
        : keyed_exact(maker(limits, clock), options, clock) {}

    [[nodiscard]] verdict try_acquire(key_view key, std::uint64_t cost, time_point now) {
        receipt_type ignored;
        return try_acquire(key, cost, now, ignored);
    }
    [[nodiscard]] verdict try_acquire(key_view key, std::uint64_t cost = 1) { return try_acquire(key, cost, clock_.now()); }

    /// The same, and notes in `r` what undo needs.
    [[nodiscard]] verdict try_acquire(key_view key, std::uint64_t cost, time_point now, receipt_type& r) {
        r = {};
        return shards_.with(
            detail::hash_of(hash_, key), key, now,
            [&](Limiter& l, std::uint64_t owner) {
                r.owner = owner;
                return l.try_acquire(cost, now, r.inner);
            },
            not_now);
    }
    /// As if there were a place for a key that is not known.
    [[nodiscard]] verdict peek(key_view key, std::uint64_t cost, time_point now) const {
        return shards_.look(
            detail::hash_of(hash_, key), key, now, [&](Limiter const& l) { return l.peek(cost, now); }, not_now);
    }
    [[nodiscard]] verdict peek(key_view key, std::uint64_t cost = 1) const { return peek(key, cost, clock_.now()); }

    /// Takes back an admission, as the limiter does; nothing if the state was forgotten since.
    std::uint64_t undo(key_view key, receipt_type const& r, time_point now = time_point::min()) noexcept {
        if (r.inner.cost == 0) return 0;
        return shards_.undo(detail::hash_of(hash_, key), key, r.owner, [&](Limiter& l) { return l.undo(r.inner, now); });
    }

    /// The limiter of one key, for all_of. Key and *this have to outlive it.
    [[nodiscard]] detail::keyed_view<keyed_exact> at(key_view key) noexcept { return {*this, key}; }

    /// Forgets what has been as good as new for a millisecond. Returns how many keys that were.
    std::size_t sweep(time_point now) { return shards_.sweep(now); }
    std::size_t sweep() { return sweep(clock_.now()); }

    [[nodiscard]] std::size_t size_approx() const { return shards_.size_approx(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return shards_.capacity(); }
    [[nodiscard]] std::size_t memory_bytes() const noexcept { return sizeof *this + shards_.memory_bytes(); }
    [[nodiscard]] clock_type const& clock() const noexcept { return clock_; }

private:
    [[nodiscard]] static verdict not_now(duration wait) noexcept { return verdict::later(std::max(wait, duration(1)), 0); }

    using any_maker = std::unique_ptr<detail::limiter_maker<Limiter>>;

    keyed_exact(any_maker limits, keyed_options options, clock_type clock)
        : clock_(clock), hash_(detail::make_hash<Hash>(detail::checked(options).seed)),
          shards_(std::move(limits), options.capacity, options.shards, options.full) {}

    template <class Options>
    [[nodiscard]] static any_maker maker(Options const& limits, clock_type const& clock) {
        if constexpr (std::same_as<Options, detail::no_other_options>)
            return nullptr;
        else
            return std::make_unique<detail::limiter_maker_of<Limiter, Options, clock_type>>(limits, clock);
    }

    clock_type                       clock_;
    Hash                             hash_;
    detail::key_shards<Key, Limiter> shards_;
};

/// Limiters of more than one word: the same as keyed_exact.
template <class Key, class Limiter, class Hash = keyed_hash<Key>, template <class> class Atom = std::atomic>
class keyed : public keyed_exact<Key, Limiter, Hash> {
public:
    using keyed_exact<Key, Limiter, Hash>::keyed_exact;
};

/// Limiters of one word per key: the lock-free form.
template <class Key, detail::one_word_limiter Limiter, class Hash, template <class> class Atom>
class keyed<Key, Limiter, Hash, Atom> {
    using traits = detail::keyed_limiter<Limiter>;

public:
    using key_view = detail::key_view<Key>;
    using receipt_type = receipt;
    using limiter_options = typename traits::options;
    using other_options = typename detail::other_options<Limiter>::type;
    using clock_type = detail::clock_of<Limiter>;

    keyed(keyed_options options, limiter_options limits, clock_type clock = {}) : keyed(rule(limits), options, clock) {}
    keyed(keyed_options options, other_options limits, clock_type clock = {}) : keyed(rule(limits), options, clock) {}

    [[nodiscard]] verdict try_acquire(key_view key, std::uint64_t cost, time_point now) noexcept {
        return table_.try_acquire(detail::hash_of(hash_, key), cost, now, nullptr);
    }
    [[nodiscard]] verdict try_acquire(key_view key, std::uint64_t cost = 1) noexcept {
        return try_acquire(key, cost, clock_.now());
    }

    /// The same, and notes in `r` what undo needs.
    [[nodiscard]] verdict try_acquire(key_view key, std::uint64_t cost, time_point now, receipt_type& r) noexcept {
        r = {};
        return table_.try_acquire(detail::hash_of(hash_, key), cost, now, &r);
    }
    /// As if there were a place for a key that is not in the table.
    [[nodiscard]] verdict peek(key_view key, std::uint64_t cost, time_point now) const noexcept {
        return table_.peek(detail::hash_of(hash_, key), cost, now);
    }
    [[nodiscard]] verdict peek(key_view key, std::uint64_t cost = 1) const noexcept { return peek(key, cost, clock_.now()); }

    /// Takes back an admission if nobody was admitted under the key since (sliding_window_counter: while its window
    /// counts); nothing if the state was forgotten.
    std::uint64_t undo(key_view key, receipt_type const& r, time_point = time_point::min()) noexcept {
        return table_.undo(detail::hash_of(hash_, key), r);
    }

    /// The limiter of one key, for all_of. Key and *this have to outlive it.
    [[nodiscard]] detail::keyed_view<keyed> at(key_view key) noexcept { return {*this, key}; }

    /// Forgets what has been fresh for one token's time. Returns how many keys that were.
    std::size_t sweep(time_point now) noexcept { return table_.sweep(now); }
    std::size_t sweep() noexcept { return sweep(clock_.now()); }

    [[nodiscard]] std::size_t size_approx() const noexcept { return table_.size_approx(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return table_.capacity(); }
    [[nodiscard]] std::size_t memory_bytes() const noexcept { return sizeof *this - sizeof table_ + table_.memory_bytes(); }
    [[nodiscard]] clock_type const& clock() const noexcept { return clock_; }

private:
    using rule_type = typename traits::rule;

    keyed(rule_type const& r, keyed_options options, clock_type clock)
        : clock_(clock), hash_(detail::make_hash<Hash>(detail::checked(options).seed)),
          table_(r, options.capacity, options.full) {}

    template <class Options>
    [[nodiscard]] static rule_type rule(Options const& limits) {
        return traits::make(limits);
    }

    clock_type                         clock_;
    Hash                               hash_;
    detail::key_table<rule_type, Atom> table_;
};

}  // namespace sluice
