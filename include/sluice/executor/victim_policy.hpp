// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// victim_policy, victim_ranks, victim_selector — whom a thief asks first.
///
/// Use it for     thread_pool_options::victims; the selector is a plain value that a simulator can drive as well
/// Thread-safety  a selector belongs to one thief
/// Complexity     random, sticky, nearest: O(1) a victim. busiest, history: one pass over all workers a round
/// Errors         std::bad_alloc from the constructors; victim_ranks also std::invalid_argument for more than 32768 workers
/// Units          depths in items; workers are numbered from 0. Without victim_ranks, neighbours in number are taken to be near
///                each other
/// Source         sticky: Taskflow; nearest first: NUMA-aware pools; busiest and the threshold: Eager, Lazowska, Zahorjan,
///                Perform. Eval. 6, 1986, doi:10.1016/0166-5316(86)90008-8
///
/// The threshold is for balancers that move work before they run dry. A worker of thread_pool looks for victims only when it
/// has nothing of its own, and any threshold then comes to "a victim that holds something".
///
/// A round visits every other worker at most once: start_round(), then next() until it says none. Where the policy names
/// a favourite it comes first; the rest follow from a random start, so that thieves do not walk in step.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <span>
#include <utility>
#include <vector>

namespace sluice {

enum class victim_policy : std::uint8_t {
    random,   ///< a random start, then round the circle
    sticky,   ///< the last one that had something, then as random
    busiest,  ///< the one with the most items, then as random
    history,  ///< the one that gave most often of late, then as random
    nearest,  ///< by victim_options::ranks, those of one rank from a random start; without, neighbours in number, up and down
};

/// For each worker the others by distance, nearest first. Made once for a machine; see nearest_victims.
class victim_ranks {
public:
    victim_ranks() = default;

    /// distance(a, b), for all workers a != b, is any number that grows with the distance.
    template <class Distance>
    victim_ranks(std::size_t workers, Distance distance) : workers_(workers) {
        detail::require_option(workers <= last, "victim_ranks (at most 32768 workers)", workers);
        using ranked = std::pair<decltype(distance(std::size_t{}, std::size_t{})), std::uint16_t>;
        std::vector<ranked> row;
        if (workers > 1) order_.reserve(workers * (workers - 1));
        for (std::size_t a = 0; a < workers; ++a) {
            row.clear();
            for (std::size_t b = 0; b < workers; ++b)
                if (b != a) row.emplace_back(distance(a, b), static_cast<std::uint16_t>(b));
            std::sort(row.begin(), row.end());
            for (std::size_t i = 0; i < row.size(); ++i) {
                bool const ends = i + 1 == row.size() || row[i].first < row[i + 1].first;
                order_.push_back(static_cast<std::uint16_t>(row[i].second | (ends ? last : 0)));
            }
        }
    }
    [[nodiscard]] std::size_t workers() const noexcept { return workers_; }
    /// The victims of one worker; the last of each rank has the bit `last` set.
    [[nodiscard]] std::span<std::uint16_t const> of(std::size_t worker) const noexcept {
        return std::span<std::uint16_t const>(order_).subspan(worker * (workers_ - 1), workers_ - 1);
    }
    static constexpr std::uint16_t last = 0x8000;

private:
    std::size_t                workers_ = 0;
    std::vector<std::uint16_t> order_;
};

struct victim_options {
    victim_policy policy = victim_policy::sticky;
    double        threshold = 0;  ///< ask only victims with more than threshold × own depth; 2 is the rule "victim > 2 × own"
    victim_ranks const* ranks = nullptr;  ///< for nearest, outlives the pool; not used if it is for fewer workers than there are
};

class victim_selector {
public:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    /// Requires self < workers.
    victim_selector(victim_options options, std::size_t self, std::size_t workers, std::uint64_t seed)
        : options_(std::move(options)), self_(self), workers_(workers), last_(none), random_(seed),
          score_(options_.policy == victim_policy::history ? std::make_unique<std::uint32_t[]>(workers) : nullptr) {
        if (options_.policy == victim_policy::nearest && options_.ranks != nullptr && workers > 1 && options_.ranks->workers() >= workers)
            ranked_ = options_.ranks->of(self);
    }

