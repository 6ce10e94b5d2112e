// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// drr — deficit round robin: the tenants take turns, each turn worth the same amount of work times the tenant's weight.
///
/// Use it for     sharing one server among tenants, whatever the sizes of their items; drr<codel> also bounds each one's
///                delay
/// Not for        classes that must go first (aging_priority); the least delay for small shares (wfq)
/// Thread-safety  one thread at a time
/// Complexity     O(1) per item where the quantum is at least the largest cost, otherwise O(waiting tenants), however
///                small the quantum is. make_room: O(the most tenants that ever waited at once), O(1) while each has one
///                item. One allocation when an idle tenant's first item comes, freed with its last: memory is for the
///                tenants that wait, but for a pointer for each of the most there were at once
/// Errors         std::invalid_argument for a quantum or a tenant_capacity of 0, a weight outside 1 … 65536, a
///                tenant with two weights. prepare may throw std::bad_alloc and then has no effect; the rest is noexcept
/// Units          quantum and deficit in units of cost; a cost of 0 counts as 1
/// Source         Shreedhar, Varghese, SIGCOMM 1995, doi:10.1145/217391.217453
/// Differs        rounds in which no tenant can afford its next item are taken all at once
///
/// While two tenants wait all the time, |served_i / weight_i − served_j / weight_j| <= quantum + 2 · largest cost. A
/// tenant that runs out of items loses its deficit: no credit is saved for later. What one does not use the others share
/// likewise, so that the outcome is max-min fair.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/flow/detail/flow_table.hpp>
#include <sluice/flow/fifo.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace sluice {

struct drr_options {
    std::uint32_t              quantum = 1;                 ///< a turn of a tenant of weight 1; > 0
    std::vector<tenant_weight> weights = {};                ///< of those that do not have 1
    std::size_t                tenant_capacity = SIZE_MAX;  ///< most items of one tenant; > 0
    bool                       push_out = true;  ///< a full queue drops the newest item of whoever has most for its weight
};

/// Inner orders the items of one tenant; each tenant has its own, as long as something of it waits. It must not need
/// prepare.
template <peekable_discipline Inner = fifo>
    requires(!preparing_discipline<Inner>)
class drr {
public:
    using options_type = drr_options;
    using inner_options = typename Inner::options_type;

    explicit drr(drr_options options = {}, inner_options inner = {})
        : weights_(std::move(options.weights), "drr: weight (1 … 65536)"),
          inner_(std::move(inner)),
          quantum_(options.quantum),
          tenant_capacity_(options.tenant_capacity),
          push_out_(options.push_out) {
        detail::require_option(options.quantum > 0, "drr: quantum (> 0)", options.quantum);
        detail::require_option(options.tenant_capacity > 0, "drr: tenant_capacity (> 0)", options.tenant_capacity);
        static_cast<void>(Inner(inner_));  // refuses impossible options now
    }
    drr(drr&& other) noexcept
        : weights_(std::move(other.weights_)),
          inner_(std::move(other.inner_)),
          quantum_(other.quantum_),
          tenant_capacity_(other.tenant_capacity_),
          push_out_(other.push_out_),
          flows_(std::move(other.flows_)),
          turn_(std::exchange(other.turn_, nullptr)),
          last_(std::exchange(other.last_, nullptr)),
          total_weight_(std::exchange(other.total_weight_, 0)),
          size_(std::exchange(other.size_, 0)),
          in_turn_(std::exchange(other.in_turn_, false)) {}
    drr& operator=(drr&&) = delete;

    void prepare(item_attributes const& attributes) {
        if (flows_.find(attributes.tenant) == nullptr)
            flows_.prepare([this] { return std::make_unique<flow>(inner_); });
    }

    /// Requires prepare with the same attributes before.
    void push(queue_node& node, time_point now) noexcept {
        auto* f = flows_.find(node.attributes.tenant);
        if (f == nullptr) {
            f = &flows_.insert(node.attributes.tenant);
            f->weight = weights_.of(f->tenant);
            total_weight_ += f->weight;
            append(*f);
        }
        f->items.push(node, now);
        f->cost += work_of(node.attributes);
        ++size_;
    }

