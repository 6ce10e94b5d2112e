// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/ring_hash.hpp>

#include "workload.hpp"

#include <string>
#include <vector>

namespace {

class subject {
public:
    explicit subject(std::size_t nodes) : ring_({.virtual_nodes = bench::placement::points_of_a_node}) {
        ring_.add(bench::placement::names_of(nodes));
    }
    std::uint32_t locate(std::uint64_t key) const noexcept { return *ring_.locate(sluice::hashed_key(key)); }
    std::size_t   index_bound() const noexcept { return ring_.index_bound(); }
    std::size_t   bytes() const noexcept { return ring_.bytes(); }  // all of it, with what a change needs
    void          add_one() { ring_.add("one more"); }
    void          remove_one() { ring_.remove("one more"); }

private:
    sluice::ring_hash<> ring_;
};

/// Many keys in one call.
void register_batches() {
    using namespace bench::placement;
    for (std::size_t const nodes : {100, 1000, 10'000})
        bench::add("placement/lookup/ring_hash_each/nodes:" + std::to_string(nodes) + "/throughput", [=](benchmark::State& state) {
            sluice::ring_hash<> ring({.virtual_nodes = points_of_a_node});
            ring.add(names_of(nodes));
            std::size_t const               count = bench::sized<std::size_t>(1u << 17, 1u << 20);
            auto const                      expected = sum_of_owners(subject(nodes), count);
            std::vector<sluice::hashed_key> asked;
            for (std::size_t i = 0; i < count; ++i) asked.emplace_back(keys()[i]);
            std::vector<sluice::node_index> found(count);
            bool                            any = true;
            bench::measure(
                state, "ns_per_lookup", static_cast<double>(count), [&] { any = ring.locate_each(asked, found); },
                [&] {
                    std::uint64_t sum = 0;
                    for (auto const i : found) sum += i;
                    return any && sum == expected;
                });
        });
}

}  // namespace

void bench::register_all() {
    register_batches();
    placement::register_lookup<subject>("ring_hash");
    placement::register_changes<subject>("ring_hash");
}
