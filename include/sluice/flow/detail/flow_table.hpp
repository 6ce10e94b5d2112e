// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::flow_table, tenant_weights — the tenants of which something waits, and how much each may have.
///
/// Thread-safety  one thread at a time
/// Complexity     O(1) expected. Memory: one Flow per tenant in the table and one to spare, 8 bytes per bucket for the
///                most tenants there were at once
/// Errors         prepare may throw std::bad_alloc and then has no effect; the rest is noexcept

#include <sluice/core/assert.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/mix64.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace sluice {

/// The weight of one tenant among the others.
struct tenant_weight {
    std::uint64_t tenant = 0;
    std::uint32_t weight = 1;  ///< 1 … 65536
};

}  // namespace sluice

namespace sluice::detail {

inline constexpr std::uint32_t most_weight = 65536;

class tenant_weights {
public:
    tenant_weights(std::vector<tenant_weight> weights, char const* what) : weights_(std::move(weights)) {
        std::sort(weights_.begin(), weights_.end(),
                  [](tenant_weight const& a, tenant_weight const& b) { return a.tenant < b.tenant; });
        for (std::size_t i = 0; i < weights_.size(); ++i) {
            auto const& w = weights_[i];
            require_option(w.weight >= 1 && w.weight <= most_weight, what, w.weight);
            require_option(i == 0 || weights_[i - 1].tenant != w.tenant, "weights: tenant (named once)", w.tenant);
        }
    }

    /// 1 for a tenant without an entry.
    [[nodiscard]] std::uint32_t of(std::uint64_t tenant) const noexcept {
        auto const it = std::lower_bound(weights_.begin(), weights_.end(), tenant,
                                         [](tenant_weight const& w, std::uint64_t t) { return w.tenant < t; });
        return it != weights_.end() && it->tenant == tenant ? it->weight : 1;
    }

private:
    std::vector<tenant_weight> weights_;
};

/// Flow has tenant, same_bucket (a Flow*), weight, and size(): the number of its items in 64 bits.
template <class Flow>
class flow_table {
public:
    flow_table() noexcept = default;
    flow_table(flow_table&& other) noexcept
        : buckets_(std::move(other.buckets_)), spare_(std::move(other.spare_)), size_(std::exchange(other.size_, 0)) {
        other.buckets_.clear();
    }
    flow_table& operator=(flow_table&&) = delete;
    ~flow_table() {
        for (auto* flow : buckets_)
            while (flow != nullptr) delete std::exchange(flow, flow->same_bucket);
    }

    [[nodiscard]] Flow* find(std::uint64_t tenant) const noexcept {
        if (buckets_.empty()) return nullptr;
        auto* flow = buckets_[index(tenant)];
        while (flow != nullptr && flow->tenant != tenant) flow = flow->same_bucket;
        return flow;
    }

    /// Afterwards an insert does not throw. `make` returns a std::unique_ptr<Flow>.
    template <class Make>
    void prepare(Make const& make) {
        if (spare_ == nullptr) spare_ = make();
        if (size_ < buckets_.size()) return;
        std::vector<Flow*> wider(std::max<std::size_t>(8, buckets_.size() * 2), nullptr);
        buckets_.swap(wider);
        for (auto* flow : wider) {
            while (flow != nullptr) {
                auto* const next = flow->same_bucket;
                link(*flow);
                flow = next;
            }
        }
    }

    /// Requires prepare before, and that the tenant is not there.
    Flow& insert(std::uint64_t tenant) noexcept {
        SLUICE_ASSERT(spare_ != nullptr && !buckets_.empty());
        auto* const flow = spare_.release();
        flow->tenant = tenant;
        link(*flow);
        ++size_;
        return *flow;
    }

    void erase(Flow& flow) noexcept {
        auto** at = &buckets_[index(flow.tenant)];
        while (*at != &flow) at = &(*at)->same_bucket;
        *at = flow.same_bucket;
        --size_;
        delete &flow;
    }

    /// The flow with the most items for its weight, among those with two or more; null if `places` over `weight` is as
    /// many.
    [[nodiscard]] Flow* longest(std::uint64_t places, std::uint32_t weight) const noexcept {
        Flow* most = nullptr;
        for (auto* flow : buckets_) {
            for (; flow != nullptr; flow = flow->same_bucket) {
                if (flow->size() < 2 || flow->size() * weight <= places * flow->weight) continue;
                most = flow;
                places = flow->size();
                weight = flow->weight;
            }
        }
        return most;
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    [[nodiscard]] std::size_t index(std::uint64_t tenant) const noexcept {
        return static_cast<std::size_t>(mix64(tenant)) & (buckets_.size() - 1);
    }
    void link(Flow& flow) noexcept {
        auto*& bucket = buckets_[index(flow.tenant)];
        flow.same_bucket = bucket;
        bucket = &flow;
    }

    std::vector<Flow*>    buckets_;
    std::unique_ptr<Flow> spare_;
    std::size_t           size_ = 0;
};

}  // namespace sluice::detail
