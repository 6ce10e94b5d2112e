// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// load_shedder, upstream_filter, level_history, graded_shedder — whom to refuse when not all can be served: the least
/// important first, and no more than necessary.
///
/// Use it for     a server whose requests differ in importance; refusing them at the entrance, or one hop earlier
/// Not for        requests of equal importance (bounded_queue with a bound on delay), quotas (token_bucket), a flood from
///                cohort 0: that is never refused here, so bound the queue as well
/// Thread-safety  any thread; a generator belongs to the caller
/// Progress       admits: wait-free. try_admit and note_queueing: wait-free, but for the one call in a window that moves the
///                threshold under a mutex. level_history: a mutex
/// Complexity     O(1); the end of a window and a quantile O(cohorts)
/// Errors         std::invalid_argument for numbers of 0, times <= 0, shares out of range; std::bad_alloc when made. The
///                rest is noexcept
/// Units          cohorts: priority · 128 + user level, 0 the most important; times in integer nanoseconds
/// Source         Zhou et al., Overload Control for Scaling WeChat Microservices, SoCC 2018, doi:10.1145/3267809.3267823
///                (DAGOR); failsafe-go (quantile of levels)
/// Differs        from DAGOR: without overload the threshold rises by one cohort that sent something at least, or it would
///                stay at zero; and by `max_rise` cohorts at most, because an upstream filter hides who would come
///
///     sluice::load_shedder shedder({.priorities = 4});
///     auto const c = sluice::cohort_of(priority, user_hash, clock.now());
///     if (!shedder.try_admit(c)) return reply(503, shedder.threshold());     // the caller's upstream_filter learns
///     …at the head of the queue:  shedder.note_queueing(now - enqueued_at);  // also for what has expired there
///
/// A window without a sample looks idle. Where nothing may leave the queue for a whole window, report the age of its oldest
/// request in between. A `now` behind the window's begin ends none; one far ahead keeps the following windows from ending by
/// time until one has ended by number.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/floor_divide.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/mix64.hpp>
#include <sluice/core/random.hpp>
#include <sluice/flow/load_level.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

namespace sluice {

inline constexpr std::uint32_t user_levels = 128;  ///< below each business priority

/// The level of a user in one hour: spread evenly, the same for all his requests, another one in the next hour, so that
/// nobody is always refused. The hash may be any; it is mixed again.
[[nodiscard]] constexpr std::uint32_t user_level(std::uint64_t user_hash, time_point now) noexcept {
    constexpr std::int64_t hour = 3'600'000'000'000;
    auto const             epoch = static_cast<std::uint64_t>(detail::floor_divide(now.time_since_epoch().count(), hour));
    return static_cast<std::uint32_t>(mix64(user_hash ^ mix64(epoch + 0x9E3779B97F4A7C15u)) >> 57);
}

/// Who belongs together: a business priority, 0 the most important, and a user level.
[[nodiscard]] constexpr std::uint32_t cohort_of(std::uint32_t priority, std::uint32_t level) noexcept {
    auto const p = std::min<std::uint32_t>(priority, (1u << 24) - 1);
    return p * user_levels + std::min(level, user_levels - 1);
}
[[nodiscard]] constexpr std::uint32_t cohort_of(std::uint32_t priority, std::uint64_t user_hash, time_point now) noexcept {
    return cohort_of(priority, user_level(user_hash, now));
}

/// How many cohorts are served, the most important ones: small enough for every reply.
using admission_threshold = std::uint32_t;

struct load_shedder_options {
    std::uint32_t priorities = 5;                                 ///< business priorities; 1 … 4096
    duration      window = std::chrono::seconds(1);               ///< the threshold moves so often,
    std::uint32_t window_requests = 2000;                         ///< or after so many requests
    duration      target = std::chrono::milliseconds(20);         ///< overload: the mean time in the queue is above
    double        decrease = 0.05;                                ///< then serve so much less of what was admitted; (0, 1)
    double        increase = 0.01;                                ///< otherwise so much more; (0, 1)
    double        max_rise = 1.0 / 16;                            ///< of all cohorts, in one window; (0, 1]
};

// Ordering
//   (A) threshold  end of a window: store release, under the mutex   -> admits: acquire
//   (B) window     end of a window: begin_ release, under the mutex  -> acquire: who sees the new one does not end the old
//   (C) number     fetch_add, exchange relaxed: counts for the histogram. One that is counted while a window ends belongs
//                  to the old or to the new one
//   (H) hint       relaxed, under the mutex or checked again there

/// Admission by cohorts. The threshold moves once in a window, so that about decrease or increase of the requests admitted
/// in the last one are refused or served in addition, by the histogram of who came. Cohort 0 is always served.
template <clock_source Clock = steady_clock, template <class> class Atom = std::atomic>
class load_shedder {
public:
    explicit load_shedder(load_shedder_options options = {}, Clock clock = {})
        : options_(checked(options)), clock_(std::move(clock)), cohorts_(options.priorities * user_levels),
          came_(new Atom<std::uint32_t>[cohorts_]), threshold_(cohorts_) {
        for (std::uint32_t c = 0; c < cohorts_; ++c) came_[c].store(0, std::memory_order_relaxed);  // (H)
    }
    load_shedder(load_shedder const&) = delete;
    load_shedder& operator=(load_shedder const&) = delete;

