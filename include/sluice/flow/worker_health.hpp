// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// worker_health — which worker a job goes to next: not to a bad one, not twice to one that crashed under it, and in the end
/// to a reliable one.
///
/// Use it for     jobs on workers that fail: spot instances, remote machines, processes
/// Not for        a single dependency (circuit_breaker), when to try again (backoff)
/// Thread-safety  any thread
/// Progress       a mutex
/// Complexity     report O(1), a failure O(workers); next O(workers · attempts of the job); forget O(1),
///                forget_time O(workers)
/// Errors         std::invalid_argument for options that cannot work; std::bad_alloc when made. report requires a worker
///                below workers + reliable (SLUICE_ASSERT; ignored where that is off)
/// Units          times in integer nanoseconds; shares in (0, 1]
/// Source         the exclusion time grows and shrinks as brpc's isolation and Envoy's outlier ejection do
///
///     sluice::worker_health health({.workers = 20, .reliable = 2});
///     for (std::vector<sluice::job_attempt> tried;;) {
///         auto const d = health.next(tried);                       // where to, or that it is over
///         if (d.action != sluice::job_action::run && d.action != sluice::job_action::escalate) break;
///         auto const how = run_on(d.worker);
///         health.report(d.worker, how);
///         tried.push_back({d.worker, how});
///     }
///
/// Workers 0 … workers - 1 are ordinary, the following `reliable` ones dear and dependable; those are never excluded.
/// A worker is excluded after failing so often in a row, or in so large a share of its last reports; for a time that doubles
/// each time, and falls back when the worker has behaved. Afterwards it is on probation: the next failure excludes it again.
/// At most `max_excluded` of the workers are excluded at once; when that many are, a failure is probably not the workers'.
/// A stale `now` counts as the newest time seen. So one far ahead ends every exclusion, and holds the following ones until the
/// clock is there, or until forget_time().

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace sluice {

/// How an attempt on a worker ended.
enum class job_result : std::uint8_t {
    success,
    failure,  ///< an error that another worker may not have
    timeout,  ///< no answer in time: slow, or lost on the way
    crash     ///< the worker went away under the job
};

struct job_attempt {
    std::uint32_t worker = 0;
    job_result    result = job_result::success;
    friend bool operator==(job_attempt const&, job_attempt const&) noexcept = default;
};

enum class job_action : std::uint8_t {
    done,      ///< the last attempt was a success
    run,       ///< on an ordinary worker
    escalate,  ///< run on a reliable worker
    wait,      ///< no worker is free of blame now; ask again after retry_after
    give_up    ///< every attempt allowed has been made
};

struct job_decision {
    job_action    action = job_action::give_up;
    std::uint32_t worker = 0;      ///< run, escalate
    duration      retry_after{0};  ///< wait
    friend bool operator==(job_decision const&, job_decision const&) noexcept = default;
};

struct worker_health_options {
    std::uint32_t workers = 1;               ///< > 0
    std::uint32_t reliable = 0;              ///< workers of the reliable tier
    std::uint32_t consecutive_failures = 5;  ///< that exclude a worker; > 0
    double        failure_share = 0.5;       ///< of the last `window` reports that excludes, too; (0, 1]
    std::uint32_t window = 20;               ///< reports; 1 … 64. Fewer than that are not judged by their share
    duration      exclusion = std::chrono::seconds(30);      ///< the first time; > 0
    duration      max_exclusion = std::chrono::minutes(10);  ///< >= exclusion
    duration      forgive_after = std::chrono::minutes(10);  ///< without an exclusion: the next is as the first; > 0
    double        max_excluded = 0.5;        ///< share of the ordinary workers; [0, 1)
    std::uint32_t same_worker_timeouts = 0;  ///< how often a job that timed out is tried on the same worker again
    std::uint32_t attempts = 3;              ///< on ordinary workers, then the job escalates; > 0
    std::uint32_t reliable_attempts = 2;     ///< on reliable ones, then it is given up
};

template <clock_source Clock = steady_clock>
class worker_health {
public:
    explicit worker_health(worker_health_options options, Clock clock = {})
        : options_(checked(options)), clock_(std::move(clock)), workers_(options.workers),
          most_excluded_(static_cast<std::uint32_t>(options.max_excluded * options.workers + 1e-9)) {}

    /// How an attempt ended. True if the worker is excluded because of it.
    bool report(std::uint32_t worker, job_result result, time_point now) {
        SLUICE_ASSERT(worker < options_.workers + options_.reliable);
        if (worker >= options_.workers) return false;
        std::lock_guard const lock(mutex_);
        now_ = std::max(now_, now);
        state&     w = workers_[worker];
        bool const failed = result != job_result::success;
        w.failures = (w.failures << 1 | (failed ? 1u : 0u)) & mask();
        w.reports = std::min(w.reports + 1, options_.window);
        w.in_a_row = failed ? std::min(w.in_a_row + 1, UINT32_MAX - 1) : 0;
        if (excluded(w)) return false;  // an answer that was under way
        bool const probation = w.on_probation;
        if (!failed) w.on_probation = false;
        bool const bad = failed && (probation || w.in_a_row >= options_.consecutive_failures ||
                                    (w.reports == options_.window && share(w) >= options_.failure_share));
        if (!bad || count_excluded() >= most_excluded_) return false;
        bool const forgiven = w.times > 0 && saturating_sub(now_, w.until) >= options_.forgive_after;
        w.times = forgiven ? 1 : std::min(w.times + 1, 64u);
        w.until = saturating_add(now_, exclusion_time(w.times));
        w.on_probation = true;
        w.failures = 0;
        w.reports = 0;
        w.in_a_row = 0;
        return true;
    }
    bool report(std::uint32_t worker, job_result result) { return report(worker, result, clock_.now()); }

    /// What to do with a job that has been tried like this. First attempts are spread over the workers by the number of the
    /// job, or one after the other where none is given; later ones go to the worker that fails least.
    [[nodiscard]] job_decision next(std::span<job_attempt const> tried, time_point now, std::uint64_t job) {
        if (!tried.empty() && tried.back().result == job_result::success) return {job_action::done, tried.back().worker, {}};
        std::lock_guard const lock(mutex_);
        now_ = std::max(now_, now);
        std::uint32_t ordinary = 0, dear = 0;
        for (auto const& t : tried) ++(t.worker < options_.workers ? ordinary : dear);
        bool const many_excluded = most_excluded_ > 0 && count_excluded() >= most_excluded_;

        // Once with the reliable ones a job stays there; it goes there when it has failed often, or once while many fail.
        bool const can = options_.reliable > 0 && options_.reliable_attempts > 0;
        bool const escalate = dear > 0 || ordinary >= options_.attempts || (ordinary > 0 && many_excluded && can);
        if (!escalate) {
            if (ordinary > 0 && tried.back().result == job_result::timeout) {
                std::uint32_t const same = tried.back().worker;
                std::uint32_t       timeouts = 0;
                bool                only_timeouts = true;
                for (auto const& t : tried) {
                    if (t.worker != same) continue;
                    ++timeouts;
                    only_timeouts = only_timeouts && t.result == job_result::timeout;
                }
                if (only_timeouts && timeouts <= options_.same_worker_timeouts && !excluded(workers_[same]))
                    return {job_action::run, same, {}};
            }
            if (auto const w = best(tried, job); w < options_.workers) return {job_action::run, w, {}};
        }
        if (dear < options_.reliable_attempts) {
            for (std::uint32_t i = 0; i < options_.reliable; ++i) {
                auto const place = static_cast<std::uint32_t>((job % options_.reliable + i) % options_.reliable);
                auto const w = options_.workers + place;
                if (!was_tried(tried, w)) return {job_action::escalate, w, {}};
            }
        }
        // Without a reliable tier: wait for an excluded worker that the job has not been on.
        if (dear == 0 && ordinary < options_.attempts) {
            duration least = duration::max();
            for (std::uint32_t w = 0; w < options_.workers; ++w)
                if (!was_tried(tried, w)) least = std::min(least, saturating_sub(workers_[w].until, now_));
            if (least != duration::max()) return {job_action::wait, 0, std::max(least, duration{1})};
        }
        return {job_action::give_up, 0, {}};
    }
    [[nodiscard]] job_decision next(std::span<job_attempt const> tried, time_point now) {
        std::uint64_t turn = 0;
        {
            std::lock_guard const lock(mutex_);
            turn = tried.empty() ? turn_++ : turn_;
        }
        return next(tried, now, turn);
    }
    [[nodiscard]] job_decision next(std::span<job_attempt const> tried = {}) { return next(tried, clock_.now()); }

    /// Whether a worker may be given jobs. Changes nothing.
    [[nodiscard]] bool usable(std::uint32_t worker, time_point now) const {
        if (worker >= options_.workers) return worker - options_.workers < options_.reliable;
        std::lock_guard const lock(mutex_);
        return std::max(now_, now) >= workers_[worker].until;
    }
    [[nodiscard]] bool usable(std::uint32_t worker) const { return usable(worker, clock_.now()); }

    /// Until when a worker is, or was last, excluded; time_point::min() for never.
    [[nodiscard]] time_point excluded_until(std::uint32_t worker) const {
        std::lock_guard const lock(mutex_);
        return worker < options_.workers ? workers_[worker].until : time_point::min();
    }
    [[nodiscard]] std::uint32_t excluded(time_point now) const {
        std::lock_guard const lock(mutex_);
        return count_excluded(std::max(now_, now));
    }

    /// A worker begins anew, as if it had never failed: say because another machine has its place.
    void forget(std::uint32_t worker) {
        std::lock_guard const lock(mutex_);
        if (worker < options_.workers) workers_[worker] = {};
    }

    /// The time is `now`, whatever the newest was. Who is excluded for longer than can be is so no more.
    void forget_time(time_point now) {
        std::lock_guard const lock(mutex_);
        now_ = now;
        for (auto& w : workers_)
            if (w.until > saturating_add(now, options_.max_exclusion)) w.until = now;
    }
    void forget_time() { forget_time(clock_.now()); }

private:
    struct state {
        std::uint64_t failures = 0;  ///< a bit for each of the last reports, the newest lowest
        std::uint32_t reports = 0;
        std::uint32_t in_a_row = 0;
        std::uint32_t times = 0;     ///< exclusions without forgiveness between
        bool          on_probation = false;
        time_point    until = time_point::min();
    };

    [[nodiscard]] static worker_health_options const& checked(worker_health_options const& o) {
        using detail::require_option;
        require_option(o.workers > 0 && o.workers <= UINT32_MAX / 2, "worker_health: workers (> 0)", o.workers);
        require_option(o.reliable <= UINT32_MAX / 2, "worker_health: reliable (< 2^31)", o.reliable);
        require_option(o.consecutive_failures > 0, "worker_health: consecutive_failures (> 0)", o.consecutive_failures);
        require_option(o.failure_share > 0 && o.failure_share <= 1, "worker_health: failure_share in (0, 1]",
                       o.failure_share);
        require_option(o.window > 0 && o.window <= 64, "worker_health: window (1 to 64)", o.window);
        require_option(o.exclusion.count() > 0, "worker_health: exclusion (> 0 ns)", o.exclusion.count());
        require_option(o.max_exclusion >= o.exclusion, "worker_health: max_exclusion in ns (>= exclusion)",
                       o.max_exclusion.count());
        require_option(o.forgive_after.count() > 0, "worker_health: forgive_after (> 0 ns)", o.forgive_after.count());
        require_option(o.max_excluded >= 0 && o.max_excluded < 1, "worker_health: max_excluded in [0, 1)", o.max_excluded);
        require_option(o.attempts > 0, "worker_health: attempts (> 0)", o.attempts);
        return o;
    }

    [[nodiscard]] std::uint64_t mask() const noexcept {
        return options_.window == 64 ? UINT64_MAX : (std::uint64_t{1} << options_.window) - 1;
    }
    [[nodiscard]] static double share(state const& w) noexcept {
        return w.reports == 0 ? 0 : static_cast<double>(std::popcount(w.failures)) / w.reports;
    }
    [[nodiscard]] bool excluded(state const& w) const noexcept { return now_ < w.until; }
    [[nodiscard]] std::uint32_t count_excluded() const noexcept { return count_excluded(now_); }
    [[nodiscard]] std::uint32_t count_excluded(time_point now) const noexcept {
        return static_cast<std::uint32_t>(
            std::count_if(workers_.begin(), workers_.end(), [&](state const& w) { return now < w.until; }));
    }
    [[nodiscard]] duration exclusion_time(std::uint32_t times) const noexcept {
        duration d = options_.exclusion;
        for (; times > 1 && d < options_.max_exclusion; --times) d = saturating_add(d, d);
        return std::min(d, options_.max_exclusion);
    }
    [[nodiscard]] static bool was_tried(std::span<job_attempt const> tried, std::uint32_t worker) noexcept {
        return std::any_of(tried.begin(), tried.end(), [&](job_attempt const& t) { return t.worker == worker; });
    }

    /// A usable worker that the job has not been on: for a first attempt the next from the job's own place on, so that one
    /// that has failed gets its chance; later the one with the fewest failures in a row, then the smallest share of them.
    /// options_.workers if there is none.
    [[nodiscard]] std::uint32_t best(std::span<job_attempt const> tried, std::uint64_t job) const noexcept {
        std::uint32_t found = options_.workers;
        for (std::uint32_t i = 0; i < options_.workers; ++i) {
            auto const w = static_cast<std::uint32_t>((job % options_.workers + i) % options_.workers);
            if (excluded(workers_[w]) || was_tried(tried, w)) continue;
            if (tried.empty()) return w;
            if (found == options_.workers || better(workers_[w], workers_[found])) found = w;
        }
        return found;
    }
    [[nodiscard]] static bool better(state const& a, state const& b) noexcept {
        return a.in_a_row != b.in_a_row ? a.in_a_row < b.in_a_row : share(a) < share(b);
    }

    worker_health_options       options_;
    [[no_unique_address]] Clock clock_;
    mutable std::mutex          mutex_;
    std::vector<state>          workers_;
    std::uint32_t               most_excluded_;
    std::uint64_t               turn_ = 0;
    time_point                  now_ = time_point::min();  // the newest that was told
};

}  // namespace sluice
