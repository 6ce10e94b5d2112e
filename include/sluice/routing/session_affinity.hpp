// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// session_affinity — a session stays with its node, while that is there and not overloaded.
///
/// Use it for     sessions, carts, caches per user: the key is the user, or a token that the client brings back
/// Not for        keys that are only hashed to nodes (ring_hash and its kind need no memory), or correctness: a node can die
/// Thread-safety  one thread at a time
/// Complexity     route: O(1) for a session that is at home; otherwise a walk over the placement, or the inner balancer, three
///                times at most. Memory: 32 bytes for each of the sessions at once, taken by the constructor; route does not allocate
/// Errors         constructor: std::invalid_argument names the option; std::bad_alloc. No node is an empty answer
/// Units          nanoseconds; tasks in flight
/// Source         HAProxy (stick tables), Envoy (stateful sessions), nginx (sticky); their troubles with drained and dead homes
/// Differs        a home that is overloaded keeps the session and lends it out; one that is drained keeps what it has, to the end
///                of the sessions' times, and takes nothing new
///
/// Where a new session goes is decided by the Source: a placement (the key's first node, else the next that it prefers), whose
/// indices are positions in the list; or any balancer. The session is remembered for ttl after its last use.
///
///     the home can work               home      the time begins anew
///     it is overloaded                spilled   another one this time: the placement's next in order, or the balancer's choice
///                                               of the others; the session stays at home. Home after all if all are overloaded
///     it is drained (weight 0)        home      but the time goes on: after ttl at the latest the session is a new one
///     it is not available             moved     a new home, as for a new session, is remembered. If there is none: nothing
///     no session is remembered        started   a home that is not overloaded, if possible
///
/// Overloaded is what the predicate says, by default in flight >= its limit. When the table's row for a key is full, an ended
/// session gives its place, else the one not used for longest: it begins anew when it comes back, at the same node if the
/// placement says so. A time that goes back ends no session.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/mix64.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/node_view.hpp>
#include <sluice/routing/placement.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace sluice {

enum class affinity : std::uint8_t { none, home, spilled, moved, started };

struct affinity_result {
    std::optional<node_index> node;                  ///< where the request goes
    affinity                  kind = affinity::none;
};

/// The usual answer to "is this node overloaded?": its tasks in flight have reached a limit.
struct in_flight_limit {
    std::uint32_t limit = std::numeric_limits<std::uint32_t>::max();

    template <class N>
    [[nodiscard]] constexpr bool operator()(N const& node) const noexcept {
        return node_in_flight(node) >= limit;
    }
};

struct session_affinity_options {
    std::size_t sessions = 10'000;                     ///< remembered at once; rounded up to a multiple of 8; > 0
    duration    ttl = std::chrono::minutes(30);        ///< from the last use; > 0
};

template <class Source, class Overloaded = in_flight_limit>
class session_affinity {
public:
    explicit session_affinity(Source source, session_affinity_options options = {}, Overloaded overloaded = {})
        : options_(checked(options)), source_(std::move(source)), overloaded_(std::move(overloaded)),
          table_(options.sessions / row_length + (options.sessions % row_length != 0 ? 1u : 0u)) {}

    /// Where the session's next request goes. The key's hash stands for it: equal hashes are one session.
    template <node_list List, random_source Random>
    affinity_result route(hashed_key key, List const& nodes, time_point now, Random& rng) {
        last_ = std::max(last_, now);
        auto& r = row_of(key);
        if (auto* const s = find(r, key)) {
            node_index const home = s->home;
            if (home < nodes.size() && node_healthy(nodes[home])) {
                auto&& node = nodes[home];
                bool const drained = node_weight(node) == 0;
                if (!drained) s->used = last_;
                if (node_tried(node) || overloaded_(node)) {
                    auto const other = choose(key, nodes, true, now, rng);
                    if (other) return {other, affinity::spilled};
                    if (node_tried(node)) {
                        auto const any = choose(key, nodes, false, now, rng);
                        return {any, any ? affinity::spilled : affinity::none};
                    }
                }
                return {home, affinity::home};
            }
            auto const next = choose_new(key, nodes, now, rng);
            if (!next) return {};
            s->home = *next;
            s->used = last_;
            return {next, affinity::moved};
        }
        auto const first = choose_new(key, nodes, now, rng);
        if (!first) return {};
        auto& s = place_in(r);
        s = {key, last_, *first, true};
        return {first, affinity::started};
    }

