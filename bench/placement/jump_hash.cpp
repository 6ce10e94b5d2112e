// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/jump_hash.hpp>

#include "workload.hpp"

namespace {

class subject {
public:
    explicit subject(std::size_t nodes) : buckets_(static_cast<std::uint32_t>(nodes)) {}
    std::uint32_t locate(std::uint64_t key) const noexcept { return *buckets_.locate(sluice::hashed_key(key)); }
    std::size_t   index_bound() const noexcept { return buckets_.index_bound(); }
    std::size_t   bytes() const noexcept { return 0; }
    void          add_one() { buckets_.add(); }
    void          remove_one() { buckets_.remove(); }

private:
    sluice::jump_hash<> buckets_;
};

}  // namespace

void bench::register_all() { placement::register_lookup<subject>("jump_hash"); }
