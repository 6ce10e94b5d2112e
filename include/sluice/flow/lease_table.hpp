// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// lease_table, fence — a right for a limited time, and the number that tells its present holder from earlier ones.
///
/// Use it for     one worker per job or shard; one filler per cache miss; refusing the late writes of a holder that slept
/// Not for        mutual exclusion between threads of one process (std::mutex): a lease may run out while it is in use
/// Thread-safety  any thread
/// Progress       one mutex around a few steps; equality and copy of the key run inside it and must not call back
/// Complexity     O(log n) expected. lease_table: at most `capacity` keys. fence: at most `capacity` keys
/// Errors         full: a new key is refused until a lease is over. std::bad_alloc and a throwing hash, equality or copy of
///                a key have no effect. Options that cannot work: std::invalid_argument
/// Units          times in integer nanoseconds; a `now` from the past counts as the latest one seen, so that it can neither
///                revive a lease nor end one. A lease ends at `expires`: at that instant it is over
/// Source         fencing tokens: M. Kleppmann, How to do distributed locking, 2016; leases against thundering herds:
///                Nishtala et al., Scaling Memcache at Facebook, NSDI 2013
///
/// Tokens rise strictly, over the whole table and so for each key; none is given twice. After a restart, begin above all
/// that were given before (first_token). renew, release and holds work for the current token alone, and not once
/// the lease is over, whether or not another has taken it: the late holder asks anew.
///
/// The token is the holder: there are no owner names, and acquire is not re-entrant. A holder that asks again is told
/// `held`; it has renew. A name would let two of its threads, or a worker and its restarted self, hold one lease.
/// Give every call a `now`, or none: the two time lines are one to the table.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/detail/entry_table.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace sluice {

enum class lease_status : std::uint8_t {
    granted,
    held,      ///< another holds it until retry_after
    too_soon,  ///< the key had a lease less than min_interval ago
    full,      ///< no room for another key before retry_after
    lost       ///< renew: not the current token, or over
};

/// The answer to acquire and renew.
struct [[nodiscard]] lease {
    lease_status  status = lease_status::lost;
    std::uint64_t token = 0;       ///< granted: larger than all before; otherwise 0
    time_point    expires{};       ///< granted: when it is over
    duration      retry_after{0};  ///< held, too_soon, full: the least time after which to ask again

    [[nodiscard]] explicit operator bool() const noexcept { return status == lease_status::granted; }
};

struct lease_table_options {
    duration      ttl = std::chrono::seconds(10);  ///< unless acquire says otherwise; > 0
    duration      min_interval{0};                 ///< least time from one grant for a key to the next; >= 0
    std::size_t   capacity = 65'536;               ///< most keys at once; > 0
    std::uint64_t first_token = 1;                 ///< > 0
};

template <class Key, clock_source Clock = steady_clock, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
class lease_table {
public:
    explicit lease_table(lease_table_options options = {}, Clock clock = {}, Hash hash = {}, Equal equal = {})
        : options_(options), clock_(std::move(clock)), hash_(std::move(hash)), equal_(std::move(equal)),
          next_token_(options.first_token) {
        detail::require_option(options.ttl.count() > 0, "lease_table: ttl in ns (> 0)", options.ttl.count());
        detail::require_option(options.min_interval.count() >= 0, "lease_table: min_interval in ns (>= 0)",
                               options.min_interval.count());
        detail::require_option(options.capacity > 0, "lease_table: capacity (> 0)", options.capacity);
        detail::require_option(options.first_token > 0, "lease_table: first_token (> 0)", options.first_token);
    }
    lease_table(lease_table const&) = delete;
    lease_table& operator=(lease_table const&) = delete;
    ~lease_table() {
        chains_.release_all([](entry* e) { delete e; });
    }

    lease acquire(Key const& key) { return acquire(key, options_.ttl, clock_.now()); }
    lease acquire(Key const& key, time_point now) { return acquire(key, options_.ttl, now); }
    lease acquire(Key const& key, duration ttl) { return acquire(key, ttl, clock_.now()); }

