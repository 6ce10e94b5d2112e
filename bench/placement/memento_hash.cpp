// SPDX-License-Identifier: BSL-1.0
// memento_hash with a tenth of its buckets gone, anywhere.
#include <sluice/routing/memento_hash.hpp>

#include "workload.hpp"

namespace {

class subject {
public:
    explicit subject(std::size_t nodes) : buckets_(static_cast<std::uint32_t>(nodes + nodes / 9)) {
        sluice::xoshiro256ss rng(1);
        while (buckets_.size() > nodes) {
            auto const b = static_cast<std::uint32_t>(sluice::uniform_below(rng, buckets_.index_bound()));
            if (buckets_.contains_index(b)) buckets_.remove(b);
        }
    }
    std::uint32_t locate(std::uint64_t key) const noexcept { return *buckets_.locate(sluice::hashed_key(key)); }
    std::size_t   index_bound() const noexcept { return buckets_.index_bound(); }
    std::size_t   bytes() const noexcept { return 36 * (buckets_.index_bound() - buckets_.size()); }  // at most
    void          add_one() { last_ = buckets_.add(); }
    void          remove_one() { buckets_.remove(last_); }

private:
    sluice::memento_hash<> buckets_;
    sluice::node_index     last_ = 0;
};

}  // namespace

void bench::register_all() {
    placement::register_lookup<subject>("memento_hash");
    placement::register_changes<subject>("memento_hash");
}
