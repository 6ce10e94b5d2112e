// SPDX-License-Identifier: BSL-1.0
// The ring of most programs: a std::map from point to node.
#include "points.hpp"

#include <map>

namespace {

class std_map {
public:
    explicit std_map(std::size_t nodes) {
        for (std::size_t n = 0; n < nodes; ++n) add(bench::placement::name_of(n), static_cast<std::uint32_t>(n));
        bound_ = nodes + 1;
    }
    std::uint32_t locate(std::uint64_t key) const noexcept {
        auto const i = points_.lower_bound(key);
        return i == points_.end() ? points_.begin()->second : i->second;
    }
    std::size_t index_bound() const noexcept { return bound_; }
    std::size_t bytes() const noexcept { return points_.size() * 64; }  // a node of libstdc++'s tree in a block of malloc
    void        add_one() { add("one more", static_cast<std::uint32_t>(bound_ - 1)); }
    void        remove_one() {
        bench::placement::each_point("one more", [&](std::uint64_t p) { points_.erase(p); });
    }

private:
    void add(std::string const& name, std::uint32_t number) {
        bench::placement::each_point(name, [&](std::uint64_t p) { points_.emplace(p, number); });
    }

    std::map<std::uint64_t, std::uint32_t> points_;
    std::size_t                            bound_ = 0;
};

}  // namespace

void bench::register_all() {
    placement::register_lookup<std_map>("std_map");
    placement::register_changes<std_map>("std_map");
}
