// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/anchor_hash.hpp>

#include "workload.hpp"

namespace {

class subject {
public:
    explicit subject(std::size_t nodes) : table_({.capacity = 2 * static_cast<std::uint32_t>(nodes)}) {
        for (auto i = static_cast<std::uint32_t>(2 * nodes); i-- > nodes;) table_.remove(i);  // half of the capacity works
    }
    std::uint32_t locate(std::uint64_t key) const noexcept { return *table_.locate(sluice::hashed_key(key)); }
    std::size_t   index_bound() const noexcept { return table_.index_bound(); }

private:
    sluice::anchor_hash<> table_;
};

}  // namespace

void bench::register_all() { placement::register_lookup<subject>("anchor_hash"); }
