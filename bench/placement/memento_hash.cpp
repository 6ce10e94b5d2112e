// SPDX-License-Identifier: BSL-1.0
// No bucket is missing.
#include <sluice/routing/memento_hash.hpp>

#include "workload.hpp"

namespace {

class subject {
public:
    explicit subject(std::size_t nodes) : table_(static_cast<std::uint32_t>(nodes)) {}
    std::uint32_t locate(std::uint64_t key) const noexcept { return *table_.locate(sluice::hashed_key(key)); }
    std::size_t   index_bound() const noexcept { return table_.index_bound(); }

private:
    sluice::memento_hash<> table_;
};

}  // namespace

void bench::register_all() { placement::register_lookup<subject>("memento_hash"); }
