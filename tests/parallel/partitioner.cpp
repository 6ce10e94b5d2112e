// SPDX-License-Identifier: BSL-1.0
#include <sluice/parallel/partitioner.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <cstdint>
#include <vector>

using sluice::partitioner;
using sluice::piece;

static_assert(partitioner<sluice::auto_partitioner> && partitioner<sluice::static_partitioner> &&
              partitioner<sluice::dynamic_partitioner> && partitioner<sluice::guided_partitioner>);
static_assert(!partitioner<int>);
static_assert(piece{3, 3}.empty() && piece{4, 3}.empty() && !piece{3, 4}.empty());

namespace {

template <class P>
std::vector<std::uint64_t> sizes(P const& p, std::uint64_t n, std::size_t workers) {
    std::atomic<std::uint64_t> next{0};
    std::vector<std::uint64_t> result;
    std::uint64_t at = 0;
    for (piece x = p.next_piece(next, n, workers); !x.empty() && result.size() < 1'000'000; x = p.next_piece(next, n, workers)) {
        if (x.begin != at || x.end > n) return {};
        at = x.end;
        result.push_back(x.end - x.begin);
    }
    for (std::size_t i = 0; i < workers * 2; ++i)  // and nothing ever after
        if (!p.next_piece(next, n, workers).empty()) return {};
    return at == n ? result : std::vector<std::uint64_t>{};
}
using list = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("partitioner: the pieces of small ranges", "[parallel][partitioner][unit]") {
    CHECK(sizes(sluice::static_partitioner{}, 10, 3) == list{4, 4, 2});
    CHECK(sizes(sluice::static_partitioner{}, 9, 3) == list{3, 3, 3});
    CHECK(sizes(sluice::static_partitioner{}, 2, 8) == list{1, 1});
    CHECK(sizes(sluice::static_partitioner{}, 5, 1) == list{5});
    CHECK(sizes(sluice::dynamic_partitioner{}, 3, 2) == list{1, 1, 1});
    CHECK(sizes(sluice::dynamic_partitioner{.grain = 4}, 10, 2) == list{4, 4, 2});
    CHECK(sizes(sluice::dynamic_partitioner{.grain = 100}, 10, 2) == list{10});
    CHECK(sizes(sluice::guided_partitioner{}, 32, 2) == list{4, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
    CHECK(sizes(sluice::guided_partitioner{.grain = 10}, 32, 2) == list{10, 10, 10, 2});
    CHECK(sizes(sluice::auto_partitioner{}, 32, 2) == sizes(sluice::guided_partitioner{}, 32, 2));
}

TEST_CASE("partitioner: near the end of 64 bits nothing is given out twice", "[parallel][partitioner][unit]") {
    constexpr std::uint64_t most = ~std::uint64_t{0}, half = most / 2 + 1;
    CHECK(sizes(sluice::static_partitioner{}, most, 2) == list{half, half - 1});
    CHECK(sizes(sluice::static_partitioner{}, most, 3).size() == 3);
    CHECK(sizes(sluice::static_partitioner{}, most, 1000).size() == 1000);
    CHECK(sizes(sluice::dynamic_partitioner{.grain = half}, most, 2) == list{half, half - 1});
    CHECK(sizes(sluice::dynamic_partitioner{.grain = most}, most, 2) == list{most});
    CHECK(sizes(sluice::dynamic_partitioner{.grain = most}, 5, 2) == list{5});
    CHECK_FALSE(sizes(sluice::guided_partitioner{}, most, 2).empty());
    CHECK_FALSE(sizes(sluice::auto_partitioner{}, most, 1000).empty());
    CHECK(sizes(sluice::guided_partitioner{.grain = half}, most, 2) == list{half, half - 1});
}
