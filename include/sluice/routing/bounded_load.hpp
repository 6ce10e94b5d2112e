// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// bounded_load — consistent hashing that lets no node have much more than its share: a full one hands the key on.
///
/// Use it for     keys of which some are far more wanted than others, where a key may also be served elsewhere
/// Not for        data that is in one place only (the placement itself), or load that is known for other nodes' clients, too
/// Thread-safety  acquire, release, tokens and figures: any thread. change: while nobody else is here. Outlives its tokens
/// Progress       lock-free: an acquire begins anew only because others came in between
/// Complexity     the first node with room: two additions and one exchange. Otherwise one walk of the placement (random_jump:
///                4 · size + 32 look-ups, then all indices). No allocation
/// Errors         std::invalid_argument: load_factor not a number, below 1.000001 or above 1000; weights that are not > 0 or
///                whose sum is above 1.8 · 10^7. change may throw std::bad_alloc and then has no effect
/// Units          load: tokens that are out. load_factor in parts per million, weights (placement.weight(index), otherwise 1)
///                in millionths: exact from there on
/// Source         Mirrokni, Thorup, Zadimoghaddam, SODA 2018, arXiv:1608.01350; random jump: Chen, Coleman, Shrivastava, AAAI
///                2021, arXiv:1908.08762
/// Differs        Envoy lets a node have one more than its bound
/// Example        examples/220_bounded_load.cpp
///
/// The cap of a node is ceil(load_factor · (total + 1) · weight / all weights), where total is what is out already. All caps
/// together are more than total, so there is always room. The answer depends on the load that this object has seen: two of
/// them may send a key to different nodes.
///
/// When total falls, a node may be above the cap of that moment; it then gets nothing until it is below. A node's load
/// belongs to its index: if the node goes and another one takes its index, it begins with what is still out.

#include <sluice/core/assert.hpp>
#include <sluice/core/cacheline.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/placement.hpp>

#include <atomic>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace sluice {

/// Where a key goes when its node is full.
enum class overflow_policy : std::uint8_t {
    next_node,   ///< along the placement's own order: the same nodes each time, so their caches fill
    random_jump  ///< by other hashes of the key: the neighbour of a full node is not the next one to be full
};

struct bounded_load_options {
    double          load_factor = 1.25;  ///< 1.000001 to 1000
    overflow_policy overflow = overflow_policy::next_node;
    std::uint64_t   minimum_total = 0;   ///< caps are never smaller than for so many: no key moves while there is little to do
};

// Ordering
//   (A) take    CAS acquire on a node's load       <- (B): who takes a place that was given back sees what was done before
//   (B) give    fetch_sub release on the same
//   (C) count   relaxed: each word alone decides. A load grows only by (A) from a value below the cap, so it is never above
//               it, whatever else is seen late; a total is what fetch_add returned
// Who is late: the cap is that of a total during this call, perhaps not the last one. When a whole walk finds no room, others
// have taken it since the total was read (or a release was seen late): with total read again, the walk begins anew.

template <placement P, template <class> class Atom = std::atomic>
class bounded_load {
public:
    /// One unit of load on a node, given back exactly once.
    class [[nodiscard]] token {
    public:
        token() noexcept = default;
        token(token&& other) noexcept : from_(std::exchange(other.from_, nullptr)), node_(other.node_) {}
        token& operator=(token&& other) noexcept {
            if (this != &other) {
                release();
                from_ = std::exchange(other.from_, nullptr);
                node_ = other.node_;
            }
            return *this;
        }
        ~token() { release(); }

        /// Empty: there is no node, or it has been released.
        [[nodiscard]] explicit operator bool() const noexcept { return from_ != nullptr; }
        /// Requires a token that is not empty, as does node().
        [[nodiscard]] node_index index() const noexcept {
            SLUICE_ASSERT(from_ != nullptr);
            return node_;
        }
        [[nodiscard]] typename P::node_type node() const {
            SLUICE_ASSERT(from_ != nullptr);
            return from_->placement_.node(node_);
        }
        void release() noexcept {
            if (from_ != nullptr) std::exchange(from_, nullptr)->release(node_);
        }

    private:
        friend class bounded_load;
        token(bounded_load* from, node_index node) noexcept : from_(from), node_(node) {}

        bounded_load* from_ = nullptr;
        node_index    node_ = 0;
    };

    explicit bounded_load(P placement, bounded_load_options options = {})
        : options_(options), factor_(parts_per_million(options.load_factor)), placement_(std::move(placement)) {
        resize(placement_, 0);
    }
    bounded_load(bounded_load const&) = delete;
    bounded_load& operator=(bounded_load const&) = delete;

    /// A unit on the key's node, or on the next one with room.
    token acquire(hashed_key key) noexcept {
        auto const i = acquire_index(key);
        return i ? token(this, *i) : token();
    }
    template <class Key>
        requires requires(P const& p, Key const& key) { p.key(key); }
    token acquire(Key const& key) noexcept {
        return acquire(placement_.key(key));
    }

    /// The same without a token: release(index) gives it back.
    [[nodiscard]] std::optional<node_index> acquire_index(hashed_key key) noexcept {
        if (placement_.size() == 0) return std::nullopt;
        std::uint64_t total = total_.fetch_add(1, std::memory_order_relaxed) + 1;   // (C)
        for (;;) {
            auto const i = walk_for_room(key, total);
            if (i) return i;
            total = total_.fetch_add(0, std::memory_order_relaxed);                // (C)
        }
    }
    /// Requires that somebody has one on this node.
    void release(node_index i) noexcept {
        [[maybe_unused]] auto const before = nodes_[i].load.fetch_sub(1, std::memory_order_release);  // (B)
        SLUICE_ASSERT(before > 0);
        total_.fetch_sub(1, std::memory_order_relaxed);                                              // (C)
    }

