// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// prequal — asks a few nodes how busy they are, keeps the answers for a moment, and sends work to the best of them.
///
/// Use it for     many clients that share many nodes whose speed differs and changes, and whose load a client sees little of
/// Not for        nodes that only this client uses (its own counts are fresher than any probe); nodes that cannot be probed
/// Thread-safety  one thread at a time; one object per thread is also right, each with a pool of its own
/// Complexity     choose: one pass over the pool, no allocation; a random pick O(1) while most nodes are usable.
///                probe_result: O(pool_size + rif_history) moves of four bytes. probes_due: O(1) expected per probe
/// Errors         constructor: std::invalid_argument names the option, std::bad_alloc. A negative latency is none. A time before
///                the latest one seen counts as that one. No usable node is an empty answer
/// Units          rif: requests in flight at the node, from all its clients; rates in probes per query; latencies as durations
/// Source         Wydrowski, Kleinberg, Rumble, Archer: Load is not what you should balance, NSDI 2024
/// Differs        removals leave two probes in the pool, so that few nodes do not mean random choice. The reuse limit's fraction
///                comes from an even sequence, not from random numbers. See below for failures and unknown latencies
///
/// For each query: choose() decides, probes_due() says whom to ask for the benefit of later queries, and each answer goes to
/// probe_result(). A node has one probe in the pool, its newest. A probe is dropped when
///     it is older than probe_age, or its node is not usable any more,
///     it was used reuse_limit times: max(1, (1 + reuse_slack) / ((1 - pool_size / nodes) · probe_rate - remove_rate)), without
///     limit where that denominator is not positive (above 10^-9) (more is removed than found: age alone ends a probe then),
///     the pool is full and a new one comes (the oldest goes), or
///     it is the oldest or the worst, alternately: remove_rate of them per query.
/// A probe is hot if its rif is above the hot_quantile of the last rif_history answers. Chosen is the cold one of least latency;
/// if all are hot, the one of least rif; the worst is the hot one of most rif, or else the cold one of most latency. Each
/// pick adds one to the rif in the pool. With fewer than two probes any usable node is chosen at random.
///
/// Unknown latencies: at rif 0 the first to be tried (nobody could have measured it), once, for the pick raises its rif;
/// otherwise behind every cold one that is known.
/// Failures: a node that fails at once looks idle and quick, and would swallow everything. outcome() keeps a failure share per
/// node, weighing each outcome with failure_weight and forgotten over failure_memory. While it is above failure_limit the
/// node's probes do not enter the pool, and random picks look for another; it is tried again when that has faded, and
/// by the few random picks that find no other.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace sluice {

struct prequal_options {
    std::uint32_t pool_size = 16;                       ///< probes kept; in [2, 1024]
    duration      probe_age = std::chrono::seconds(1);  ///< oldest probe that is used; > 0
    double        probe_rate = 3;                       ///< probes per query; in [0, 64], nine decimals are kept
    double        remove_rate = 1;                      ///< removals per query; in [0, 64], nine decimals are kept
    double        reuse_slack = 1;                      ///< δ of the reuse limit; in [0, 10^6]
    double        hot_quantile = 0.8408964152537145;    ///< 2^-1/4; in [0, 1]. 0: by rif alone; 1: by latency alone
    std::uint32_t rif_history = 128;                    ///< answers that the quantile is of; in [1, 4096]
    double        failure_limit = .2;                   ///< above this share a node is shunned; in (0, 1], 1: never
    double        failure_weight = .125;                ///< of one outcome; in (0, 1]
    duration      failure_memory = std::chrono::seconds(10);  ///< after this 1/e of the share is left; > 0
};

/// How often which rule decided, since the construction.
struct prequal_counts {
    std::uint64_t cold = 0;
    std::uint64_t hot = 0;
    std::uint64_t random = 0;
};

