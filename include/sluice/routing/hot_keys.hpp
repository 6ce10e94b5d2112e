// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// hot_keys — finds the keys that get a large share of the requests, while they do.
///
/// Use it for     deciding which keys are spread over several nodes (key_splitter), cached nearby, or limited
/// Not for        exact shares: an answer is never too low and rarely much too high
/// Thread-safety  one thread at a time; one detector for each thread sees that thread's share of the traffic
/// Complexity     record: O(1) for most streams (see space_saving) and four cache lines; nothing is allocated but by keys that
///                allocate themselves. Every half-life one pass over the tables
/// Errors         constructor: std::invalid_argument names the option. What copying a key throws leaves record without effect
/// Units          shares of the requests, 0 to 1, each request weighing half as much after `half_life`
/// Source         stats/space_saving.hpp, stats/count_min.hpp
///
/// Space-Saving keeps the names, Count-Min counts them a second time; both are never too low, so the lower of the two is the
/// estimate. A key becomes hot at `threshold` with the request that brings it there, and cool below `cool` of that when a
/// half-life ends, or when it is so rare that its place is needed. A time that goes back changes nothing.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/hash.hpp>
#include <sluice/stats/count_min.hpp>
#include <sluice/stats/space_saving.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sluice {

struct hot_keys_options {
    double            threshold = 0.01;                       ///< share that makes a key hot; in (0, 1]
    double            cool = 0.5;                             ///< times the threshold, below which it is hot no more; in (0, 1)
    duration          half_life = std::chrono::seconds(10);   ///< > 0
    std::uint64_t     min_count = 16;                         ///< requests of its own that a hot key must have on record; > 0
    std::size_t       capacity = 1024;                        ///< keys kept by name; >= 4 / (threshold · cool)
    count_min_options sketch{};
};

/// One that is hot.
template <class Key>
struct hot_key {
    Key    key{};
    double share = 0;
};

template <std::copyable Key = std::string, class Hash = xxh3>
class hot_keys {
public:
    explicit hot_keys(hot_keys_options o = {}, Hash hash = {})
        : o_(checked(o)), hash_(hash), kept_(o.capacity, std::move(hash)), counts_(o.sketch), hot_(o.capacity, false) {}

    /// n requests for a key. True: it is hot.
    template <class Like>
    bool record(Like const& key, time_point now, std::uint32_t n = 1) {
        advance(now);
        std::uint64_t const hash = hash_(key);
        auto const          at = kept_.add_hashed(key, hash, n);
        std::uint64_t const second = counts_.add(hash, n);
        if (at.is_new) cool_down(at.slot);
        std::uint64_t const estimate = std::min(kept_[at.slot].count, second);
        if (!hot_[at.slot] && estimate >= o_.min_count && share_of(estimate) >= o_.threshold) {
            hot_[at.slot] = true;
            ++hot_count_;
        }
        return hot_[at.slot];
    }

    /// As of the last record or advance.
    template <class Like>
    [[nodiscard]] bool is_hot(Like const& key) const noexcept {
        if (hot_count_ == 0) return false;
        auto const slot = kept_.find(key);
        return slot && hot_[*slot];
    }

    /// The share of any key, never too low; 0 if nothing is on record.
    template <class Like>
    [[nodiscard]] double share(Like const& key) const noexcept {
        std::uint64_t const hash = hash_(key);
        auto const          slot = kept_.find_hashed(key, hash);
        std::uint64_t const count = slot ? kept_[*slot].count : kept_.floor();
        return share_of(std::min<std::uint64_t>(count, counts_.estimate(hash)));
    }

    /// The hot ones, hottest first.
    [[nodiscard]] std::vector<hot_key<Key>> hot() const {
        std::vector<std::pair<double, std::size_t>> order;
        order.reserve(hot_count_);
        for (std::size_t slot = 0; slot < kept_.size(); ++slot)
            if (hot_[slot]) order.emplace_back(-share(kept_[slot].key), slot);
        std::sort(order.begin(), order.end());
        std::vector<hot_key<Key>> result;
        result.reserve(order.size());
        for (auto const& [minus_share, slot] : order) result.push_back({kept_[slot].key, -minus_share});
        return result;
    }
    [[nodiscard]] std::size_t hot_count() const noexcept { return hot_count_; }

    /// Lets time pass without a request.
    void advance(time_point now) noexcept {
        if (!begin_) begin_ = now;
        if (now < *begin_) return;
        auto const passed = saturating_sub(now, *begin_).count() / o_.half_life.count();
        if (passed == 0) return;
        begin_ = *begin_ + duration(passed * o_.half_life.count());
        for (std::int64_t k = 0; k < passed && kept_.total() != 0; ++k) {
            kept_.decay();
            counts_.decay();
        }
        for (std::size_t slot = 0; slot < kept_.size(); ++slot) {
            if (!hot_[slot]) continue;
            auto const& e = kept_[slot];
            auto const  estimate = std::min<std::uint64_t>(e.count, counts_.estimate(hash_(e.key)));
            if (estimate == 0 || share_of(estimate) < o_.threshold * o_.cool) cool_down(slot);
        }
    }

    /// Requests on record, the older ones weighing less.
    [[nodiscard]] std::uint64_t           requests() const noexcept { return kept_.total(); }
    [[nodiscard]] hot_keys_options const& options() const noexcept { return o_; }

private:
    [[nodiscard]] static hot_keys_options const& checked(hot_keys_options const& o) {
        detail::require_option(o.threshold > 0 && o.threshold <= 1, "hot_keys: threshold (in (0, 1])", o.threshold);
        detail::require_option(o.cool > 0 && o.cool < 1, "hot_keys: cool (in (0, 1))", o.cool);
        detail::require_option(o.half_life.count() > 0, "hot_keys: half_life (> 0 ns)", o.half_life.count());
        detail::require_option(o.min_count > 0, "hot_keys: min_count (> 0)", o.min_count);
        // Space-Saving is too high by total / capacity at most: a quarter of the share at which a key cools.
        detail::require_option(static_cast<double>(o.capacity) * (o.threshold * o.cool) >= 4,
                               "hot_keys: capacity (>= 4 / (threshold * cool))", o.capacity);
        return o;
    }

    [[nodiscard]] double share_of(std::uint64_t count) const noexcept {
        auto const total = kept_.total();
        return total == 0 ? 0 : std::min(1.0, static_cast<double>(count) / static_cast<double>(total));
    }
    void cool_down(std::size_t slot) noexcept {
        if (!hot_[slot]) return;
        hot_[slot] = false;
        --hot_count_;
    }

    hot_keys_options            o_;
    [[no_unique_address]] Hash  hash_;
    space_saving<Key, Hash>     kept_;
    count_min                   counts_;
    std::vector<bool>           hot_;  // by slot
    std::size_t                 hot_count_ = 0;
    std::optional<time_point>   begin_;  // of the present half-life
};

}  // namespace sluice