    /// The lease, if nobody holds it. Throws std::invalid_argument for ttl <= 0.
    lease acquire(Key const& key, duration ttl, time_point now) {
        detail::require_option(ttl.count() > 0, "lease_table: ttl in ns (> 0)", ttl.count());
        auto const             hash = detail::entry_hash(hash_, key);
        graveyard              dead;
        std::lock_guard const  lock(mutex_);
        now = advance(now);
        if (next_token_ == 0) return {.status = lease_status::full, .retry_after = duration::max()};  // all are used up
        entry* e = chains_.find(hash, key, equal_);
        if (e != nullptr && now < e->expires)
            return {.status = lease_status::held, .retry_after = saturating_sub(e->expires, now)};
        if (e != nullptr && now < e->next_grant)
            return {.status = lease_status::too_soon, .retry_after = saturating_sub(e->next_grant, now)};
        if (e == nullptr) {
            clean(now, 2, dead);
            if (chains_.size() >= options_.capacity) {
                auto const left = saturating_sub(heap_.first()->due, now);
                return {.status = lease_status::full, .retry_after = left};
            }
            auto fresh = std::make_unique<entry>(key, hash);
            chains_.prepare();
            heap_.prepare(chains_.size() + 1);
            e = fresh.release();
            chains_.insert(e);
            heap_.insert(e, time_point::max());
        }
        e->token = next_token_++;
        e->expires = saturating_add(now, ttl);
        e->next_grant = saturating_add(now, options_.min_interval);
        heap_.move(e, later(e->expires, e->next_grant));
        return {lease_status::granted, e->token, e->expires, duration{0}};
    }

    lease renew(Key const& key, std::uint64_t token) { return renew(key, token, options_.ttl, clock_.now()); }
    lease renew(Key const& key, std::uint64_t token, time_point now) { return renew(key, token, options_.ttl, now); }

    /// Lets the lease last until now + ttl, or as long as it would anyway. The token stays. `lost` if the token is not the
    /// current one or the lease is over.
    lease renew(Key const& key, std::uint64_t token, duration ttl, time_point now) {
        detail::require_option(ttl.count() > 0, "lease_table: ttl in ns (> 0)", ttl.count());
        auto const            hash = detail::entry_hash(hash_, key);
        std::lock_guard const lock(mutex_);
        now = advance(now);
        entry* const e = current(hash, key, token, now);
        if (e == nullptr) return {};
        e->expires = later(e->expires, saturating_add(now, ttl));
        heap_.move(e, later(e->expires, e->next_grant));
        return {lease_status::granted, token, e->expires, duration{0}};
    }

    /// Ends the lease. False, and no effect, if the token is not the current one or the lease is over.
    bool release(Key const& key, std::uint64_t token) { return release(key, token, clock_.now()); }
    bool release(Key const& key, std::uint64_t token, time_point now) {
        auto const            hash = detail::entry_hash(hash_, key);
        graveyard             dead;
        std::lock_guard const lock(mutex_);
        now = advance(now);
        entry* const e = current(hash, key, token, now);
        if (e == nullptr) return false;
        if (now >= e->next_grant) {
            remove(e, dead);
        } else {  // remembered until the key may have the next one
            e->expires = now;
            e->token = 0;
            heap_.move(e, e->next_grant);
        }
        return true;
    }

    /// Whether the token is the current one and the lease is not over.
    [[nodiscard]] bool holds(Key const& key, std::uint64_t token) { return holds(key, token, clock_.now()); }
    [[nodiscard]] bool holds(Key const& key, std::uint64_t token, time_point now) {
        auto const            hash = detail::entry_hash(hash_, key);
        std::lock_guard const lock(mutex_);
        return current(hash, key, token, advance(now)) != nullptr;
    }

    /// Whether the token is the newest one given for the key, as far as the table remembers: not after release or sweep.
    /// Takes no time. For a resource that shares the table; one that does not keeps a fence.
    [[nodiscard]] bool check(Key const& key, std::uint64_t token) const {
        auto const            hash = detail::entry_hash(hash_, key);
        std::lock_guard const lock(mutex_);
        entry const* const    e = chains_.find(hash, key, equal_);
        return e != nullptr && token != 0 && e->token == token;
    }

    /// Forgets keys whose lease is over. How many. acquire does it by and by, too.
    std::size_t sweep() { return sweep(clock_.now()); }
    std::size_t sweep(time_point now) {
        graveyard             dead;
        std::lock_guard const lock(mutex_);
        return clean(advance(now), SIZE_MAX, dead);
    }

    /// Keys that are remembered, those whose lease is over and not yet swept included.
    [[nodiscard]] std::size_t size() const {
        std::lock_guard const lock(mutex_);
        return chains_.size();
    }

private:
    struct entry {
        entry(Key const& k, std::uint64_t h) : key(k), hash(h) {}
        Key const           key;
        std::uint64_t const hash;
        entry*              next = nullptr;
        time_point          due{};
        std::size_t         heap_index = 0;
        std::uint64_t       token = 0;
        time_point          expires{};
        time_point          next_grant{};
    };