    [[nodiscard]] popped_node pop(time_point now) noexcept {
        for (std::size_t unserved = 0; turn_ != nullptr;) {
            flow& f = *turn_;
            if (!in_turn_) {
                f.deficit += quantum_of(f);
                in_turn_ = true;
            }
            if (next_cost(f, now) <= f.deficit) return serve(f, now);
            in_turn_ = false;
            rotate();
            if (++unserved == flows_.size()) skip_rounds(now);
        }
        return {};
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    [[nodiscard]] bool admits(item_attributes const& attributes) const noexcept {
        auto const* const f = flows_.find(attributes.tenant);
        return f == nullptr || f->items.size() < tenant_capacity_;
    }

    /// The tenant's own work, in the share of the server that it has now, and one turn of each other.
    [[nodiscard]] std::uint64_t cost_ahead(item_attributes const& attributes, time_point) const noexcept {
        auto const* const   f = flows_.find(attributes.tenant);
        std::uint64_t const weight = f != nullptr ? f->weight : weights_.of(attributes.tenant);
        std::uint64_t const others = f != nullptr ? total_weight_ - weight : total_weight_;
        std::uint64_t const own = f != nullptr ? f->cost : 0;
        auto const          shared = detail::multiply_divide(own, weight + others, weight, detail::round_to::floor);
        auto const          turns = detail::multiply_divide(others, quantum_, 1, detail::round_to::floor);
        return shared > UINT64_MAX - turns ? UINT64_MAX : shared + turns;
    }

    /// The newest item of the tenant with the most for its weight, if the item's own tenant would then still have less.
    [[nodiscard]] queue_node* make_room(item_attributes const& attributes, time_point) noexcept {
        if constexpr (requires(Inner& items) { items.take_newest(); }) {
            if (!push_out_ || size_ == flows_.size()) return nullptr;
            auto const* const own = flows_.find(attributes.tenant);
            auto const        places = (own != nullptr ? own->size() : 0) + 1;
            auto* const       f = flows_.longest(places, own != nullptr ? own->weight : weights_.of(attributes.tenant));
            if (f == nullptr) return nullptr;
            auto* const node = f->items.take_newest();
            f->cost -= work_of(node->attributes);
            --size_;
            return node;
        } else {
            return nullptr;
        }
    }

    /// What the tenant may still have served in its turn; 0 for one of which nothing waits.
    [[nodiscard]] std::uint64_t deficit(std::uint64_t tenant) const noexcept {
        auto const* const f = flows_.find(tenant);
        return f != nullptr ? f->deficit : 0;
    }
    /// Tenants of which something waits.
    [[nodiscard]] std::size_t tenants() const noexcept { return flows_.size(); }
    /// Items of one tenant.
    [[nodiscard]] std::size_t size(std::uint64_t tenant) const noexcept {
        auto const* const f = flows_.find(tenant);
        return f != nullptr ? f->items.size() : 0;
    }

private:
    struct flow {
        explicit flow(inner_options const& options) : items(options) {}
        [[nodiscard]] std::uint64_t size() const noexcept { return items.size(); }

        Inner         items;
        std::uint64_t tenant = 0;
        std::uint64_t deficit = 0;
        std::uint64_t cost = 0;
        flow*         same_bucket = nullptr;
        flow*         after = nullptr;  // in the order of turns
        std::uint32_t weight = 1;
    };

    [[nodiscard]] std::uint64_t quantum_of(flow const& f) const noexcept { return std::uint64_t{quantum_} * f.weight; }
    [[nodiscard]] static std::uint64_t next_cost(flow const& f, time_point now) noexcept {
        return work_of(f.items.peek(now)->attributes);
    }

    void append(flow& f) noexcept {
        f.after = nullptr;
        (last_ != nullptr ? last_->after : turn_) = &f;
        last_ = &f;
    }
    void rotate() noexcept {
        auto* const f = turn_;
        remove_first();
        append(*f);
    }
    void remove_first() noexcept {
        turn_ = turn_->after;
        if (turn_ == nullptr) last_ = nullptr;
    }

    [[nodiscard]] popped_node serve(flow& f, time_point now) noexcept {
        auto const result = f.items.pop(now);
        auto const cost = work_of(result.node->attributes);
        if (!result.shed) f.deficit -= cost;
        f.cost -= cost;
        --size_;
        if (f.items.size() == 0) {
            in_turn_ = false;
            remove_first();
            total_weight_ -= f.weight;
            flows_.erase(f);
        }
        return result;
    }

    /// Nobody can afford its next item: gives everybody the quanta of all the rounds but the last that it would take.
    void skip_rounds(time_point now) noexcept {
        std::uint64_t rounds = UINT64_MAX;
        for (auto* f = turn_; f != nullptr; f = f->after)
            rounds = std::min(rounds, (next_cost(*f, now) - f->deficit - 1) / quantum_of(*f));
        for (auto* f = turn_; f != nullptr; f = f->after) f->deficit += rounds * quantum_of(*f);
    }

    detail::tenant_weights   weights_;
    inner_options            inner_;
    std::uint32_t            quantum_;
    std::size_t              tenant_capacity_;
    bool                     push_out_;
    detail::flow_table<flow> flows_;
    flow*                    turn_ = nullptr;  // whose turn it is, the others after it
    flow*                    last_ = nullptr;
    std::uint64_t            total_weight_ = 0;
    std::size_t              size_ = 0;
    bool                     in_turn_ = false;
};

static_assert(queue_discipline<drr<fifo>>);

}  // namespace sluice
