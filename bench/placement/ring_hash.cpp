// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/ring_hash.hpp>

#include "workload.hpp"

namespace {

sluice::ring_hash<> made(std::size_t nodes) {
    sluice::ring_hash<> ring({.virtual_nodes = bench::placement::points_of_a_node});
    ring.add(bench::placement::names_of(nodes));
    return ring;
}

class subject {
public:
    explicit subject(std::size_t nodes) : ring_(made(nodes)) {}
    std::uint32_t locate(std::uint64_t key) const noexcept { return *ring_.locate(sluice::hashed_key(key)); }
    std::size_t   index_bound() const noexcept { return ring_.index_bound(); }
    std::size_t   bytes() const noexcept { return ring_.bytes(); }  // all of it, with what a change needs
    void          add_one() { ring_.add("one more"); }
    void          remove_one() { ring_.remove("one more"); }

private:
    sluice::ring_hash<> ring_;
};

}  // namespace

void bench::register_all() {
    placement::register_each<subject>("ring_hash_each", made);
    placement::register_lookup<subject>("ring_hash");
    placement::register_changes<subject>("ring_hash");
}