class prequal {
public:
    /// `nodes`: how many positions of the list have their failures counted; those behind are never shunned.
    explicit prequal(std::size_t nodes, prequal_options o = {})
        : o_(checked(o)), probe_step_(billionths(o.probe_rate)), remove_step_(billionths(o.remove_rate)), failures_(nodes) {
        pool_.reserve(o.pool_size);
        due_.reserve(static_cast<std::size_t>(o.probe_rate) + 1);
        history_.resize(o.rif_history);
        sorted_.reserve(o.rif_history);
        rif_limit_ = o.hot_quantile >= 1 ? UINT32_MAX : 0;
    }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) {
        now = latest(now);
        std::size_t const n = nodes.size();
        for (std::size_t i = 0; i < pool_.size();) {
            auto const& p = pool_[i];
            if (p.node < n && saturating_sub(now, p.at) <= o_.probe_age && node_usable(nodes[p.node])) ++i;
            else drop(i);
        }
        if (n != reuse_nodes_) {
            reuse_nodes_ = n;
            reuse_limit_ = reuse_limit(n);
        }
        std::optional<node_index> chosen;
        if (pool_.size() < 2) {
            chosen = draw(nodes, now, rng);
            if (!chosen) return std::nullopt;
            ++counts_.random;
            if (!pool_.empty() && pool_[0].node == *chosen) use(0);
        } else {
            std::size_t const i = best();
            chosen = pool_[i].node;
            ++(pool_[i].rif <= rif_limit_ ? counts_.cold : counts_.hot);
            use(i);
        }
        for (remove_owed_ += remove_step_; remove_owed_ >= one; remove_owed_ -= one) {
            if (pool_.size() <= 2) continue;
            drop(remove_oldest_ ? oldest() : worst());
            remove_oldest_ = !remove_oldest_;
        }
        return chosen;
    }

    /// The nodes to probe for one more query: probe_rate of them on average, all different, fewer if there are fewer usable
    /// ones. Valid until the next call.
    template <node_list List, random_source Source>
    [[nodiscard]] std::span<node_index const> probes_due(List const& nodes, time_point now, Source& rng) {
        now = latest(now);
        due_.clear();
        for (probe_owed_ += probe_step_; probe_owed_ >= one; probe_owed_ -= one) {
            std::optional<node_index> found;
            for (int tries = 0; tries < 4 && !found; ++tries) {
                auto const i = any_usable(nodes, rng);
                if (!i) return {};
                if (!is_due(*i) && !shunned(*i, now)) found = i;
            }
            if (!found) found = any_other(nodes, rng);
            if (found) due_.push_back(*found);
        }
        return due_;
    }

    /// A node's answer: its requests in flight, and how long requests take that come to find so many, if it knows.
    void probe_result(node_index node, std::uint32_t rif, std::optional<duration> latency, time_point now) noexcept {
        now = latest(now);
        if (shunned(node, now)) return;
        remember(rif);
        for (std::size_t i = 0; i < pool_.size(); ++i)
            if (pool_[i].node == node) {
                drop(i);
                break;
            }
        if (pool_.size() == o_.pool_size) drop(oldest());
        std::int64_t const known = latency && latency->count() >= 0 ? latency->count() : rif == 0 ? untried : unknown;
        pool_.push_back({now, known, ++order_, node, rif, 0, phase_ += 0x9E3779B9u});
    }

    /// How a request to a node ended. Positions that are not counted are ignored.
    void outcome(node_index node, bool success, time_point now) noexcept {
        now = latest(now);
        if (node >= failures_.size()) return;
        auto&        f = failures_[node];
        double const memory = static_cast<double>(o_.failure_memory.count());
        if (f.share > 0 && now > f.at) f.share *= std::exp(-static_cast<double>(saturating_sub(now, f.at).count()) / memory);
        f.share += o_.failure_weight * ((success ? 0 : 1) - f.share);
        f.at = now;
        f.until = time_point::min();
        if (!(f.share > o_.failure_limit)) return;
        double const fades = std::min(memory * std::log(f.share / o_.failure_limit), 9e18);
        f.until = saturating_add(now, duration(static_cast<std::int64_t>(fades)));
        drop_node(node);
    }

    /// The node at this position is another one from now on.
    void forget(node_index node) noexcept {
        drop_node(node);
        if (node < failures_.size()) failures_[node] = {};
    }

    /// How often a probe may be used with so many nodes, on average; infinity for no limit.
    [[nodiscard]] double reuse_limit(std::size_t nodes) const noexcept {
        if (nodes == 0) return std::numeric_limits<double>::infinity();
        double const found = (1 - static_cast<double>(o_.pool_size) / static_cast<double>(nodes)) * o_.probe_rate;
        double const gained = found - o_.remove_rate;
        if (!(gained > 1e-9)) return std::numeric_limits<double>::infinity();
        return std::max(1.0, (1 + o_.reuse_slack) / gained);
    }

    /// Probes in the pool, some of them maybe too old.
    [[nodiscard]] std::size_t pool_size() const noexcept { return pool_.size(); }
    /// Above this rif a probe is hot.
    [[nodiscard]] std::uint32_t rif_limit() const noexcept { return rif_limit_; }
    [[nodiscard]] prequal_counts const& counts() const noexcept { return counts_; }
    /// It fails too often.
    [[nodiscard]] bool shunned(node_index node, time_point now) const noexcept {
        return node < failures_.size() && now < failures_[node].until;
    }
    [[nodiscard]] prequal_options const& options() const noexcept { return o_; }

