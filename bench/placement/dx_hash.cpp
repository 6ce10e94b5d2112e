// SPDX-License-Identifier: BSL-1.0
// dx_hash grown to its nodes, and with half of its capacity gone.
#include <sluice/routing/dx_hash.hpp>

#include "workload.hpp"

#include <bit>

namespace {

class grown {
public:
    explicit grown(std::size_t nodes) : buckets_(static_cast<std::uint32_t>(nodes)) {}
    std::uint32_t locate(std::uint64_t key) const noexcept { return *buckets_.locate(sluice::hashed_key(key)); }
    std::size_t   index_bound() const noexcept { return buckets_.index_bound(); }
    std::size_t   bytes() const noexcept { return (buckets_.capacity() + 63) / 64 * 8; }
    void          add_one() { last_ = buckets_.add(); }
    void          remove_one() { buckets_.remove(last_); }

protected:
    sluice::dx_hash<>  buckets_;
    sluice::node_index last_ = 0;
};

class half_gone : public grown {
public:
    explicit half_gone(std::size_t nodes) : grown(2 * std::bit_ceil(nodes)) {
        sluice::xoshiro256ss rng(1);
        while (buckets_.size() > nodes) {
            auto const b = static_cast<std::uint32_t>(sluice::uniform_below(rng, buckets_.index_bound()));
            if (buckets_.contains_index(b)) buckets_.remove(b);
        }
    }
};

}  // namespace

void bench::register_all() {
    placement::register_lookup<grown>("dx_hash");
    placement::register_lookup<half_gone>("dx_hash_2x");
    placement::register_changes<grown>("dx_hash");
}
