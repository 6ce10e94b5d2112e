// SPDX-License-Identifier: BSL-1.0
// anchor_hash with a tenth more capacity than nodes, and with twice as much.
#include <sluice/routing/anchor_hash.hpp>

#include "workload.hpp"

#include <string>
#include <vector>

namespace {

template <std::size_t Percent>
class subject {
public:
    explicit subject(std::size_t nodes)
        : buckets_({.capacity = static_cast<std::uint32_t>(nodes * Percent / 100), .working = static_cast<std::uint32_t>(nodes)}) {}
    std::uint32_t locate(std::uint64_t key) const noexcept { return *buckets_.locate(sluice::hashed_key(key)); }
    std::size_t   index_bound() const noexcept { return buckets_.index_bound(); }
    std::size_t   bytes() const noexcept { return 20 * buckets_.capacity(); }
    void          add_one() { last_ = buckets_.add(); }
    void          remove_one() { buckets_.remove(last_); }

private:
    sluice::anchor_hash<> buckets_;
    sluice::node_index    last_ = 0;
};

/// Many keys in one call.
void register_batches() {
    using namespace bench::placement;
    for (std::size_t const nodes : {100, 1000, 10'000})
        bench::add("placement/lookup/anchor_hash_2x_each/nodes:" + std::to_string(nodes) + "/throughput", [=](benchmark::State& state) {
            auto const                      working = static_cast<std::uint32_t>(nodes);
            sluice::anchor_hash<> const     buckets({.capacity = 2 * working, .working = working});
            std::size_t const               count = bench::sized<std::size_t>(1u << 17, 1u << 20);
            auto const                      expected = sum_of_owners(subject<200>(nodes), count);
            std::vector<sluice::hashed_key> asked;
            for (std::size_t i = 0; i < count; ++i) asked.emplace_back(keys()[i]);
            std::vector<sluice::node_index> found(count);
            bool                            any = true;
            bench::measure(
                state, "ns_per_lookup", static_cast<double>(count), [&] { any = buckets.locate_each(asked, found); },
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
    placement::register_lookup<subject<110>>("anchor_hash");
    placement::register_lookup<subject<200>>("anchor_hash_2x");
    placement::register_changes<subject<110>>("anchor_hash");
}