    /// Counts the request and says whether to serve it. A cohort beyond the last counts as the last.
    [[nodiscard]] bool try_admit(std::uint32_t cohort, time_point now) noexcept {
        cohort = std::min(cohort, cohorts_ - 1);
        bool const admitted = admits(cohort);
        came_[cohort].fetch_add(1, std::memory_order_relaxed);                                          // (C)
        std::uint32_t const n = requests_.fetch_add(1, std::memory_order_relaxed) + 1;                  // (C)
        if (n >= options_.window_requests || over(now)) end_window(now);
        return admitted;
    }
    [[nodiscard]] bool try_admit(std::uint32_t cohort) noexcept { return try_admit(cohort, clock_.now()); }

    /// Whether a request of this cohort would be served; counts nothing.
    [[nodiscard]] bool admits(std::uint32_t cohort) const noexcept { return std::min(cohort, cohorts_ - 1) < threshold(); }

    /// How long an admitted request was in the queue, from its end there, whatever became of it. Less than 0 counts as 0,
    /// more than a quarter of an hour as that.
    void note_queueing(duration waited, time_point now) noexcept {
        constexpr std::int64_t longest = 900'000'000'000;
        // The sum of the 2^22 samples that a window takes, and of a few more, stays below 2^62.
        if (waits_.load(std::memory_order_relaxed) < (1u << 22)) {                                      // (H)
            waits_.fetch_add(1, std::memory_order_relaxed);                                             // (C)
            waited_.fetch_add(static_cast<std::uint64_t>(std::clamp(waited.count(), std::int64_t{0}, longest)),
                              std::memory_order_relaxed);                                               // (C)
        }
        if (over(now)) end_window(now);
    }
    void note_queueing(duration waited) noexcept { note_queueing(waited, clock_.now()); }

    [[nodiscard]] admission_threshold threshold() const noexcept {
        return threshold_.load(std::memory_order_acquire);  // (A)
    }
    [[nodiscard]] std::uint32_t cohorts() const noexcept { return cohorts_; }

    /// Where a threshold goes after a window in which `came[c]` requests of cohort c came. No state. Requires options that
    /// the constructor takes; a threshold beyond the cohorts counts as all of them.
    [[nodiscard]] static admission_threshold next(admission_threshold threshold, std::vector<std::uint32_t> const& came,
                                                  bool overload, load_shedder_options const& o) noexcept {
        auto const    cohorts = static_cast<std::uint32_t>(came.size());
        std::uint64_t admitted = 0;
        threshold = std::min(threshold, cohorts);
        for (std::uint32_t c = 0; c < threshold; ++c) admitted += came[c];
        if (overload) {
            // `decrease` less, or a little more than that, as whole cohorts allow.
            auto const less = static_cast<std::uint64_t>(part(o.decrease, admitted));
            auto const wanted = admitted - std::min(std::max<std::uint64_t>(less, 1), admitted);
            while (threshold > 1 && admitted > wanted) admitted -= came[--threshold];
            return threshold;
        }
        auto const more = static_cast<std::uint64_t>(part(o.increase, admitted));
        auto const wanted = admitted + std::max<std::uint64_t>(more, 1);
        auto const rise = std::max(1u, static_cast<std::uint32_t>(o.max_rise * static_cast<double>(cohorts)));
        auto const highest = cohorts - threshold > rise ? threshold + rise : cohorts;
        while (threshold < highest && admitted < wanted) admitted += came[threshold++];
        return threshold;
    }

private:
    [[nodiscard]] static load_shedder_options const& checked(load_shedder_options const& o) {
        using detail::require_option;
        require_option(o.priorities > 0 && o.priorities <= 4096, "load_shedder: priorities (1 to 4096)", o.priorities);
        require_option(o.window.count() > 0, "load_shedder: window (> 0 ns)", o.window.count());
        require_option(o.window_requests > 0, "load_shedder: window_requests (> 0)", o.window_requests);
        require_option(o.target.count() > 0, "load_shedder: target (> 0 ns)", o.target.count());
        require_option(o.decrease > 0 && o.decrease < 1, "load_shedder: decrease in (0, 1)", o.decrease);
        require_option(o.increase > 0 && o.increase < 1, "load_shedder: increase in (0, 1)", o.increase);
        require_option(o.max_rise > 0 && o.max_rise <= 1, "load_shedder: max_rise in (0, 1]", o.max_rise);
        return o;
    }

