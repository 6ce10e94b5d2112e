// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// primed_cache — a cache whose values are renewed before anybody has to wait: one caller renews, the others take the old.
///
/// Use it for     values that are expensive to make, asked for by many threads, and good for a while
/// Not for        a cache that picks what to evict by use: the one that was made longest ago goes first
/// Thread-safety  any thread; the random source belongs to the calling thread
/// Progress       a mutex around look-ups, never held while a load runs. A caller waits for another's load only when there is
///                no value to give it meanwhile
/// Complexity     O(log n) expected; at most `capacity` values
/// Errors         an exception of the load: with no old value it goes to all who wait for it, as in single_flight; with one,
///                everybody gets the old value (status `stale` for the caller whose load failed) until ttl + stale are over.
///                A load that asks for its own key, where it would have to wait for itself: std::logic_error.
///                std::bad_alloc and a throwing hash, equality or copy of a key have no effect. Impossible options:
///                std::invalid_argument
/// Units          times in integer nanoseconds. A load's own duration is measured on the clock
///
/// A value is fresh for `ttl`. During that time a reader renews it early by chance (early_refresh), and for `stale` after it
/// the first reader renews it while the others are given the old one. After that all wait for one load. A load that fails is
/// tried again by the next reader who comes: there is no pause between tries (circuit_breaker).

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/flow/detail/entry_table.hpp>
#include <sluice/flow/early_refresh.hpp>
#include <sluice/flow/single_flight.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

namespace sluice {

struct primed_cache_options {
    duration    ttl = std::chrono::minutes(1);  ///< how long a value is fresh; > 0
    duration    stale{0};                       ///< how long after that it may be given while it is renewed; >= 0
    double      beta = 1.0;                     ///< early_refresh's
    std::size_t capacity = 65'536;              ///< most values; > 0
};

enum class cache_status : std::uint8_t {
    hit,        ///< a value that was there and is fresh
    stale,      ///< an old one, while it is renewed or because that failed
    refreshed,  ///< this caller renewed it before or after its time
    loaded,     ///< there was none; this caller made it
    waited,     ///< there was none; another made it
    timed_out,  ///< there was none in time
    cancelled   ///< a stop was requested while waiting
};

template <class Value>
struct [[nodiscard]] cached {
    cache_status                 status;
    std::shared_ptr<Value const> value;  ///< null for timed_out and cancelled

    [[nodiscard]] explicit operator bool() const noexcept { return value != nullptr; }
    Value const& operator*() const noexcept { return *value; }
    Value const* operator->() const noexcept { return value.get(); }
};

template <class Key, class Value, clock_source Clock = steady_clock, class Hash = std::hash<Key>,
          class Equal = std::equal_to<Key>>
class primed_cache {
    static_assert(!std::is_void_v<Value>);

public:
    explicit primed_cache(primed_cache_options options = {}, Clock clock = {}, Hash hash = {}, Equal equal = {})
        : options_(options), early_({.beta = options.beta}), clock_(clock), hash_(hash), equal_(equal),
          flights_({}, clock, hash, equal) {
        detail::require_option(options.ttl.count() > 0, "primed_cache: ttl in ns (> 0)", options.ttl.count());
        detail::require_option(options.stale.count() >= 0, "primed_cache: stale in ns (>= 0)", options.stale.count());
        detail::require_option(options.capacity > 0, "primed_cache: capacity (> 0)", options.capacity);
    }
    primed_cache(primed_cache const&) = delete;
    primed_cache& operator=(primed_cache const&) = delete;
    ~primed_cache() {
        chains_.release_all([](entry* e) { delete e; });
    }

    /// The value for the key; load() makes one if this caller is the one to do it.
    template <class F, random_source Random>
    cached<Value> get(Key const& key, F&& load, Random& random, once_limits const& limits = {}) {
        auto const hash = detail::entry_hash(hash_, key);
        auto const found = find(hash, key);
        if (found.value != nullptr) {
            bool const due = found.left.count() <= 0;
            if (!due && !early_.should_refresh(found.left, found.delta, random)) return {cache_status::hit, found.value};
            // Somebody is at it: take the old one. Nobody: it is for this caller to do.
            auto mine = flights_.join(key);
            if (!mine.leads()) return {due ? cache_status::stale : cache_status::hit, found.value};
            if (auto again = find(hash, key); again.value != found.value && again.left.count() > 0)
                return {cache_status::hit, again.value};  // just renewed: the ticket abandons
            mine.runs_here();
            try {
                auto value = make(hash, key, load);
                mine.complete(value);
                return {cache_status::refreshed, std::move(value)};
            } catch (...) {
                mine.abandon();
                if (clock_.now() >= found.until) throw;  // by now the old value is too old
                return {cache_status::stale, found.value};
            }
        }
        bool       ran = false;
        auto const result = flights_.run(
            key,
            [&]() -> std::shared_ptr<Value const> {
                if (auto again = find(hash, key); again.value != nullptr && again.left.count() > 0) return again.value;
                ran = true;
                return make(hash, key, load);
            },
            limits);
        if (result) return {ran ? cache_status::loaded : cache_status::waited, *result};
        return {result.status() == run_status::cancelled ? cache_status::cancelled : cache_status::timed_out, nullptr};
    }

