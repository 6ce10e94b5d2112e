// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// outlier_detector — which nodes do worse than the others, and for how long they get no work.
///
/// Use it for     nodes judged by what clients see of them; outlier_ejection shows its verdicts to a balancer
/// Not for        health checks of its own, or failures that all nodes share: those make no outlier
/// Thread-safety  report, ejected, size: any thread. evaluate, join, leave, status: any thread, one after the other (a mutex); the
///                visitor runs under it and must not call back
/// Progress       report: wait-free, but for the call in which a row of errors is complete: it takes the mutex
/// Complexity     report: up to four atomic operations on the node's own cache lines. evaluate: O(n), when an interval is over
///                O(n + n · ejections). No allocation after construction
/// Errors         constructor: std::invalid_argument names the option, std::bad_alloc. A visitor's exception passes through; the
///                nodes not visited yet are visited next time
/// Units          percent; nanoseconds. A latency counts up to 18 minutes, a negative one as 0
/// Source         Envoy (outlier detection), gRPC A50 (the multiplier)
/// Differs        the share that may be ejected is never exceeded (gRPC and older Envoy: by one more ejection), the worst node
///                goes first, not the first in the list; consecutive errors eject at once, not at the next interval
///
///     consecutive_errors          so many errors (gateway errors among them) without a success between
///     consecutive_gateway_errors  so many gateway errors with nothing else between
///     success_rate                a rate below mean - deviations · standard deviation, of the nodes with min_requests in the
///                                 interval, if there are min_nodes of them
///     failure_percentage          a share of failures of at least `percent`, with the same two conditions
///     latency                     a mean latency of successes above factor · median of the nodes' means, and above `ignore`;
///                                 the same conditions, on successes. Off by default
///
/// An ejection lasts base_ejection · m, at most max_ejection, and a random part of return_jitter more; m is 1 for the first, one
/// more each time and one less for each whole interval since the return. It ends with the first evaluate after that. Before each
/// ejection: as many may be ejected as max_ejected_percent of the members says, rounded down (at_least_one: but one), and never
/// the last member. What that refuses is counted, and judged afresh with the next row or interval. A clock that goes back only
/// delays. Errors of an ejected node (calls that were on their way) change nothing.

#include <sluice/core/assert.hpp>
#include <sluice/core/cacheline.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/node_index.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <vector>

namespace sluice {

enum class outlier_outcome : std::uint8_t { success, error, gateway_error };

enum class outlier_reason : std::uint8_t {
    none,
    consecutive_errors,
    consecutive_gateway_errors,
    success_rate,
    failure_percentage,
    latency
};

struct outlier_success_rate {
    double        deviations = 1.9;    ///< below the mean; finite, >= 0
    std::uint32_t min_nodes = 5;       ///< > 0
    std::uint32_t min_requests = 100;  ///< in the interval; > 0
};
struct outlier_failure_percentage {
    std::uint32_t percent = 85;        ///< of the requests; 1 to 100
    std::uint32_t min_nodes = 5;       ///< > 0
    std::uint32_t min_requests = 50;   ///< in the interval; > 0
};
struct outlier_latency {
    double        factor = 3;          ///< times the median; finite, >= 1
    duration      ignore = std::chrono::milliseconds(1);  ///< means up to this are fast enough; >= 0
    std::uint32_t min_nodes = 5;       ///< > 0
    std::uint32_t min_requests = 50;   ///< successes in the interval; > 0
};

struct outlier_detector_options {
    std::uint32_t consecutive_errors = 5;          ///< 0: off
    std::uint32_t consecutive_gateway_errors = 5;  ///< 0: off
    std::optional<outlier_success_rate>       success_rate = outlier_success_rate{};
    std::optional<outlier_failure_percentage> failure_percentage = outlier_failure_percentage{};
    std::optional<outlier_latency>            latency{};
    duration      interval = std::chrono::seconds(10);        ///< of the counts; > 0
    duration      base_ejection = std::chrono::seconds(30);   ///< > 0
    duration      max_ejection = std::chrono::seconds(300);   ///< >= base_ejection
    double        return_jitter = .1;                         ///< up to this part of the time is added; in [0, 1]
    std::uint32_t max_ejected_percent = 10;                   ///< of the members; at most 100
    bool          at_least_one = true;                        ///< one may be ejected however few members there are, if > 1
    std::uint64_t seed = 0;                                   ///< of the jitter's random numbers
};

struct outlier_change {
    node_index     node;
    bool           ejected;  ///< or else returned
    outlier_reason reason;   ///< of the (last) ejection
    time_point     until;    ///< an ejection's end, at the earliest
};

struct outlier_status {
    bool           ejected = false;
    outlier_reason reason = outlier_reason::none;  ///< of the last ejection
    time_point     until{};                        ///< of the last ejection
    std::uint64_t  multiplier = 0;                 ///< of the last ejection's time, less the clean intervals since
};

// Ordering
//   (A) verdict  relaxed: a word that stands for itself; a choice made meanwhile sees the old or the new verdict
//   (B) row      relaxed: one word, changed by fetch_add: of the calls that complete a row exactly one sees its full length and
//                takes the mutex; a success or the end of the row sets it to 0, and what others add meanwhile is lost with it

template <template <class> class Atom = std::atomic>
class outlier_detector {
public:
    /// Positions below `nodes`, all of them members. The first interval begins at `start`.
    explicit outlier_detector(std::size_t nodes, outlier_detector_options options = {}, time_point start = {})
        : options_(checked(options)), nodes_(nodes), ranks_(nodes), members_(nodes), random_(options.seed),
          sweep_at_(saturating_add(start, options.interval)) {}
    outlier_detector(outlier_detector const&) = delete;
    outlier_detector& operator=(outlier_detector const&) = delete;

    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }

