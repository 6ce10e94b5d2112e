// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// weighted_split — divides traffic among arms by weight: 90 % to the old version, 10 % to the canary.
///
/// Use it for     canaries, experiments, migrations: by draw, or so that a key stays on its side
/// Not for        nodes that come and go (placements do that with less to change), balance (each key weighs alike)
/// Thread-safety  readers together, or one writer. draw: each thread with its own random numbers
/// Complexity     pick: a hash and O(log ranges), ranges <= arms until weights change; draw: O(log arms). Neither allocates.
///                set_weights: O(arms · ranges)
/// Errors         std::invalid_argument: no arms, a sum of weights of 0, a name that is there twice, another number of weights
///                than arms. Allocation failure throws std::bad_alloc; set_weights then has no effect
/// Units          weights in any whole unit, so percentages too. draw is exact. pick divides 10^6 slots, exactly so where the
///                weights' sum divides 10^6 · weight, to within one slot otherwise: less than one in a million may get none
/// Differs        a new weight moves keys only from arms that shrink to arms that grow, and only as many as it must. From 90/10
///                to 80/20 and back gives the same sides as before; with more arms the slots depend on the steps taken
/// Example        examples/240_canary_split.cpp
///
/// The key's hash is mixed with the salt first: two splits with different salts, or a split and a placement, divide
/// independently.

#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/hash.hpp>
#include <sluice/core/mix64.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/detail/describe.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace sluice {

struct split_arm {
    std::string   name{};  ///< may be empty: then the index is all
    std::uint32_t weight = 1;
};

struct weighted_split_options {
    std::vector<split_arm> arms{};
    std::uint64_t          salt = 0;
};

template <class Hash = xxh3>
class weighted_split {
public:
    static constexpr std::uint32_t slots = 1'000'000;

