// SPDX-License-Identifier: BSL-1.0
// The standard library's weighted draw: std::discrete_distribution over std::mt19937_64.
#include "workload.hpp"

#include <optional>
#include <random>

namespace {

class subject {
public:
    static constexpr auto promised = bench::balancer::promise::by_weight;
    explicit subject(std::span<bench::balancer::node> list) {
        for (auto const& n : list) weights_.push_back(n.weight);
    }
    struct session_type {
        std::discrete_distribution<int> draw;
        std::mt19937_64                                rng;
        std::optional<sluice::node_index>              choose() { return static_cast<sluice::node_index>(draw(rng)); }
    };
    session_type session(std::uint64_t seed) const { return {{weights_.begin(), weights_.end()}, std::mt19937_64(seed)}; }

private:
    std::vector<double> weights_;
};

}  // namespace

void bench::register_all() { balancer::register_choose<subject>("std_discrete", true); }
