// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::key_shards — exact keys with any kind of limiter, in a fixed number of places behind mutexes.
///
/// Use it for     keyed_exact
/// Thread-safety  every member: any thread. Destruction: after everyone has left
/// Progress       a mutex per shard, held while the limiter is asked
/// Complexity     O(1) expected; a new key in a full shard looks at 64 places
/// Errors         the constructor may throw std::bad_alloc, and what making a limiter throws. A new key may throw what copying
///                it and making its limiter throw; at most a place has then become free
/// Units          capacity in keys

#include <sluice/core/clock.hpp>
#include <sluice/flow/detail/key_table.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace sluice::detail {

template <class Limiter>
struct limiter_maker {
    virtual ~limiter_maker() = default;
    virtual void make(std::optional<Limiter>& place) const = 0;
};

template <class Limiter, class Options, class Clock>
struct limiter_maker_of final : limiter_maker<Limiter> {
    Options options;
    Clock   clock;
    limiter_maker_of(Options const& o, Clock const& c) : options(o), clock(c) {}
    void make(std::optional<Limiter>& place) const override { place.emplace(options, clock); }
};

template <class Key, class Limiter>
class key_shards {
public:
    /// A state is forgotten when it has been as good as new for so long: callers may be so much behind each other.
    static constexpr duration slack{1'000'000};

    key_shards(std::unique_ptr<limiter_maker<Limiter>> maker, std::size_t capacity, std::size_t shards, when_full policy)
        : maker_(std::move(maker)), policy_(policy), capacity_(capacity) {
        if (capacity > SIZE_MAX / sizeof(place) / 2) throw std::bad_alloc();
        maker_->make(fresh_);
        if (policy_ == when_full::share_overflow) maker_->make(overflow_);
        if (shards == 0) shards = std::clamp<std::size_t>(capacity / 256, 1, 64);
        shards = std::min(shards, capacity);
        for (std::size_t i = 0; i < shards; ++i)
            shards_.push_back(std::make_unique<shard>(capacity / shards + (i < capacity % shards ? 1 : 0)));
    }

    /// f(limiter, owner) for the key's limiter, made if there is none, or for the overflow with owner 0; otherwise
    /// denied(retry_after).
    template <class View, class F, class Denied>
    auto with(std::uint64_t hash, View const& key, time_point now, F f, Denied denied) {
        auto&                 s = shard_of(hash);
        std::lock_guard const lock(s.mutex);
        auto                  i = s.find(hash, key);
        if (i == none) {
            if (now < s.horizon) return denied(saturating_sub(s.horizon, now));
            // What the key had from the overflow is not known there by its name: until that is as new, it stays with it.
            if (overflow_ && !fresh(*overflow_, now)) return f(*overflow_, std::uint64_t{0});
            i = room(s, now);
            if (i == none) return overflow_ ? f(*overflow_, std::uint64_t{0}) : denied(slack);
            s.put(i, hash, key, *maker_);
        }
        s.places[i].last = std::max(s.places[i].last, now);
        return f(*s.places[i].limiter, s.places[i].owner);
    }

    /// f(limiter) for the key's limiter, or for a fresh one if there is none, or denied(retry_after).
    template <class View, class F, class Denied>
    auto look(std::uint64_t hash, View const& key, time_point now, F f, Denied denied) const {
        auto&                 s = shard_of(hash);
        std::lock_guard const lock(s.mutex);
        auto const            i = s.find(hash, key);
        if (i != none) return f(*s.places[i].limiter);
        if (now < s.horizon) return denied(saturating_sub(s.horizon, now));
        return overflow_ ? f(*overflow_) : f(*fresh_);
    }

    /// f(limiter) if the limiter whose receipt it is still lives.
    template <class View, class F>
    std::uint64_t undo(std::uint64_t hash, View const& key, std::uint64_t owner, F f) {
        if (owner == 0) return overflow_ ? f(*overflow_) : 0;
        auto&                 s = shard_of(hash);
        std::lock_guard const lock(s.mutex);
        auto const            i = s.find(hash, key);
        return i != none && s.places[i].owner == owner ? f(*s.places[i].limiter) : 0;
    }

    std::size_t sweep(time_point now) {
        std::size_t n = 0;
        for (auto& s : shards_) {
            std::lock_guard const lock(s->mutex);
            for (std::size_t i = 0; i < s->places.size(); ++i) n += forget(*s, i, now) ? 1 : 0;
        }
        return n;
    }