private:
    struct probe {
        time_point    at;
        std::int64_t  latency;  // nanoseconds, or one of the two below
        std::uint64_t order;
        node_index    node;
        std::uint32_t rif;
        std::uint32_t uses;
        std::uint32_t phase;  // of its reuse limit's rounding, in 2^-32
    };
    struct failure {
        double     share = 0;
        time_point at{};
        time_point until = time_point::min();  // shunned
    };
    static constexpr std::int64_t  untried = -1;
    static constexpr std::int64_t  unknown = std::numeric_limits<std::int64_t>::max();
    static constexpr std::uint64_t one = 1'000'000'000;

    static prequal_options const& checked(prequal_options const& o) {
        detail::require_option(o.pool_size >= 2 && o.pool_size <= 1024, "prequal: pool_size (in [2, 1024])", o.pool_size);
        detail::require_option(o.probe_age.count() > 0, "prequal: probe_age (> 0 ns)", o.probe_age.count());
        detail::require_option(o.probe_rate >= 0 && o.probe_rate <= 64, "prequal: probe_rate (in [0, 64])", o.probe_rate);
        detail::require_option(o.remove_rate >= 0 && o.remove_rate <= 64, "prequal: remove_rate (in [0, 64])", o.remove_rate);
        detail::require_option(o.reuse_slack >= 0 && o.reuse_slack <= 1e6, "prequal: reuse_slack (in [0, 10^6])", o.reuse_slack);
        detail::require_option(o.hot_quantile >= 0 && o.hot_quantile <= 1, "prequal: hot_quantile (in [0, 1])", o.hot_quantile);
        detail::require_option(o.rif_history >= 1 && o.rif_history <= 4096, "prequal: rif_history (in [1, 4096])", o.rif_history);
        detail::require_option(o.failure_limit > 0 && o.failure_limit <= 1, "prequal: failure_limit (in (0, 1])", o.failure_limit);
        detail::require_option(o.failure_weight > 0 && o.failure_weight <= 1, "prequal: failure_weight (in (0, 1])",
                               o.failure_weight);
        detail::require_option(o.failure_memory.count() > 0, "prequal: failure_memory (> 0 ns)", o.failure_memory.count());
        return o;
    }

    [[nodiscard]] static std::uint64_t billionths(double per_query) noexcept {
        return static_cast<std::uint64_t>(per_query * 1e9 + .5);
    }

    time_point latest(time_point now) noexcept { return latest_ = std::max(latest_, now); }

    void drop(std::size_t i) noexcept {
        pool_[i] = pool_.back();
        pool_.pop_back();
    }

    void drop_node(node_index node) noexcept {
        for (std::size_t i = 0; i < pool_.size(); ++i)
            if (pool_[i].node == node) return drop(i);
    }

    void use(std::size_t i) noexcept {
        auto& p = pool_[i];
        if (p.rif != UINT32_MAX) ++p.rif;
        if (p.latency == untried) p.latency = unknown;
        double const rounded = std::floor(reuse_limit_ + p.phase * 0x1p-32);
        if (++p.uses >= rounded) drop(i);
    }

    // Requires a pool that is not empty. Among equals the newest is the best and the oldest the worst.

    [[nodiscard]] static bool quicker(probe const& a, probe const& b) noexcept {
        if (a.latency != b.latency) return a.latency < b.latency;
        return a.rif != b.rif ? a.rif < b.rif : a.order > b.order;
    }
    [[nodiscard]] static bool emptier(probe const& a, probe const& b) noexcept {
        return a.rif != b.rif ? a.rif < b.rif : quicker(a, b);
    }
    [[nodiscard]] bool better(probe const& a, probe const& b) const noexcept {
        bool const a_cold = a.rif <= rif_limit_, b_cold = b.rif <= rif_limit_;
        if (a_cold != b_cold) return a_cold;
        return a_cold ? quicker(a, b) : emptier(a, b);
    }

    [[nodiscard]] std::size_t best() const noexcept {
        std::size_t found = 0;
        for (std::size_t i = 1; i < pool_.size(); ++i)
            if (better(pool_[i], pool_[found])) found = i;
        return found;
    }
    [[nodiscard]] std::size_t worst() const noexcept {
        std::size_t found = 0;
        for (std::size_t i = 1; i < pool_.size(); ++i)
            if (better(pool_[found], pool_[i])) found = i;
        return found;
    }
    [[nodiscard]] std::size_t oldest() const noexcept {
        std::size_t found = 0;
        for (std::size_t i = 1; i < pool_.size(); ++i)
            if (pool_[i].order < pool_[found].order) found = i;
        return found;
    }

    /// Into the last rif_history answers, which are also kept sorted.
    void remember(std::uint32_t rif) noexcept {
        auto& slot = history_[next_];
        next_ = next_ + 1 == history_.size() ? 0 : next_ + 1;
        if (sorted_.size() == history_.size()) sorted_.erase(std::lower_bound(sorted_.begin(), sorted_.end(), slot));
        slot = rif;
        sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), rif), rif);
        if (o_.hot_quantile <= 0 || o_.hot_quantile >= 1) return;
        double const rank = std::ceil(o_.hot_quantile * static_cast<double>(sorted_.size()) - 1e-9);
        rif_limit_ = sorted_[rank < 1 ? 0 : static_cast<std::size_t>(rank) - 1];
    }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> draw(List const& nodes, time_point now, Source& rng) const {
        auto chosen = any_usable(nodes, rng);
        for (int tries = 0; tries < 8 && chosen && shunned(*chosen, now); ++tries) chosen = any_usable(nodes, rng);
        return chosen;
    }

    [[nodiscard]] bool is_due(node_index node) const noexcept { return std::find(due_.begin(), due_.end(), node) != due_.end(); }

    /// Any usable node that is not due yet.
    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> any_other(List const& nodes, Source& rng) const {
        std::size_t const others = count_usable(nodes) - due_.size();
        if (others == 0) return std::nullopt;
        auto k = static_cast<std::size_t>(uniform_below(rng, others));
        for (std::size_t i = 0, n = nodes.size(); i < n; ++i)
            if (node_usable(nodes[i]) && !is_due(static_cast<node_index>(i)) && k-- == 0) return static_cast<node_index>(i);
        return std::nullopt;
    }

    prequal_options            o_;
    std::uint64_t              probe_step_;  // billionths per query
    std::uint64_t              remove_step_;
    std::uint64_t              probe_owed_ = 0;
    std::uint64_t              remove_owed_ = 0;
    std::vector<probe>         pool_;  // in no order
    std::vector<node_index>    due_;
    std::vector<std::uint32_t> history_;  // a ring
    std::vector<std::uint32_t> sorted_;   // the same
    std::size_t                next_ = 0;
    std::vector<failure>       failures_;
    prequal_counts             counts_;
    std::uint64_t              order_ = 0;
    std::size_t                reuse_nodes_ = SIZE_MAX;
    double                     reuse_limit_ = 1;  // with so many nodes
    time_point                 latest_ = time_point::min();
    std::uint32_t              phase_ = 0;
    std::uint32_t              rif_limit_ = 0;
    bool                       remove_oldest_ = true;
};

}  // namespace sluice