    /// Rounded up, but not for the rounding of a product that is whole.
    [[nodiscard]] static double part(double share, std::uint64_t of) noexcept {
        return std::ceil(share * static_cast<double>(of) - 1e-6);
    }

    [[nodiscard]] bool over(time_point now) const noexcept {
        std::int64_t const begin = begin_.load(std::memory_order_acquire);  // (B)
        return begin == unset || saturating_sub(now, time_point(duration(begin))) >= options_.window;
    }

    void end_window(time_point now) noexcept {
        std::unique_lock const lock(mutex_, std::try_to_lock);
        if (!lock.owns_lock()) return;  // somebody is at it
        std::int64_t const begin = begin_.load(std::memory_order_relaxed);  // (H)
        std::int64_t const t = now.time_since_epoch().count();
        if (begin == unset) {  // the first window begins with the first call
            begin_.store(std::max(t, unset + 1), std::memory_order_release);  // (B)
            if (requests_.load(std::memory_order_relaxed) < options_.window_requests) return;  // (H)
        } else if (requests_.load(std::memory_order_relaxed) < options_.window_requests && !over(now)) {  // (H)
            return;
        }
        for (std::uint32_t c = 0; c < cohorts_; ++c) seen_[c] = came_[c].exchange(0, std::memory_order_relaxed);  // (C)
        (void)requests_.exchange(0, std::memory_order_relaxed);                                                  // (C)
        std::uint64_t const waits = waits_.exchange(0, std::memory_order_relaxed);                               // (C)
        std::uint64_t const sum = waited_.exchange(0, std::memory_order_relaxed);                                // (C)
        bool const          overload = waits > 0 && sum / waits >= target() && (sum / waits > target() || sum % waits > 0);
        threshold_.store(next(threshold_.load(std::memory_order_relaxed), seen_, overload, options_),            // (H)
                         std::memory_order_release);                                                             // (A)
        // A window that was ended by number and begins more than one ahead was begun by a clock that was ahead.
        bool const ahead = saturating_sub(time_point(duration(begin)), now) > options_.window;
        std::int64_t const next_begin = ahead || begin == unset ? std::max(t, unset + 1) : std::max(begin, t);
        begin_.store(next_begin, std::memory_order_release);                                                     // (B)
    }
    [[nodiscard]] std::uint64_t target() const noexcept { return static_cast<std::uint64_t>(options_.target.count()); }

    static constexpr std::int64_t unset = INT64_MIN;

    load_shedder_options                   options_;
    [[no_unique_address]] Clock            clock_;
    std::uint32_t                          cohorts_;
    std::unique_ptr<Atom<std::uint32_t>[]> came_;
    std::vector<std::uint32_t>             seen_ = std::vector<std::uint32_t>(cohorts_);  // under the mutex
    std::mutex                             mutex_;
    Atom<admission_threshold>              threshold_;
    Atom<std::uint32_t>                    requests_{0};
    Atom<std::uint32_t>                    waits_{0};
    Atom<std::uint64_t>                    waited_{0};
    Atom<std::int64_t>                     begin_{unset};
};

struct upstream_filter_options {
    std::uint32_t priorities = 5;                      ///< as the callee's
    duration      memory = std::chrono::seconds(2);    ///< how long a threshold holds; to 2^20 ns
};

// Ordering
//   (L) learned  store release -> admits: acquire. One word: the threshold, 20 bits, and until when it holds, in 2^20 ns

/// The other end: a caller refuses on the spot what the callee would refuse, by the threshold of its last reply. What it has
/// learned holds for `memory` only, so that a callee nobody asks any more is asked again. At a time of more than that before
/// the reply, too, it does not hold: a reply with a time far ahead closes the way to the callee for no longer.
template <clock_source Clock = steady_clock, template <class> class Atom = std::atomic>
class upstream_filter {
public:
    explicit upstream_filter(upstream_filter_options options = {}, Clock clock = {})
        : options_(options), clock_(std::move(clock)) {
        detail::require_option(options.priorities > 0 && options.priorities <= 4096,
                               "upstream_filter: priorities (1 to 4096)", options.priorities);
        detail::require_option(options.memory.count() > 0, "upstream_filter: memory (> 0 ns)", options.memory.count());
    }

    /// The threshold that came with a reply. Of several, the last that was told holds.
    void learn(admission_threshold threshold, time_point now) noexcept {
        auto const until = static_cast<std::uint64_t>(saturating_add(now, options_.memory).time_since_epoch().count() >> 20);
        word_.store(until << 20 | std::min(threshold, most), std::memory_order_release);  // (L)
    }
    void learn(admission_threshold threshold) noexcept { learn(threshold, clock_.now()); }

