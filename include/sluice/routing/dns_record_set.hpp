// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// dns_record_set, dns_cache — balancing as DNS does it: the server rotates its answers, clients keep theirs until they expire.
///
/// Use it for     knowing what such a set-up gives: uneven load, since an answer counts for all that its client does for the TTL,
///                and changes that are seen a TTL late
/// Not for        anything that can choose per request
/// Thread-safety  one thread at a time; a cache uses its record set when an answer has expired, and must not outlive it
/// Complexity     choose: O(1) while the first record can be chosen, O(n) at worst and when it asks anew. No allocation unless
///                the set is larger than when the cache was made
/// Errors         std::invalid_argument: ttl < 0, answer_size 0. choose throws std::bad_alloc only where it allocates
/// Units          records are positions in the list of nodes
/// Source         RFC 1035 (TTL), RFC 1794 (rotation)
///
/// A client takes the first record, and the next ones only when that cannot be chosen: it has tried to connect.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sluice {

enum class dns_rotation : std::uint8_t { cyclic, random };

struct dns_record_set_options {
    duration     ttl = std::chrono::seconds(30);  ///< so long an answer is kept; >= 0
    dns_rotation rotation = dns_rotation::cyclic;
    std::size_t  answer_size = SIZE_MAX;          ///< records in an answer at most; > 0
};

/// The server's side.
class dns_record_set {
public:
    explicit dns_record_set(std::vector<node_index> records, dns_record_set_options options = {})
        : records_(std::move(records)), options_(options) {
        detail::require_option(options.ttl.count() >= 0, "dns_record_set: ttl (>= 0 ns)", options.ttl.count());
        detail::require_option(options.answer_size > 0, "dns_record_set: answer_size (> 0)", options.answer_size);
    }

    /// Other records from now on; clients see them when their answers expire.
    void assign(std::vector<node_index> records) noexcept { records_ = std::move(records); }

    /// One answer: the records, each time from the next one on, or in any order.
    template <random_source Source>
    void answer(std::vector<node_index>& to, Source& rng) {
        std::size_t const n = records_.size(), wanted = std::min(n, options_.answer_size);
        to.assign(records_.begin(), records_.end());
        if (n == 0) return;
        if (options_.rotation == dns_rotation::cyclic) {
            if (next_ >= n) next_ = 0;
            std::rotate(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(next_++), to.end());
        } else {
            for (std::size_t k = 0; k < wanted; ++k) std::swap(to[k], to[k + static_cast<std::size_t>(uniform_below(rng, n - k))]);
        }
        to.resize(wanted);
    }

    [[nodiscard]] std::size_t size() const noexcept { return records_.size(); }
    [[nodiscard]] duration    ttl() const noexcept { return options_.ttl; }

private:
    std::vector<node_index> records_;
    dns_record_set_options  options_;
    std::size_t             next_ = 0;
};

/// The client's side: a balancer over what it has heard.
class dns_cache {
public:
    explicit dns_cache(dns_record_set& server) : server_(&server) { answer_.reserve(server.size()); }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) {
        if (expired(now)) {
            server_->answer(answer_, rng);
            since_ = now;
            asked_ = true;
        }
        for (auto const record : answer_)
            if (record < nodes.size() && node_usable(nodes[record])) return record;
        return std::nullopt;
    }

    /// Whether the next choose asks the server: never asked, too old, or the clock was set back.
    [[nodiscard]] bool expired(time_point now) const noexcept {
        return !asked_ || now < since_ || saturating_sub(now, since_) >= server_->ttl();
    }

private:
    dns_record_set*         server_;
    std::vector<node_index> answer_;
    time_point              since_{};
    bool                    asked_ = false;
};

}  // namespace sluice
