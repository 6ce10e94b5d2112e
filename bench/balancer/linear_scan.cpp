// SPDX-License-Identifier: BSL-1.0
// The plain loop over all nodes for the least requests in flight and given so far, the first of equals: nothing ends, so that
// the loads differ and the shares are even.
#include "workload.hpp"

#include <optional>

namespace {

class subject {
public:
    static constexpr auto promised = bench::balancer::promise::even;
    explicit subject(std::span<bench::balancer::node> list) : list_(list) {}
    struct session_type {
        std::span<bench::balancer::node>  list;
        std::vector<std::uint32_t>        load;
        std::optional<sluice::node_index> choose() {
            std::size_t best = 0;
            for (std::size_t i = 1; i < list.size(); ++i)
                if (list[i].in_flight() + load[i] < list[best].in_flight() + load[best]) best = i;
            ++load[best];
            return static_cast<sluice::node_index>(best);
        }
    };
    session_type session(std::uint64_t) const { return {list_, std::vector<std::uint32_t>(list_.size())}; }

private:
    std::span<bench::balancer::node> list_;
};

}  // namespace

void bench::register_all() { balancer::register_choose<subject>("linear_scan", true); }
