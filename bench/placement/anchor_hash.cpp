// SPDX-License-Identifier: BSL-1.0
// anchor_hash with a tenth more capacity than nodes, and with twice as much.
#include <sluice/routing/anchor_hash.hpp>

#include "workload.hpp"

namespace {

template <std::size_t Percent>
sluice::anchor_hash<> made(std::size_t nodes) {
    return sluice::anchor_hash<>(
        {.capacity = static_cast<std::uint32_t>(nodes * Percent / 100), .working = static_cast<std::uint32_t>(nodes)});
}

template <std::size_t Percent>
class subject {
public:
    explicit subject(std::size_t nodes) : buckets_(made<Percent>(nodes)) {}
    std::uint32_t locate(std::uint64_t key) const noexcept { return *buckets_.locate(sluice::hashed_key(key)); }
    std::size_t   index_bound() const noexcept { return buckets_.index_bound(); }
    std::size_t   bytes() const noexcept { return 20 * buckets_.capacity(); }
    void          add_one() { last_ = buckets_.add(); }
    void          remove_one() { buckets_.remove(last_); }

private:
    sluice::anchor_hash<> buckets_;
    sluice::node_index    last_ = 0;
};

}  // namespace

void bench::register_all() {
    placement::register_each<subject<200>>("anchor_hash_2x_each", [](std::size_t nodes) { return made<200>(nodes); });
    placement::register_lookup<subject<110>>("anchor_hash");
    placement::register_lookup<subject<200>>("anchor_hash_2x");
    placement::register_changes<subject<110>>("anchor_hash");
}
