// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// hpa_by_utilisation, hpa_by_average, hpa_by_value, hpa_by_share — the replica counts of the Kubernetes HorizontalPodAutoscaler.
///
/// Use it for     agreeing with an HPA to the last replica: migrating from one, simulating one, explaining one
/// Not for        a pool in this process: target_tracking speaks the vocabulary of the other recommenders
/// Thread-safety  functions of their arguments; any thread
/// Complexity     O(workers); some microseconds, because the arithmetic is exact. No allocation
/// Errors         std::invalid_argument: a target of 0, a tolerance of 1 or more. No metric, or nothing requested: empty, and
///                the caller keeps what it has. Results beyond 2^32 - 1 stay there
/// Units          metrics in whole units of any size (milli-CPU, milli-requests); tolerance in thousandths
/// Source         kubernetes/pkg/controller/podautoscaler/replica_calculator.go, as of v1.33 (its rules, none of its code)
/// Differs        in being exact: a ratio of 1.1 is within a tolerance of 100 ‰ as .9 is, and 100 replicas at 88 of 80 are
///                110, where doubles decide otherwise

#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/detail/exact.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sluice {

/// One worker as the metrics server knows it.
struct hpa_worker {
    std::optional<std::uint64_t> used{};         ///< empty: no metric came
    std::uint64_t                requested = 1;  ///< what `used` is a part of; only hpa_by_utilisation looks at it
    bool                         ready = true;   ///< false while it starts: its metric is not believed
};

/// Both are compared with the ratio of the metric to its target.
struct hpa_tolerance {
    std::uint32_t up = 100;    ///< ‰
    std::uint32_t down = 100;  ///< ‰; < 1000
};

namespace detail {

/// current / target, not computed.
struct hpa_ratio {
    natural over;
    natural under;

    [[nodiscard]] constexpr bool above_one() const noexcept { return under < over; }
    [[nodiscard]] constexpr bool below_one() const noexcept { return over < under; }
    [[nodiscard]] constexpr bool within(hpa_tolerance t) const noexcept {
        return !(under * (1000 + std::uint64_t{t.up}) < over * 1000) && !(over * 1000 < under * (1000 - std::uint64_t{t.down}));
    }
    [[nodiscard]] constexpr std::uint32_t of(std::uint64_t workers) const noexcept { return divide_up(over * workers, under); }
};

constexpr void check(std::uint64_t target, hpa_tolerance t) {
    require_number(target > 0, "hpa: target (> 0)", static_cast<double>(target));
    require_number(t.down < 1000, "hpa: tolerance down (< 1000)", t.down);
}

[[nodiscard]] constexpr std::uint64_t divide_down(natural const& a, natural const& b) noexcept {
    auto const above = divide_up(a + natural(1), b, UINT64_MAX);
    return above == UINT64_MAX ? above : above - 1;
}

/// What is assumed of a worker whose metric is not there, or not believed.
enum class hpa_assumed : std::uint8_t { absent, nothing, full };

/// The ratio over all workers that count; empty where it does not exist. `full_percent` of the request (or of the target) is
/// what hpa_assumed::full stands for.
[[nodiscard]] constexpr std::optional<hpa_ratio> hpa_ratio_of(std::span<hpa_worker const> workers, std::uint64_t target,
                                                              bool utilisation, hpa_assumed missing, hpa_assumed unready,
                                                              std::uint64_t& counted) noexcept {
    natural       sum(0), requests(0);
    std::uint64_t percent = std::max<std::uint64_t>(100, target);
    counted = 0;
    for (auto const& w : workers) {
        auto const assumed = !w.ready ? unready : missing;
        if ((!w.ready || !w.used) && assumed == hpa_assumed::absent) continue;
        ++counted;
        requests = requests + natural(w.requested);
        if (w.ready && w.used) sum = sum + natural(*w.used) * (utilisation ? 100 : 1);
        else if (assumed == hpa_assumed::full) sum = sum + (utilisation ? natural(w.requested) * percent : natural(target));
    }
    if (counted == 0) return std::nullopt;
    if (utilisation && !(natural(0) < requests)) return std::nullopt;
    auto const average = divide_down(sum, utilisation ? requests : natural(counted));
    return hpa_ratio{natural(average), natural(target)};
}

[[nodiscard]] constexpr std::optional<std::uint32_t> hpa_per_worker(std::span<hpa_worker const> workers, std::uint32_t current,
                                                                    std::uint64_t target, bool utilisation,
                                                                    hpa_tolerance tolerance) {
    check(target, tolerance);
    using enum hpa_assumed;
    std::uint64_t counted = 0;
    auto const    seen = hpa_ratio_of(workers, target, utilisation, absent, absent, counted);
    if (!seen) return std::nullopt;
    std::size_t unready = 0, missing = 0;
    for (auto const& w : workers) {
        if (!w.ready) ++unready;
        else if (!w.used) ++missing;
    }
    bool const up = seen->above_one(), down = seen->below_one();
    bool const starting = unready > 0 && up;
    if (!starting && missing == 0) return seen->within(tolerance) ? current : seen->of(counted);

    auto const for_missing = down ? full : up ? nothing : absent;
    auto const second =
        hpa_ratio_of(workers, target, utilisation, for_missing, starting ? nothing : absent, counted);
    if (!second || second->within(tolerance) || (down && second->above_one()) || (up && second->below_one())) return current;
    auto const replicas = second->of(counted);
    if ((second->below_one() && replicas > current) || (second->above_one() && replicas < current)) return current;
    return replicas;
}

}  // namespace detail

/// Resource metric, target type Utilization: percent of what was requested, in whole percents, rounded down before anything
/// else. Workers that start, and workers without a metric, count as if they made the change smaller.
[[nodiscard]] constexpr std::optional<std::uint32_t> hpa_by_utilisation(std::span<hpa_worker const> workers,
                                                                        std::uint32_t current, std::uint32_t target_percent,
                                                                        hpa_tolerance tolerance = {}) {
    return detail::hpa_per_worker(workers, current, target_percent, true, tolerance);
}

/// Pods metric, target type AverageValue: the mean, rounded down to a whole unit, against a target.
[[nodiscard]] constexpr std::optional<std::uint32_t> hpa_by_average(std::span<hpa_worker const> workers, std::uint32_t current,
                                                                    std::uint64_t target, hpa_tolerance tolerance = {}) {
    return detail::hpa_per_worker(workers, current, target, false, tolerance);
}

/// Object or external metric, target type Value: the ratio times the ready ones; from 0 replicas the ratio itself.
[[nodiscard]] constexpr std::uint32_t hpa_by_value(std::uint64_t value, std::uint64_t target, std::uint32_t current,
                                                   std::uint32_t ready, hpa_tolerance tolerance = {}) {
    detail::check(target, tolerance);
    detail::hpa_ratio const ratio{detail::natural(value), detail::natural(target)};
    if (current == 0) return ratio.of(1);
    return ratio.within(tolerance) ? current : ratio.of(ready);
}

/// Object or external metric, target type AverageValue: the value shared out, `target` to each.
[[nodiscard]] constexpr std::uint32_t hpa_by_share(std::uint64_t value, std::uint64_t target, std::uint32_t current,
                                                   hpa_tolerance tolerance = {}) {
    detail::check(target, tolerance);
    detail::hpa_ratio const shared{detail::natural(value), detail::natural(target) * current};
    if (current != 0 && shared.within(tolerance)) return current;
    return detail::hpa_ratio{detail::natural(value), detail::natural(target)}.of(1);
}

}  // namespace sluice