    /// Begins a round; depth(i) tells how many items worker i has, as far as can be seen.
    template <class Depth>
    void start_round(Depth depth) noexcept {
        visited_ = 0;
        favourite_ = none;
        start_ = workers_ < 2 ? 0 : static_cast<std::size_t>(uniform_below(random_, workers_));
        switch (options_.policy) {
            case victim_policy::random: break;
            case victim_policy::sticky: favourite_ = last_; break;
            case victim_policy::busiest: {
                std::size_t most = 0;
                for (std::size_t i = 0; i < workers_; ++i) {
                    if (i == self_) continue;
                    std::size_t const n = static_cast<std::size_t>(depth(i));
                    if (n > most) most = n, favourite_ = i;
                }
                break;
            }
            case victim_policy::history: {
                std::uint32_t best = 0;
                for (std::size_t i = 0; i < workers_; ++i)
                    if (i != self_ && score_[i] > best) best = score_[i], favourite_ = i;
                break;
            }
            case victim_policy::nearest: group_ = group_end_ = 0; break;
        }
        if (favourite_ == self_) favourite_ = none;
        favourite_due_ = favourite_ != none;
    }

    /// The next victim of this round, or none.
    [[nodiscard]] std::size_t next() noexcept {
        if (favourite_due_) {
            favourite_due_ = false;
            return favourite_;
        }
        if (!ranked_.empty()) return next_ranked();
        while (visited_ < workers_) {
            std::size_t const step = visited_++;
            std::size_t       i;
            if (options_.policy == victim_policy::nearest) {  // 0, +1, -1, +2, -2, …
                std::size_t const far = (step + 1) / 2;
                i = step % 2 == 1 ? (self_ + far) % workers_ : (self_ + workers_ - far) % workers_;
            } else {
                i = start_ + step;
                if (i >= workers_) i -= workers_;
            }
            if (i != self_ && i != favourite_) return i;
        }
        return none;
    }

    /// Whether a victim of that depth is worth asking by the threshold rule.
    [[nodiscard]] bool worth(std::size_t victim_depth, std::size_t own_depth) const noexcept {
        return victim_depth > 0 && static_cast<double>(victim_depth) > options_.threshold * static_cast<double>(own_depth);
    }

    /// What came of asking `victim`.
    void succeeded(std::size_t victim) noexcept {
        last_ = victim;
        if (score_ != nullptr) {
            for (std::size_t i = 0; i < workers_; ++i) score_[i] -= score_[i] / 8;
            score_[victim] += 64;
        }
    }
    void failed(std::size_t victim) noexcept {
        if (last_ == victim) last_ = none;
        if (score_ != nullptr) score_[victim] -= (score_[victim] + 7) / 8;
    }

private:
    /// Through the ranks, each from the random start of this round.
    std::size_t next_ranked() noexcept {
        for (;;) {
            if (visited_ == group_end_) {
                if (group_end_ == ranked_.size()) return none;
                group_ = group_end_;
                while ((ranked_[group_end_++] & victim_ranks::last) == 0) {}
            }
            std::size_t const size = group_end_ - group_;
            std::size_t const i = ranked_[group_ + (start_ + visited_++) % size] & ~unsigned{victim_ranks::last};
            if (i < workers_) return i;
        }
    }

    victim_options   options_;
    std::size_t      self_;
    std::size_t      workers_;
    std::size_t      last_;
    std::size_t      favourite_ = none;
    std::size_t      start_ = 0;
    std::size_t      visited_ = 0;
    std::size_t      group_ = 0;      // the rank that is being visited: ranked_[group_] …
    std::size_t      group_end_ = 0;  // … ranked_[group_end_ - 1]
    std::span<std::uint16_t const> ranked_{};
    bool             favourite_due_ = false;
    xoshiro256ss     random_;
    std::unique_ptr<std::uint32_t[]> score_;  // history: recent successes, decayed by an eighth with each
};

}  // namespace sluice
