// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// wfq — weighted fair queueing by finish tags: the item that a fair server would finish first is next.
///
/// Use it for     sharing one server among tenants by weight, where small items of a quiet tenant should not wait for a
///                round
/// Not for        many thousand waiting tenants (drr costs less); classes that must go first (aging_priority)
/// Thread-safety  one thread at a time
/// Complexity     O(log waiting tenants) amortised. make_room: O(the most tenants that ever waited at once), O(1) while
///                each has one item. One allocation when an idle tenant's first item comes, freed with its last
/// Errors         std::invalid_argument for a tenant_capacity of 0, a weight outside 1 … 65536, a tenant with two
///                weights. prepare may throw std::bad_alloc and then has no effect; the rest is noexcept
/// Units          a cost of 0 counts as 1. Tags have 30 binary digits after the point and are compared modulo 2^64: the
///                virtual time never overflows, and what a division leaves is carried to the tenant's next item
/// Source         Golestani, INFOCOM 1994, doi:10.1109/INFCOM.1994.337677 (self-clocked); Demers, Keshav, Shenker,
///                SIGCOMM 1989
/// Differs        only the first item of a tenant has a tag, which is the one it would have got when it came
///
/// F = max(V, F of the tenant's item before) + cost / weight; V is the F of the item served last. While two tenants wait
/// all the time, |served_i / weight_i − served_j / weight_j| <= largest cost_i / weight_i + largest cost_j / weight_j. An
/// idle tenant saves no credit: its next tag starts at V.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/flow/detail/flow_table.hpp>
#include <sluice/flow/detail/pairing_heap.hpp>
#include <sluice/flow/detail/queue_list.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace sluice {

struct wfq_options {
    std::vector<tenant_weight> weights = {};                ///< of those that do not have 1
    std::size_t                tenant_capacity = SIZE_MAX;  ///< most items of one tenant; > 0
    bool                       push_out = true;  ///< a full queue drops the newest item of whoever has most for its weight
    std::uint64_t              first_virtual_time = 0;      ///< for tests of the wrap-around
};

class wfq {
public:
    using options_type = wfq_options;

    explicit wfq(wfq_options options = {})
        : weights_(std::move(options.weights), "wfq: weight (1 … 65536)"),
          tenant_capacity_(options.tenant_capacity),
          push_out_(options.push_out),
          virtual_time_(options.first_virtual_time) {
        detail::require_option(options.tenant_capacity > 0, "wfq: tenant_capacity (> 0)", options.tenant_capacity);
    }
    wfq(wfq&&) noexcept = default;
    wfq& operator=(wfq&&) = delete;

    void prepare(item_attributes const& attributes) {
        if (flows_.find(attributes.tenant) == nullptr) flows_.prepare([] { return std::make_unique<flow>(); });
    }

    /// Requires prepare with the same attributes before.
    void push(queue_node& node, time_point) noexcept {
        auto* f = flows_.find(node.attributes.tenant);
        bool const idle = f == nullptr;
        if (idle) {
            f = &flows_.insert(node.attributes.tenant);
            f->weight = weights_.of(f->tenant);
            f->finish = virtual_time_;
            total_weight_ += f->weight;
        }
        node.sequence = pushed_++;
        f->items.push_back(node);
        f->cost += work_of(node.attributes);
        ++size_;
        if (idle) enqueue(*f);
    }

    [[nodiscard]] popped_node pop(time_point) noexcept {
        auto* const f = order_.pop();
        if (f == nullptr) return {};
        auto* const node = f->items.pop_front();
        virtual_time_ = f->finish;
        f->cost -= work_of(node->attributes);
        --size_;
        if (f->items.size() > 0) {
            enqueue(*f);
        } else {
            total_weight_ -= f->weight;
            flows_.erase(*f);
        }
        return {node, false};
    }

