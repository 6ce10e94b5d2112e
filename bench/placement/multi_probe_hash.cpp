// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/multi_probe_hash.hpp>

#include "workload.hpp"

#include <bit>

namespace {

class subject {
public:
    explicit subject(std::size_t nodes) {
        for (auto const& name : bench::placement::names_of(nodes)) nodes_.add(name);
    }
    std::uint32_t locate(std::uint64_t key) const noexcept { return *nodes_.locate(sluice::hashed_key(key)); }
    std::size_t   index_bound() const noexcept { return nodes_.index_bound(); }
    std::size_t   bytes() const noexcept { return 12 * nodes_.size() + 4 * std::bit_ceil(4 * nodes_.size()); }  // what a look-up reads
    void          add_one() { nodes_.add("one more"); }
    void          remove_one() { nodes_.remove("one more"); }

private:
    sluice::multi_probe_hash<std::string> nodes_;
};

}  // namespace

void bench::register_all() {
    placement::register_lookup<subject>("multi_probe_hash", {100, 1000});
    placement::register_changes<subject>("multi_probe_hash");
}
