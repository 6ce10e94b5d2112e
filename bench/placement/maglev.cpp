// SPDX-License-Identifier: BSL-1.0
// maglev with the two table sizes of its paper.
#include <sluice/routing/maglev.hpp>

#include "workload.hpp"

namespace {

template <std::uint32_t TableSize>
class subject {
public:
    explicit subject(std::size_t nodes) : nodes_({.table_size = TableSize}) { nodes_.assign(bench::placement::names_of(nodes)); }
    std::uint32_t locate(std::uint64_t key) const noexcept { return *nodes_.locate(sluice::hashed_key(key)); }
    std::size_t   index_bound() const noexcept { return nodes_.index_bound(); }
    std::size_t   bytes() const noexcept { return std::size_t{2} * TableSize; }  // the table, which is all that a look-up reads
    void          add_one() { nodes_.add("one more"); }
    void          remove_one() { nodes_.remove("one more"); }

private:
    sluice::maglev<std::string> nodes_;
};

}  // namespace

void bench::register_all() {
    placement::register_lookup<subject<65'537>>("maglev", {100, 1000});
    placement::register_lookup<subject<655'373>>("maglev_655373", {100, 1000});
    placement::register_changes<subject<65'537>>("maglev");
}