    struct graveyard {  // keys are destroyed after the lock
        entry* top = nullptr;

        graveyard() = default;
        graveyard(graveyard const&) = delete;
        graveyard& operator=(graveyard const&) = delete;
        ~graveyard() {
            while (top != nullptr) delete std::exchange(top, top->next);
        }
    };

    [[nodiscard]] static time_point later(time_point a, time_point b) noexcept { return a < b ? b : a; }
    time_point advance(time_point now) noexcept { return latest_ = later(latest_, now); }

    [[nodiscard]] entry* current(std::uint64_t hash, Key const& key, std::uint64_t token, time_point now) const {
        entry* const e = chains_.find(hash, key, equal_);
        return e != nullptr && token != 0 && e->token == token && now < e->expires ? e : nullptr;
    }
    void remove(entry* e, graveyard& dead) noexcept {
        heap_.erase(e);
        chains_.erase(e);
        e->next = dead.top;
        dead.top = e;
    }
    std::size_t clean(time_point now, std::size_t most, graveyard& dead) noexcept {
        std::size_t n = 0;
        for (; n < most; ++n) {
            entry* const e = heap_.first();
            if (e == nullptr || now < e->due) break;
            remove(e, dead);
        }
        return n;
    }

    lease_table_options const   options_;
    Clock                       clock_;
    Hash                        hash_;
    Equal                       equal_;
    mutable std::mutex          mutex_;
    std::uint64_t               next_token_;
    time_point                  latest_ = time_point::min();
    detail::entry_chains<entry> chains_;
    detail::due_heap<entry>     heap_;
};

struct fence_options {
    std::size_t capacity = 65'536;  ///< most keys remembered; > 0
};

/// What a resource keeps: per key the highest token it has seen. When there are more keys than it can remember, the one with
/// the lowest token goes, and from then on tokens not above that one are refused for keys that are not remembered: a
/// holder that is refused for that reason acquires anew, a late one is never let in.
template <class Key, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
class fence {
public:
    explicit fence(fence_options options = {}, Hash hash = {}, Equal equal = {})
        : options_(options), hash_(std::move(hash)), equal_(std::move(equal)) {
        detail::require_option(options.capacity > 0, "fence: capacity (> 0)", options.capacity);
    }
    fence(fence const&) = delete;
    fence& operator=(fence const&) = delete;
    ~fence() {
        chains_.release_all([](entry* e) { delete e; });
    }

    /// True if no higher token has been seen for the key; then this one has.
    [[nodiscard]] bool check(Key const& key, std::uint64_t token) {
        auto const             hash = detail::entry_hash(hash_, key);
        std::unique_ptr<entry> dead;
        std::lock_guard const  lock(mutex_);
        entry* e = chains_.find(hash, key, equal_);
        if (e != nullptr) {
            if (token < e->token()) return false;
            heap_.move(e, entry::ordered(token));
            return true;
        }
        if (token <= floor_) return false;
        auto fresh = std::make_unique<entry>(key, hash);
        if (chains_.size() >= options_.capacity) {
            if (token < heap_.first()->token()) {  // it would be the one to go
                floor_ = token;
                return true;
            }
            dead.reset(heap_.first());
            floor_ = dead->token();
            heap_.erase(dead.get());
            chains_.erase(dead.get());
        } else {
            chains_.prepare();
            heap_.prepare(chains_.size() + 1);
        }
        e = fresh.release();
        chains_.insert(e);
        heap_.insert(e, entry::ordered(token));
        return true;
    }

    [[nodiscard]] std::size_t size() const {
        std::lock_guard const lock(mutex_);
        return chains_.size();
    }

private:
    struct entry {
        entry(Key const& k, std::uint64_t h) : key(k), hash(h) {}
        Key const           key;
        std::uint64_t const hash;
        entry*              next = nullptr;
        time_point          due{};  ///< the token, in the order of times
        std::size_t         heap_index = 0;

        static constexpr std::uint64_t sign = std::uint64_t{1} << 63;
        [[nodiscard]] std::uint64_t token() const noexcept {
            return static_cast<std::uint64_t>(due.time_since_epoch().count()) ^ sign;
        }
        [[nodiscard]] static time_point ordered(std::uint64_t token) noexcept {
            return time_point(duration(static_cast<std::int64_t>(token ^ sign)));
        }
    };

    fence_options const         options_;
    Hash                        hash_;
    Equal                       equal_;
    mutable std::mutex          mutex_;
    std::uint64_t               floor_ = 0;
    detail::entry_chains<entry> chains_;
    detail::due_heap<entry>     heap_;
};

}  // namespace sluice