    [[nodiscard]] queue_node const* peek(time_point) const noexcept {
        return order_.top() != nullptr ? order_.top()->items.front() : nullptr;
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    [[nodiscard]] bool admits(item_attributes const& attributes) const noexcept {
        auto const* const f = flows_.find(attributes.tenant);
        return f == nullptr || f->items.size() < tenant_capacity_;
    }

    /// What a fair server would do until it has done the tenant's own work and this item, less the item itself. Each other
    /// tenant counts as if it had enough for its share; an item of each may come on top.
    [[nodiscard]] std::uint64_t cost_ahead(item_attributes const& attributes, time_point) const noexcept {
        auto const* const f = flows_.find(attributes.tenant);
        std::uint64_t const item = work_of(attributes);
        std::uint64_t const weight = f != nullptr ? f->weight : weights_.of(attributes.tenant);
        std::uint64_t const all = f != nullptr ? total_weight_ : total_weight_ + weight;
        std::uint64_t const own = f != nullptr ? f->cost : 0;
        return detail::multiply_divide(own + item, all, weight, detail::round_to::floor) - item;
    }

    /// The newest item of the tenant with the most for its weight, if the item's own tenant would then still have less.
    [[nodiscard]] queue_node* make_room(item_attributes const& attributes, time_point) noexcept {
        if (!push_out_) return nullptr;
        auto const* const own = flows_.find(attributes.tenant);
        auto const        places = (own != nullptr ? own->size() : 0) + 1;
        if (size_ == flows_.size()) return nullptr;
        auto* const       f = flows_.longest(places, own != nullptr ? own->weight : weights_.of(attributes.tenant));
        if (f == nullptr) return nullptr;
        auto* const node = f->items.pop_back();  // not the first, which has the tag: there are two or more
        f->cost -= work_of(node->attributes);
        --size_;
        return node;
    }

    /// Tenants of which something waits.
    [[nodiscard]] std::size_t tenants() const noexcept { return flows_.size(); }
    [[nodiscard]] std::uint64_t virtual_time() const noexcept { return virtual_time_; }

private:
    static constexpr int binary_digits = 30;  // a cost is below 2^62 then, so that waiting tags are less than 2^63 apart

    struct flow {
        [[nodiscard]] std::uint64_t size() const noexcept { return items.size(); }

        detail::queue_list items;
        std::uint64_t     tenant = 0;
        std::uint64_t     finish = 0;  // tag of the first item
        std::uint64_t     remainder = 0;
        std::uint64_t     cost = 0;
        std::uint64_t     sequence = 0;
        flow*             same_bucket = nullptr;
        flow*             sibling = nullptr;
        flow*             child = nullptr;
        std::uint32_t     weight = 1;
    };

    struct links {
        [[nodiscard]] static flow*& sibling(flow& f) noexcept { return f.sibling; }
        [[nodiscard]] static flow*& child(flow& f) noexcept { return f.child; }
        [[nodiscard]] static bool before(flow const& a, flow const& b) noexcept {
            auto const ahead = static_cast<std::int64_t>(a.finish - b.finish);
            return ahead != 0 ? ahead < 0 : a.sequence < b.sequence;
        }
    };

    /// Gives the first item its tag. While a tenant waits its last tag is not before V, so that max is a sum.
    void enqueue(flow& f) noexcept {
        auto const work = (work_of(f.items.front()->attributes) << binary_digits) + f.remainder;
        f.finish += work / f.weight;
        f.remainder = work % f.weight;
        f.sequence = f.items.front()->sequence;
        order_.push(f);
    }

    detail::tenant_weights            weights_;
    std::size_t                       tenant_capacity_;
    bool                              push_out_;
    detail::flow_table<flow>          flows_;
    detail::pairing_heap<flow, links> order_;
    std::uint64_t                     virtual_time_;
    std::uint64_t                     total_weight_ = 0;
    std::uint64_t                     pushed_ = 0;
    std::size_t                       size_ = 0;
};

static_assert(peekable_discipline<wfq>);

}  // namespace sluice