    explicit weighted_split(weighted_split_options options, Hash hash = {})
        : arms_(std::move(options.arms)), salt_(mix64(options.salt + 0x5D1C'E5B1'7A3F'0C45u)), hash_(hash) {
        detail::require_option(!arms_.empty(), "weighted_split: arms (at least one)", arms_.size());
        for (std::size_t i = 0; i < arms_.size(); ++i)
            for (std::size_t k = 0; k < i; ++k)
                if (!arms_[i].name.empty() && arms_[i].name == arms_[k].name)
                    detail::refuse_node("weighted_split: name (once only)", arms_[i].name);
        sums_ = sums_of(arms_.size(), [this](std::size_t i) { return arms_[i].weight; });
        std::uint32_t end = 0;
        for (std::size_t i = 0; i < arms_.size(); ++i)
            if (auto const n = share(sums_, i); n > 0) ranges_.push_back({end += n, static_cast<node_index>(i)});
    }
    explicit weighted_split(std::vector<split_arm> arms) : weighted_split(weighted_split_options{std::move(arms), 0}) {}

    /// The key's arm.
    template <routing_key<Hash> Key>
    [[nodiscard]] node_index pick(Key const& key) const noexcept {
        auto const slot = detail::multiply_wide(mix64(hash_of(hash_, key).value ^ salt_), slots).high;
        return std::upper_bound(ranges_.begin(), ranges_.end(), slot, [](std::uint64_t s, range const& r) { return s < r.end; })
            ->arm;
    }

    /// Any arm, by weight.
    template <random_source Source>
    [[nodiscard]] node_index draw(Source& rng) const {
        auto const at = uniform_below(rng, sums_.back());
        return static_cast<node_index>(std::upper_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
    }

    void set_weights(std::span<std::uint32_t const> weights) {
        detail::require_option(weights.size() == arms_.size(), "weighted_split: number of weights (that of the arms)",
                               weights.size());
        auto sums = sums_of(weights.size(), [&](std::size_t i) { return weights[i]; });
        auto ranges = moved(sums);
        ranges_ = std::move(ranges);
        sums_ = std::move(sums);
        for (std::size_t i = 0; i < arms_.size(); ++i) arms_[i].weight = weights[i];
    }

    [[nodiscard]] std::size_t        size() const noexcept { return arms_.size(); }
    [[nodiscard]] std::string const& name(node_index i) const { return arms_.at(i).name; }
    [[nodiscard]] std::uint32_t      weight(node_index i) const { return arms_.at(i).weight; }
    /// Slots of 10^6 that are the arm's.
    [[nodiscard]] std::uint32_t      slots_of(node_index i) const { return i < arms_.size() ? share(sums_, i) : 0; }

private:
    struct range {
        std::uint32_t end;  // begins where the one before ends
        node_index    arm;
    };
    static constexpr node_index free_slot = UINT32_MAX;

    template <class Weight>
    [[nodiscard]] static std::vector<std::uint64_t> sums_of(std::size_t n, Weight weight) {
        std::vector<std::uint64_t> sums(n);
        std::uint64_t              sum = 0;
        for (std::size_t i = 0; i < n; ++i) sums[i] = sum += weight(i);
        detail::require_option(sum > 0, "weighted_split: sum of weights (> 0)", sum);
        return sums;
    }
    /// Slots from sum to sum, rounded down: all of them together are all slots, and a weight of 0 has none.
    [[nodiscard]] static std::uint32_t share(std::vector<std::uint64_t> const& sums, std::size_t i) noexcept {
        auto const upto = [&](std::uint64_t sum) {
            return detail::multiply_divide(sum, slots, sums.back(), detail::round_to::floor);
        };
        return static_cast<std::uint32_t>(upto(sums[i]) - (i == 0 ? 0 : upto(sums[i - 1])));
    }

    /// Each arm that shrinks gives up slots at its upper end if a later arm grows, otherwise at its lower end.
    [[nodiscard]] std::vector<range> moved(std::vector<std::uint64_t> const& sums) const {
        struct stretch {
            std::uint32_t length;
            node_index    arm;
        };
        std::vector<stretch> stretches;
        for (std::uint32_t begin = 0; auto const& r : ranges_) {
            stretches.push_back({r.end - begin, r.arm});
            begin = r.end;
        }
        std::size_t last_growing = 0;
        for (std::size_t i = 0; i < arms_.size(); ++i)
            if (share(sums, i) > share(sums_, i)) last_growing = i;
        for (std::size_t i = 0; i < arms_.size(); ++i) {
            auto const had = share(sums_, i), has = share(sums, i);
            bool const at_end = last_growing > i;
            for (std::uint32_t surplus = had > has ? had - has : 0; surplus > 0;) {
                auto const own = [&](stretch const& p) { return p.arm == i; };
                auto const p = at_end ? std::find_if(stretches.rbegin(), stretches.rend(), own).base() - 1
                                      : std::find_if(stretches.begin(), stretches.end(), own);
                auto const cut = std::min(surplus, p->length);
                surplus -= cut;
                if (cut == p->length) {
                    p->arm = free_slot;
                } else {
                    p->length -= cut;
                    stretches.insert(at_end ? p + 1 : p, stretch{cut, free_slot});
                }
            }
        }
        std::vector<range> result;
        std::uint32_t      end = 0;
        auto const         append = [&](std::uint32_t length, node_index arm) {
            end += length;
            if (!result.empty() && result.back().arm == arm) result.back().end = end;
            else result.push_back({end, arm});
        };
        std::size_t   taker = 0;
        std::uint32_t wanted = 0;
        auto const    wants = [&](std::size_t i) {
            auto const had = share(sums_, i), has = share(sums, i);
            return has > had ? has - had : 0;
        };
        wanted = wants(0);
        for (auto p : stretches) {
            while (p.arm == free_slot && p.length > 0) {
                while (wanted == 0) wanted = wants(++taker);
                auto const n = std::min(wanted, p.length);
                append(n, static_cast<node_index>(taker));
                p.length -= n;
                wanted -= n;
            }
            if (p.length > 0) append(p.length, p.arm);
        }
        return result;
    }

    std::vector<split_arm>     arms_;
    std::vector<std::uint64_t> sums_;    // of the weights up to and with this one
    std::vector<range>         ranges_;
    std::uint64_t              salt_;
    Hash                       hash_;
};

weighted_split(weighted_split_options) -> weighted_split<xxh3>;
weighted_split(std::vector<split_arm>) -> weighted_split<xxh3>;

}  // namespace sluice