    /// Puts a value in: priming before the first reader comes. `delta` is how long it took to make.
    void put(Key const& key, Value value, duration delta = {}) {
        store(detail::entry_hash(hash_, key), key, std::make_shared<Value const>(std::move(value)), delta, clock_.now());
    }

    /// Whether there was a value. A load that is under way still puts its own in.
    bool erase(Key const& key) {
        auto const             hash = detail::entry_hash(hash_, key);
        std::unique_ptr<entry> dead;
        std::lock_guard const  lock(mutex_);
        dead.reset(chains_.find(hash, key, equal_));
        if (dead == nullptr) return false;
        heap_.erase(dead.get());
        chains_.erase(dead.get());
        return true;
    }

    [[nodiscard]] std::size_t size() const {
        std::lock_guard const lock(mutex_);
        return chains_.size();
    }

private:
    struct entry {
        entry(Key const& k, std::uint64_t h) : key(k), hash(h) {}
        Key const                    key;
        std::uint64_t const          hash;
        entry*                       next = nullptr;
        time_point                   due{};  ///< when it is no longer fresh
        std::size_t                  heap_index = 0;
        duration                     delta{};
        std::shared_ptr<Value const> value;
    };
    struct look_up {
        std::shared_ptr<Value const> value;
        duration                     left{};   ///< until it is no longer fresh
        duration                     delta{};
        time_point                   until{};  ///< when it may no longer be given
    };

    [[nodiscard]] look_up find(std::uint64_t hash, Key const& key) {
        auto const            now = clock_.now();
        std::lock_guard const lock(mutex_);
        if (latest_ < now) latest_ = now;
        entry const* const e = chains_.find(hash, key, equal_);
        if (e == nullptr) return {};
        auto const until = saturating_add(e->due, options_.stale);
        if (latest_ >= until) return {};
        return {e->value, saturating_sub(e->due, latest_), e->delta, until};
    }

    template <class F>
    std::shared_ptr<Value const> make(std::uint64_t hash, Key const& key, F& load) {
        auto const begun = clock_.now();
        auto       value = std::make_shared<Value const>(load());
        auto const now = clock_.now();
        store(hash, key, value, saturating_sub(now, begun), now);
        return value;
    }

    void store(std::uint64_t hash, Key const& key, std::shared_ptr<Value const> value, duration delta, time_point now) {
        auto                   fresh = std::make_unique<entry>(key, hash);
        std::unique_ptr<entry> dead;
        std::lock_guard const  lock(mutex_);
        if (latest_ < now) latest_ = now;
        auto const due = saturating_add(latest_, options_.ttl);
        if (entry* const e = chains_.find(hash, key, equal_)) {
            e->value.swap(value);
            e->delta = delta;
            heap_.move(e, due);
            return;
        }
        if (chains_.size() >= options_.capacity) {
            dead.reset(heap_.first());
            heap_.erase(dead.get());
            chains_.erase(dead.get());
        } else {
            chains_.prepare();
            heap_.prepare(chains_.size() + 1);
        }
        fresh->value = std::move(value);
        fresh->delta = delta;
        chains_.insert(fresh.get());
        heap_.insert(fresh.release(), due);
    }

    primed_cache_options const                                            options_;
    early_refresh const                                                   early_;
    Clock                                                                 clock_;
    Hash                                                                  hash_;
    Equal                                                                 equal_;
    single_flight<Key, std::shared_ptr<Value const>, Clock, Hash, Equal> flights_;
    mutable std::mutex                                                    mutex_;
    time_point                                                            latest_ = time_point::min();
    detail::entry_chains<entry>                                           chains_;
    detail::due_heap<entry>                                               heap_;
};

}  // namespace sluice