    [[nodiscard]] P const& placement() const noexcept { return placement_; }
    [[nodiscard]] std::uint64_t total() const noexcept { return total_.load(std::memory_order_relaxed); }  // (C)
    /// Requires an index below the placement's bound.
    [[nodiscard]] std::uint64_t load(node_index i) const noexcept {
        return nodes_[i].load.load(std::memory_order_relaxed);  // (C)
    }
    /// The most that the next acquire may leave on this node.
    [[nodiscard]] std::uint64_t cap(node_index i) const noexcept {
        return detail::multiply_divide(floored(total() + 1), nodes_[i].share, divisor_, detail::round_to::ceiling);
    }

    /// change(placement): nodes added, removed, weighed. Nobody else may be here; tokens may be out. What it throws leaves all
    /// as it was.
    template <class Change>
    void change(Change change) {
        P next = placement_;
        change(next);
        resize(next, bound_);
        placement_ = std::move(next);
    }

private:
    struct alignas(cache_line_size) node_state {
        Atom<std::uint64_t> load{0};
        std::uint64_t       share = 0;  // load_factor · weight; 0 for an index that nobody has
    };
    /// The placement without its order: a walk of it jumps.
    struct jumping {
        using node_type = typename P::node_type;
        P const* p;

        [[nodiscard]] std::size_t size() const noexcept { return p->size(); }
        [[nodiscard]] std::size_t index_bound() const noexcept { return p->index_bound(); }
        [[nodiscard]] bool        contains_index(node_index i) const noexcept { return p->contains_index(i); }
        [[nodiscard]] std::optional<node_index> locate(hashed_key key) const noexcept { return p->locate(key); }
        [[nodiscard]] node_type                 node(node_index i) const { return p->node(i); }
        [[nodiscard]] std::optional<node_type>  pick(hashed_key key) const { return p->pick(key); }
    };
    static constexpr std::uint64_t million = 1'000'000;

    [[nodiscard]] static std::uint64_t parts_per_million(double factor) {
        if (!(factor >= 1.000001 && factor <= 1000)) detail::throw_invalid("bounded_load: load_factor (1.000001 to 1000)", factor);
        return static_cast<std::uint64_t>(std::llround(factor * 1e6));
    }
    [[nodiscard]] static std::uint64_t weight_of(P const& p, node_index i) {
        if constexpr (requires { { p.weight(i) } -> std::convertible_to<double>; }) {
            double const w = static_cast<double>(p.weight(i));
            if (!(w > 0 && w <= 1.8e7)) detail::throw_invalid("bounded_load: weight (> 0, <= 1.8e7)", w);
            auto const millionths = static_cast<std::uint64_t>(std::llround(w * 1e6));
            return millionths == 0 ? 1 : millionths;
        } else {
            return million;
        }
    }
    [[nodiscard]] std::uint64_t floored(std::uint64_t total) const noexcept {
        return total < options_.minimum_total ? options_.minimum_total : total;
    }

    /// Never smaller than before: tokens may be out.
    void resize(P const& p, std::size_t at_least) {
        std::size_t const             bound = p.index_bound() > at_least ? p.index_bound() : at_least;
        std::unique_ptr<node_state[]> next(new node_state[bound]);
        std::uint64_t                 sum = 0;
        for (std::size_t n = 0; n < bound; ++n) {
            auto const i = static_cast<node_index>(n);
            if (n < bound_) next[n].load.store(load(i), std::memory_order_relaxed);  // (C)
            if (!p.contains_index(i)) continue;
            std::uint64_t const w = weight_of(p, i);
            sum += w;
            if (sum > 18'000'000 * million) detail::throw_invalid("bounded_load: sum of weights (<= 1.8e7)", sum / million);
            next[n].share = weight_and_factor(w);
        }
        nodes_ = std::move(next);
        bound_ = bound;
        divisor_ = sum == 0 ? 1 : sum * million;
    }
    [[nodiscard]] std::uint64_t weight_and_factor(std::uint64_t w) const {
        // At most 1.8e13 · 10^9; where that is too much for 64 bits, such a node has no bound that counts.
        auto const product = detail::multiply_wide(w, factor_);
        return product.high != 0 ? UINT64_MAX : product.low;
    }

    /// One step up if that stays within the cap for this total: load < factor · total · weight / weights, without a division.
    [[nodiscard]] bool take(node_index i, std::uint64_t total) noexcept {
        auto&      n = nodes_[i];
        auto const most = detail::multiply_wide(floored(total), n.share);
        auto       now = n.load.load(std::memory_order_relaxed);  // (C)
        while (detail::multiply_wide(now, divisor_) < most)
            if (n.load.compare_exchange_weak(now, now + 1, std::memory_order_acquire, std::memory_order_relaxed))  // (A)
                return true;
        return false;
    }

    [[nodiscard]] std::optional<node_index> walk_for_room(hashed_key key, std::uint64_t total) noexcept {
        std::optional<node_index> found;
        auto const                visit = [&](node_index i) {
            if (!take(i, total)) return true;
            found = i;
            return false;
        };
        if (options_.overflow == overflow_policy::next_node) walk(placement_, key, visit);
        else walk(jumping{&placement_}, key, visit);
        return found;
    }

    bounded_load_options          options_;
    std::uint64_t                 factor_;       // parts per million
    std::uint64_t                 divisor_ = 1;  // of shares: all weights
    std::size_t                   bound_ = 0;
    P                             placement_;
    std::unique_ptr<node_state[]> nodes_;
    alignas(cache_line_size) Atom<std::uint64_t> total_{0};
};

}  // namespace sluice
