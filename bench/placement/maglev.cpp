// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/maglev.hpp>

#include "workload.hpp"

namespace {

class subject {
public:
    explicit subject(std::size_t nodes) {
        std::vector<std::uint32_t> all(nodes);
        for (std::uint32_t i = 0; i < nodes; ++i) all[i] = i;
        table_.assign(all);
    }
    std::uint32_t locate(std::uint64_t key) const noexcept { return *table_.locate(sluice::hashed_key(key)); }
    std::size_t   index_bound() const noexcept { return table_.index_bound(); }

private:
    sluice::maglev<std::uint32_t> table_;
};

}  // namespace

void bench::register_all() { placement::register_lookup<subject>("maglev", {10, 100, 1000}); }
