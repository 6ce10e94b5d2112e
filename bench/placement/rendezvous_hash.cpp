// SPDX-License-Identifier: BSL-1.0
// rendezvous_hash with equal weights, and with two different ones.
#include <sluice/routing/rendezvous_hash.hpp>

#include "workload.hpp"

namespace {

template <bool Weighted>
class subject {
public:
    explicit subject(std::size_t nodes) {
        for (auto const& name : bench::placement::names_of(nodes)) nodes_.add(name);
        if (Weighted) nodes_.set_weight(bench::placement::name_of(0), 1.5);
    }
    std::uint32_t locate(std::uint64_t key) const noexcept { return *nodes_.locate(sluice::hashed_key(key)); }
    std::size_t   index_bound() const noexcept { return nodes_.index_bound(); }
    std::size_t   bytes() const noexcept { return (Weighted ? 28 : 12) * nodes_.size(); }  // what a look-up reads
    void          add_one() { nodes_.add("one more"); }
    void          remove_one() { nodes_.remove("one more"); }

private:
    sluice::rendezvous_hash<std::string> nodes_;
};

}  // namespace

void bench::register_all() {
    placement::register_lookup<subject<false>>("rendezvous_hash", {10, 100, 1000});
    placement::register_lookup<subject<true>>("rendezvous_hash_weighted", {10, 100});
    placement::register_changes<subject<false>>("rendezvous_hash");
}