    [[nodiscard]] std::size_t size_approx() const {
        std::size_t n = 0;
        for (auto& s : shards_) {
            std::lock_guard const lock(s->mutex);
            n += s->used;
        }
        return n;
    }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::size_t memory_bytes() const noexcept {
        auto bytes = sizeof *this;
        for (auto& s : shards_) bytes += sizeof *s + s->places.size() * sizeof(place) + s->heads.size() * sizeof(std::size_t);
        return bytes;
    }

private:
    static constexpr std::size_t none = SIZE_MAX;

    struct place {
        std::optional<Key>     key{};
        std::optional<Limiter> limiter{};
        std::uint64_t          hash = 0;
        std::uint64_t          owner = 0;
        time_point             last = time_point::min();
        std::size_t            next = none;
    };

    struct shard {
        explicit shard(std::size_t n) : places(n), heads(n, none) {
            for (std::size_t i = 0; i < n; ++i) places[i].next = i + 1 < n ? i + 1 : none;
        }

        template <class View>
        [[nodiscard]] std::size_t find(std::uint64_t hash, View const& key) const noexcept {
            auto i = heads[chain(hash)];
            while (i != none && !(places[i].hash == hash && *places[i].key == key)) i = places[i].next;
            return i;
        }

        /// The first free place becomes the key's.
        template <class View>
        void put(std::size_t i, std::uint64_t hash, View const& key, limiter_maker<Limiter> const& maker) {
            auto& p = places[i];
            p.key.emplace(key);
            try {
                maker.make(p.limiter);
            } catch (...) {
                p.key.reset();
                throw;
            }
            unused = p.next;
            p.hash = hash;
            p.owner = ++owners;
            p.last = time_point::min();
            p.next = std::exchange(heads[chain(hash)], i);
            ++used;
        }

        void remove(std::size_t i) noexcept {
            auto* link = &heads[chain(places[i].hash)];
            while (*link != i) link = &places[*link].next;
            *link = places[i].next;
            places[i].limiter.reset();
            places[i].key.reset();
            places[i].next = std::exchange(unused, i);
            --used;
        }

        [[nodiscard]] std::size_t chain(std::uint64_t hash) const noexcept {
            return static_cast<std::size_t>(multiply_wide(hash, heads.size()).high);
        }

        mutable std::mutex       mutex{};
        std::vector<place>       places;
        std::vector<std::size_t> heads;
        std::size_t              unused = 0;
        std::size_t              used = 0;
        std::size_t              hand = 0;
        std::uint64_t            owners = 0;
        time_point               horizon = time_point::min();
    };

    [[nodiscard]] shard& shard_of(std::uint64_t hash) const noexcept {
        return *shards_[static_cast<std::size_t>(hash % shards_.size())];
    }

    [[nodiscard]] bool fresh(Limiter const& l, time_point now) const {
        auto const before = saturating_add(now, -slack);
        return l.peek(0, before).remaining >= fresh_->peek(0, before).remaining;
    }

    bool forget(shard& s, std::size_t i, time_point now) {
        if (!s.places[i].key || !fresh(*s.places[i].limiter, now)) return false;
        s.horizon = std::max(s.horizon, saturating_add(now, -slack));
        s.remove(i);
        return true;
    }

    /// A free place, or none.
    [[nodiscard]] std::size_t room(shard& s, time_point now) {
        if (s.unused != none) return s.unused;
        auto const  n = std::min<std::size_t>(s.places.size(), 64);
        std::size_t oldest = s.hand;
        for (std::size_t k = 0; k < n; ++k, s.hand = s.hand + 1 == s.places.size() ? 0 : s.hand + 1) {
            if (forget(s, s.hand, now)) return s.unused;
            if (s.places[s.hand].last < s.places[oldest].last) oldest = s.hand;
        }
        if (policy_ != when_full::evict_oldest) return none;
        s.remove(oldest);
        return s.unused;
    }

    std::unique_ptr<limiter_maker<Limiter>> maker_;
    when_full                               policy_;
    std::size_t                             capacity_;
    std::optional<Limiter>                  fresh_;
    std::optional<Limiter>                  overflow_;
    std::vector<std::unique_ptr<shard>>     shards_;
};

}  // namespace sluice::detail
