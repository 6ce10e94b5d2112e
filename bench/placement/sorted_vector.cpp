// SPDX-License-Identifier: BSL-1.0
// A sorted vector of points and owners, searched with std::lower_bound; changed by a merge into a new one, or a filter.
#include "points.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

namespace {

class sorted_vector {
public:
    explicit sorted_vector(std::size_t nodes) : bound_(nodes + 1) {
        points_.reserve(nodes * bench::placement::points_of_a_node);
        for (std::size_t n = 0; n < nodes; ++n)
            bench::placement::each_point(bench::placement::name_of(n),
                                         [&](std::uint64_t p) { points_.push_back({p, static_cast<std::uint32_t>(n)}); });
        std::sort(points_.begin(), points_.end(), before);
    }
    std::uint32_t locate(std::uint64_t key) const noexcept {
        auto const i = std::lower_bound(points_.begin(), points_.end(), key, [](point const& p, std::uint64_t k) { return p.at < k; });
        return i == points_.end() ? points_.front().owner : i->owner;
    }
    std::size_t index_bound() const noexcept { return bound_; }
    std::size_t bytes() const noexcept { return points_.capacity() * sizeof(point); }
    void        add_one() {
        std::vector<point> fresh, merged;
        bench::placement::each_point("one more",
                                     [&](std::uint64_t p) { fresh.push_back({p, static_cast<std::uint32_t>(bound_ - 1)}); });
        std::sort(fresh.begin(), fresh.end(), before);
        merged.reserve(points_.size() + fresh.size());
        std::merge(points_.begin(), points_.end(), fresh.begin(), fresh.end(), std::back_inserter(merged), before);
        points_ = std::move(merged);
    }
    void remove_one() {
        std::erase_if(points_, [&](point const& p) { return p.owner == bound_ - 1; });
    }

private:
    struct point {
        std::uint64_t at;
        std::uint32_t owner;
    };
    static bool before(point const& a, point const& b) noexcept { return a.at < b.at; }

    std::vector<point> points_;
    std::size_t        bound_;
};

}  // namespace

void bench::register_all() {
    placement::register_lookup<sorted_vector>("sorted_vector");
    placement::register_changes<sorted_vector>("sorted_vector");
}