    [[nodiscard]] bool admits(std::uint32_t cohort, time_point now) const noexcept {
        std::uint64_t const w = word_.load(std::memory_order_acquire);  // (L)
        cohort = std::min(cohort, options_.priorities * user_levels - 1);
        if (cohort < static_cast<std::uint32_t>(w & most)) return true;
        std::int64_t const left = (static_cast<std::int64_t>(w) >> 20) - (now.time_since_epoch().count() >> 20);
        return left < 0 || left / 2 > (options_.memory.count() >> 20);
    }
    [[nodiscard]] bool admits(std::uint32_t cohort) const noexcept { return admits(cohort, clock_.now()); }

private:
    static constexpr admission_threshold most = (1u << 20) - 1;  // above every cohort

    upstream_filter_options     options_;
    [[no_unique_address]] Clock clock_;
    Atom<std::uint64_t>         word_{most};
};

/// The levels of the last requests, higher the more important, and the level below which a given share of them lies.
class level_history {
public:
    /// Levels 0 … levels - 1; remembers the last `window` of them.
    explicit level_history(std::uint32_t levels = 500, std::uint32_t window = 1000) : count_(levels), window_(window) {
        detail::require_option(levels > 0, "level_history: levels (> 0)", levels);
        detail::require_option(window > 0, "level_history: window (> 0)", window);
        last_.reserve(window);
    }

    /// A level beyond the last counts as the last.
    void record(std::uint32_t level) noexcept {
        std::lock_guard const lock(mutex_);
        level = std::min(level, static_cast<std::uint32_t>(count_.size() - 1));
        if (last_.size() < window_) {
            last_.push_back(level);
        } else {
            --count_[last_[oldest_]];
            last_[oldest_] = level;
            oldest_ = oldest_ + 1 == last_.size() ? 0 : oldest_ + 1;
        }
        ++count_[level];
    }

    /// The smallest level that at least a share q of the levels does not exceed: refusing what is below it refuses at most
    /// q. q below 0 or NaN counts as 0, above 1 as 1. 0 while nothing is recorded.
    [[nodiscard]] std::uint32_t quantile(double q) const noexcept {
        std::lock_guard const lock(mutex_);
        if (last_.empty()) return 0;
        auto const n = static_cast<double>(last_.size());
        double const wanted = q > 0 ? std::ceil(std::min(q, 1.0) * n - 1e-9) : 0;
        auto const   rank = std::max<std::uint64_t>(static_cast<std::uint64_t>(std::max(wanted, 0.0)), 1);
        std::uint64_t sum = 0;
        for (std::uint32_t level = 0;; ++level)
            if (sum += count_[level]; sum >= rank) return level;
    }

    /// Whether a request of this level is served when a share of them must go: every level from the quantile up.
    [[nodiscard]] bool admits(std::uint32_t level, double refused_share) const noexcept {
        return !(refused_share > 0) || level >= quantile(refused_share);
    }

private:
    mutable std::mutex         mutex_;
    std::vector<std::uint64_t> count_;
    std::uint32_t              window_;
    std::vector<std::uint32_t> last_;
    std::size_t                oldest_ = 0;
};

struct graded_shedder_options {
    /// A row for each class, the most important first: the shares to refuse at green, yellow, red, black. Rising in each.
    std::vector<std::array<double, 4>> refused = {{0, 0, 0, 0}, {0, 0, 0.1, 0.5}, {0, 0, 0.5, 0.9}, {0, 0.25, 0.9, 1}};
};

/// Refuses a share of each class that grows with the load level: gradual, not all or nothing.
class graded_shedder {
public:
    explicit graded_shedder(graded_shedder_options options = {}) : refused_(std::move(options.refused)) {
        if (refused_.empty()) throw std::invalid_argument("sluice: graded_shedder: refused has no row, one at least");
        for (auto const& row : refused_) {
            double before = 0;
            for (double const share : row) {
                detail::require_option(share >= before && share <= 1, "graded_shedder: refused (rising in [0, 1])", share);
                before = share;
            }
        }
    }

    /// The share that is refused. A class beyond the last counts as the last.
    [[nodiscard]] double refused(load_level level, std::size_t priority) const noexcept {
        return refused_[std::min(priority, refused_.size() - 1)][static_cast<std::size_t>(level) & 3];
    }

    /// By a throw of the dice; takes one number from the generator.
    template <random_source G>
    [[nodiscard]] bool admits(load_level level, std::size_t priority, G& generator) const noexcept(noexcept(generator())) {
        return !(uniform_real(generator) < refused(level, priority));
    }

private:
    std::vector<std::array<double, 4>> refused_;
};

}  // namespace sluice