    /// How a call ended that this node was given. Requires node < size().
    void report(node_index node, outlier_outcome outcome, duration latency, time_point now) {
        SLUICE_ASSERT(node < nodes_.size());
        auto& n = nodes_[node];
        if (outcome == outlier_outcome::success) {
            auto const most = std::int64_t{1} << 40;
            auto const time = static_cast<std::uint64_t>(std::clamp<std::int64_t>(latency.count(), 0, most));
            n.successes.fetch_add(1, std::memory_order_relaxed);       // (stat)
            if (options_.latency) n.latency.fetch_add(time, std::memory_order_relaxed);  // (stat)
            end_row(n.errors_in_row);
            end_row(n.gateway_errors_in_row);
            return;
        }
        n.failures.fetch_add(1, std::memory_order_relaxed);            // (stat)
        if (outcome == outlier_outcome::gateway_error)
            add_to_row(n.gateway_errors_in_row, options_.consecutive_gateway_errors, node,
                       outlier_reason::consecutive_gateway_errors, now);
        else
            end_row(n.gateway_errors_in_row);
        add_to_row(n.errors_in_row, options_.consecutive_errors, node, outlier_reason::consecutive_errors, now);
    }

    /// Lets nodes return whose time is over and, if an interval is over, judges all by it. Call it once in a while. Visits each
    /// change since the last call, that of report() among them: visit(outlier_change const&).
    template <std::invocable<outlier_change const&> Visit>
    void evaluate(time_point now, Visit&& visit) {
        std::lock_guard const lock(mutex_);
        for (auto& n : nodes_)
            if (n.member && is_ejected(n) && now >= n.status.until) let_return(n, now);
        if (now >= sweep_at_) {
            sweep_at_ = saturating_add(now, options_.interval);
            sweep(now);
        }
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            auto&      n = nodes_[i];
            auto const index = static_cast<node_index>(i);
            // The older one first: an ejection that has ended meanwhile, or a return and an ejection after it.
            bool const now_ejected = is_ejected(n);
            for (bool const ejected : {!now_ejected, now_ejected}) {
                bool& news = ejected ? n.ejection_news : n.return_news;
                if (!news) continue;
                news = false;
                visit(outlier_change{index, ejected, n.status.reason, n.status.until});
            }
        }
    }
    void evaluate(time_point now) {
        evaluate(now, [](outlier_change const&) {});
    }

    [[nodiscard]] bool ejected(std::size_t node) const noexcept {
        return node < nodes_.size() && is_ejected(nodes_[node]);
    }
    [[nodiscard]] std::size_t ejected_count() const noexcept {
        std::lock_guard const lock(mutex_);
        return ejected_;
    }
    /// Ejections that max_ejected_percent forbade, since the construction.
    [[nodiscard]] std::uint64_t refused_count() const noexcept {
        std::lock_guard const lock(mutex_);
        return refused_;
    }
    /// Requires node < size().
    [[nodiscard]] outlier_status status(node_index node) const noexcept {
        SLUICE_ASSERT(node < nodes_.size());
        std::lock_guard const lock(mutex_);
        auto                  s = nodes_[node].status;
        s.ejected = is_ejected(nodes_[node]);
        return s;
    }

    /// There is a (new) node at this position: without a past. Requires node < size().
    void join(node_index node) noexcept { set_member(node, true); }
    /// There is none: it does not count as a member. Requires node < size().
    void leave(node_index node) noexcept { set_member(node, false); }