    /// The session's home, if one is remembered that has not ended.
    [[nodiscard]] std::optional<node_index> home(hashed_key key, time_point now) const noexcept {
        auto const& r = table_[row_index(key)];
        for (auto const& s : r.sessions)
            if (s.live && s.key == key && !ended(s, std::max(last_, now))) return s.home;
        return std::nullopt;
    }
    /// Sessions remembered at this node; what a drain waits for. O(sessions).
    [[nodiscard]] std::size_t sessions_at(node_index node, time_point now) const noexcept {
        std::size_t count = 0;
        for (auto const& r : table_)
            for (auto const& s : r.sessions) count += s.live && s.home == node && !ended(s, std::max(last_, now)) ? 1u : 0u;
        return count;
    }
    /// The session is over.
    void end(hashed_key key) noexcept {
        for (auto& s : row_of(key).sessions)
            if (s.key == key) s.live = false;
    }
    /// The node is gone for good, and its position may be another's: its sessions begin anew. O(sessions).
    void forget_node(node_index node) noexcept {
        for (auto& r : table_)
            for (auto& s : r.sessions)
                if (s.home == node) s.live = false;
    }

    [[nodiscard]] std::size_t   capacity() const noexcept { return table_.size() * row_length; }
    [[nodiscard]] Source&       source() noexcept { return source_; }
    [[nodiscard]] Source const& source() const noexcept { return source_; }

private:
    static constexpr std::size_t row_length = 8;

    struct session {
        hashed_key key{};
        time_point used{};
        node_index home = 0;
        bool       live = false;
    };
    struct row {
        session sessions[row_length];
    };

    [[nodiscard]] std::size_t row_index(hashed_key key) const noexcept {
        return static_cast<std::size_t>(mix64(key.value) % table_.size());
    }
    [[nodiscard]] row& row_of(hashed_key key) noexcept { return table_[row_index(key)]; }

    [[nodiscard]] bool ended(session const& s, time_point now) const noexcept {
        return saturating_sub(now, s.used) >= options_.ttl;
    }
    [[nodiscard]] session* find(row& r, hashed_key key) noexcept {
        for (auto& s : r.sessions) {
            if (!s.live || s.key != key) continue;
            if (!ended(s, last_)) return &s;
            s.live = false;
        }
        return nullptr;
    }
    /// A free place, or that of the session not used for longest: one that has ended, if there is one.
    [[nodiscard]] session& place_in(row& r) noexcept {
        session* oldest = &r.sessions[0];
        for (auto& s : r.sessions) {
            if (!s.live) return s;
            if (s.used < oldest->used) oldest = &s;
        }
        return *oldest;
    }

    template <node_list List, random_source Random>
    std::optional<node_index> choose_new(hashed_key key, List const& nodes, time_point now, Random& rng) {
        if (auto const good = choose(key, nodes, true, now, rng)) return good;
        return choose(key, nodes, false, now, rng);
    }
    /// A usable node, not overloaded if so told.
    template <node_list List, random_source Random>
    std::optional<node_index> choose(hashed_key key, List const& nodes, bool spare, time_point now, Random& rng) {
        auto const fits = [&](std::size_t, auto const& n) { return !(spare && overloaded_(n)); };
        if constexpr (placement<Source>) {
            std::optional<node_index> chosen;
            walk(source_, key, [&](node_index i) {
                if (i >= nodes.size() || !node_usable(nodes[i]) || !fits(i, nodes[i])) return true;
                chosen = i;
                return false;
            });
            return chosen;
        } else {
            return source_.choose(detail::only(nodes, fits), now, rng);
        }
    }

    static session_affinity_options checked(session_affinity_options o) {
        detail::require_option(o.sessions > 0, "session_affinity: sessions (> 0)", o.sessions);
        detail::require_option(o.ttl.count() > 0, "session_affinity: ttl (> 0 ns)", o.ttl.count());
        return o;
    }

    session_affinity_options options_;
    Source                   source_;
    Overloaded               overloaded_;
    std::vector<row>         table_;
    time_point               last_ = time_point::min();
};

}  // namespace sluice