private:
    struct alignas(cache_line_size) node_state {
        Atom<std::uint32_t> errors_in_row{0};
        Atom<std::uint32_t> gateway_errors_in_row{0};
        Atom<std::uint64_t> successes{0};
        Atom<std::uint64_t> failures{0};
        Atom<std::uint64_t> latency{0};   ///< sum of the successes'
        Atom<std::uint32_t> verdict{0};   ///< 1: ejected

        // under the mutex
        alignas(cache_line_size) outlier_status status{};  ///< but for its ejected
        time_point    clean_since{};
        std::uint64_t taken_successes = 0, taken_failures = 0;  ///< of the interval that is judged
        double        mean_latency = 0;
        bool          member = true;
        bool          judged = false;
        bool          ejection_news = false, return_news = false;

        [[nodiscard]] std::uint64_t requests() const noexcept { return taken_successes + taken_failures; }
        [[nodiscard]] double success_rate() const noexcept {
            return 100. * static_cast<double>(taken_successes) / static_cast<double>(requests());
        }
    };

    static void end_row(Atom<std::uint32_t>& row) noexcept {
        if (row.load(std::memory_order_relaxed) != 0) row.store(0, std::memory_order_relaxed);  // (B)
    }
    void add_to_row(Atom<std::uint32_t>& row, std::uint32_t full, node_index node, outlier_reason reason, time_point now) {
        if (full == 0 || row.fetch_add(1, std::memory_order_relaxed) + 1 != full) return;       // (B)
        std::lock_guard const lock(mutex_);
        row.store(0, std::memory_order_relaxed);                                                // (B)
        auto& n = nodes_[node];
        if (n.member && !is_ejected(n)) eject(n, reason, now);
    }

    static bool is_ejected(node_state const& n) noexcept {
        return n.verdict.load(std::memory_order_relaxed) != 0;                                  // (A)
    }
    static void forget_counts(node_state& n) noexcept {
        n.errors_in_row.store(0, std::memory_order_relaxed);                                    // (B)
        n.gateway_errors_in_row.store(0, std::memory_order_relaxed);                            // (B)
        n.successes.store(0, std::memory_order_relaxed);                                        // (stat)
        n.failures.store(0, std::memory_order_relaxed);                                         // (stat)
        n.latency.store(0, std::memory_order_relaxed);                                          // (stat)
    }

    [[nodiscard]] std::size_t may_be_ejected() const noexcept {
        auto const share = static_cast<std::size_t>(std::uint64_t{members_} * options_.max_ejected_percent / 100);
        return std::min(std::max(share, std::size_t{options_.at_least_one ? 1u : 0u}), members_ > 0 ? members_ - 1 : 0);
    }

    /// False if that would be too many.
    bool eject(node_state& n, outlier_reason reason, time_point now) noexcept {
        if (ejected_ >= may_be_ejected()) {
            ++refused_;
            return false;
        }
        auto const longest = static_cast<std::uint64_t>(options_.max_ejection.count());
        auto const base = static_cast<std::uint64_t>(options_.base_ejection.count());
        auto const time_for = [&](std::uint64_t times) {
            return std::min(longest, detail::multiply_divide(base, times, 1, detail::round_to::floor));
        };
        if (n.status.multiplier == 0 || time_for(n.status.multiplier) < longest) ++n.status.multiplier;
        auto const time = time_for(n.status.multiplier);
        auto const more = static_cast<double>(time) * options_.return_jitter * uniform_real(random_);
        n.status.reason = reason;
        n.status.until = saturating_add(saturating_add(now, duration(static_cast<std::int64_t>(time))),
                                        more < 0x1p62 ? duration(static_cast<std::int64_t>(more)) : duration::max());
        n.verdict.store(1, std::memory_order_relaxed);                                          // (A)
        n.ejection_news = true;
        ++ejected_;
        return true;
    }
    void let_return(node_state& n, time_point now) noexcept {
        forget_counts(n);
        n.verdict.store(0, std::memory_order_relaxed);                                          // (A)
        n.clean_since = now;
        n.return_news = true;
        --ejected_;
    }

    void sweep(time_point now) noexcept {
        for (auto& n : nodes_) {
            n.taken_successes = n.successes.exchange(0, std::memory_order_relaxed);             // (stat)
            n.taken_failures = n.failures.exchange(0, std::memory_order_relaxed);               // (stat)
            auto const latency = n.latency.exchange(0, std::memory_order_relaxed);              // (stat)
            n.judged = n.member && !is_ejected(n);
            n.mean_latency = n.taken_successes == 0 ? 0 : static_cast<double>(latency) / static_cast<double>(n.taken_successes);
        }
        if (options_.success_rate) judge_success_rate(*options_.success_rate, now);
        if (options_.failure_percentage) judge_failure_percentage(*options_.failure_percentage, now);
        if (options_.latency) judge_latency(*options_.latency, now);
        for (auto& n : nodes_) {
            if (!n.member || is_ejected(n) || n.status.multiplier == 0 || now < n.clean_since) continue;
            auto const clean = saturating_sub(now, n.clean_since).count() / options_.interval.count();
            n.clean_since = saturating_add(n.clean_since, options_.interval * clean);
            n.status.multiplier -= std::min(n.status.multiplier, static_cast<std::uint64_t>(clean));
        }
    }

    void judge_success_rate(outlier_success_rate const& o, time_point now) noexcept {
        auto const  counts = [&](node_state const& n) { return n.judged && n.requests() >= o.min_requests; };
        std::size_t nodes = 0;
        double      sum = 0, squares = 0, lowest = 100, highest = 0;
        for (auto const& n : nodes_) {
            if (!counts(n)) continue;
            ++nodes;
            sum += n.success_rate();
            lowest = std::min(lowest, n.success_rate());
            highest = std::max(highest, n.success_rate());
        }
        if (nodes < o.min_nodes || lowest >= highest) return;  // equal ones have no outlier, whatever rounding makes of it
        double const mean = sum / static_cast<double>(nodes);
        for (auto const& n : nodes_)
            if (counts(n)) squares += (n.success_rate() - mean) * (n.success_rate() - mean);
        double const limit = mean - o.deviations * std::sqrt(squares / static_cast<double>(nodes));
        eject_worst(outlier_reason::success_rate, now, counts, [&](node_state const& n) { return limit - n.success_rate(); });
    }

    void judge_failure_percentage(outlier_failure_percentage const& o, time_point now) noexcept {
        auto const counts = [&](node_state const& n) { return n.judged && n.requests() >= o.min_requests; };
        if (static_cast<std::size_t>(std::count_if(nodes_.begin(), nodes_.end(), counts)) < o.min_nodes) return;
        auto const too_many = [&](node_state const& n) { return counts(n) && n.taken_failures * 100 >= n.requests() * o.percent; };
        eject_worst(outlier_reason::failure_percentage, now, too_many, [](node_state const& n) { return 101 - n.success_rate(); });
    }

    void judge_latency(outlier_latency const& o, time_point now) noexcept {
        auto const  counts = [&](node_state const& n) { return n.judged && n.taken_successes >= o.min_requests; };
        std::size_t nodes = 0;
        for (auto const& n : nodes_)
            if (counts(n)) ranks_[nodes++] = n.mean_latency;
        if (nodes < o.min_nodes) return;
        auto const middle = ranks_.begin() + static_cast<std::ptrdiff_t>((nodes - 1) / 2);
        std::nth_element(ranks_.begin(), middle, ranks_.begin() + static_cast<std::ptrdiff_t>(nodes));
        double const limit = std::max(*middle * o.factor, static_cast<double>(o.ignore.count()));
        eject_worst(outlier_reason::latency, now, counts, [&](node_state const& n) { return n.mean_latency - limit; });
    }

    /// Ejects by falling badness, as long as it is > 0 and more may be ejected.
    template <class Counts, class Badness>
    void eject_worst(outlier_reason reason, time_point now, Counts counts, Badness badness) noexcept {
        for (;;) {
            node_state* worst = nullptr;
            double      most = 0;
            for (auto& n : nodes_)
                if (counts(n) && badness(n) > most) {
                    worst = &n;
                    most = badness(n);
                }
            if (worst == nullptr || !eject(*worst, reason, now)) return;
            worst->judged = false;
        }
    }

    void set_member(node_index node, bool member) noexcept {
        SLUICE_ASSERT(node < nodes_.size());
        std::lock_guard const lock(mutex_);
        auto&                 n = nodes_[node];
        if (n.member) --members_;
        if (is_ejected(n)) --ejected_;
        forget_counts(n);
        n.verdict.store(0, std::memory_order_relaxed);                                          // (A)
        n.status = {};
        n.member = member;
        n.judged = n.ejection_news = n.return_news = false;
        if (member) ++members_;
    }

    static outlier_detector_options checked(outlier_detector_options const& o) {
        auto const finite = [](double x, double from, double to) { return x >= from && x <= to; };
        double const most = std::numeric_limits<double>::max();
        detail::require_option(o.interval.count() > 0, "outlier_detector: interval (> 0 ns)", o.interval.count());
        detail::require_option(o.base_ejection.count() > 0, "outlier_detector: base_ejection (> 0 ns)", o.base_ejection.count());
        detail::require_option(o.max_ejection >= o.base_ejection, "outlier_detector: max_ejection (>= base_ejection)",
                               o.max_ejection.count());
        detail::require_option(finite(o.return_jitter, 0, 1), "outlier_detector: return_jitter (in [0, 1])", o.return_jitter);
        detail::require_option(o.max_ejected_percent <= 100, "outlier_detector: max_ejected_percent (<= 100)",
                               o.max_ejected_percent);
        auto const volume = [](auto const& d) {
            detail::require_option(d.min_nodes > 0, "outlier_detector: min_nodes (> 0)", d.min_nodes);
            detail::require_option(d.min_requests > 0, "outlier_detector: min_requests (> 0)", d.min_requests);
        };
        if (auto const& d = o.success_rate) {
            volume(*d);
            detail::require_option(finite(d->deviations, 0, most), "outlier_detector: success_rate.deviations (finite, >= 0)",
                                   d->deviations);
        }
        if (auto const& d = o.failure_percentage) {
            volume(*d);
            detail::require_option(d->percent > 0 && d->percent <= 100, "outlier_detector: failure_percentage.percent (1 to 100)",
                                   d->percent);
        }
        if (auto const& d = o.latency) {
            volume(*d);
            detail::require_option(finite(d->factor, 1, most), "outlier_detector: latency.factor (finite, >= 1)", d->factor);
            detail::require_option(d->ignore.count() >= 0, "outlier_detector: latency.ignore (>= 0 ns)", d->ignore.count());
        }
        return o;
    }

    outlier_detector_options const options_;
    mutable std::mutex             mutex_;
    std::vector<node_state>        nodes_;
    std::vector<double>            ranks_;
    std::size_t                    members_;
    std::size_t                    ejected_ = 0;
    std::uint64_t                  refused_ = 0;
    xoshiro256ss                   random_;
    time_point                     sweep_at_;
};

}  // namespace sluice
