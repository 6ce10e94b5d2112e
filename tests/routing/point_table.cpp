// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/mix64.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/detail/point_table.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace {

using entry = std::pair<std::uint64_t, std::uint32_t>;  // point, owner: also their order

/// The same as a sorted vector.
struct model {
    std::vector<entry> points;

    struct order {
        model const*  m;
        std::uint64_t point;
        std::uint32_t owner;  // points of smaller owners come first where the point is the same; a key comes before all

        std::size_t preceding(std::uint32_t o, unsigned low) const {
            std::size_t n = 0;
            for (auto const& e : m->points)
                n += e.second == o && e.first >> low == point >> low && e < entry{point, owner} ? 1u : 0u;
            return n;
        }
        std::size_t preceding_all(unsigned low) const {
            std::size_t n = 0;
            for (auto const& e : m->points) n += e.first >> low == point >> low && e < entry{point, owner} ? 1u : 0u;
            return n;
        }
    };
    order       at(std::uint64_t key, std::uint32_t owner = 0) const { return {this, key, owner}; }
    std::size_t index(std::uint64_t key) const {
        auto const i = std::lower_bound(points.begin(), points.end(), entry{key, 0});
        return i == points.end() ? 0 : static_cast<std::size_t>(i - points.begin());
    }
};

template <class Owner>
void compare(sluice::detail::point_table<Owner> const& table, model const& m, std::uint64_t key) {
    auto const from = m.index(key);
    REQUIRE(table.find(key, m.at(key)) == m.points[from].second);
    std::size_t n = 0;
    bool        same = true;
    auto        visit = [&](std::uint32_t owner) {
        same = same && n < m.points.size() && owner == m.points[(from + n) % m.points.size()].second;
        ++n;
        return true;
    };
    REQUIRE(table.walk(key, m.at(key), visit));
    REQUIRE((same && n == m.points.size()));
}

/// Where points may be: everywhere; in few places; in one bucket; at both ends.
std::uint64_t some_point(int kind, sluice::xoshiro256ss& rng) {
    switch (kind) {
    case 0: return rng();
    case 1: return rng() % 10 * (UINT64_MAX / 10);
    case 2: return 0x1234'5678'9ABC'0000u + rng() % 300;
    case 3: return 0x1234'5678'0000'0000u + (rng() % 40 << 44);
    default: return (rng() & 1) != 0 ? rng() % 5 : UINT64_MAX - rng() % 5;
    }
}

template <class Owner>
void random_operations(int kind, std::size_t most, int steps) {
    sluice::xoshiro256ss               rng(test::seed() + static_cast<unsigned>(kind));
    sluice::detail::point_table<Owner> table(most / 2);
    model                              m;
    for (int step = 0; step < steps; ++step) {
        bool const grow = m.points.empty() || (m.points.size() < most && rng() % 100 < (step / 400 % 2 == 0 ? 70u : 30u));
        if (grow) {
            entry const e{some_point(kind, rng), static_cast<std::uint32_t>(1 + rng() % 20)};
            table.reserve(1);
            table.insert(e.first, e.second, m.at(e.first, e.second));
            m.points.insert(std::lower_bound(m.points.begin(), m.points.end(), e), e);
        } else {
            auto const  i = static_cast<std::ptrdiff_t>(rng() % m.points.size());
            entry const e = m.points[static_cast<std::size_t>(i)];
            table.remove(e.first, e.second, [&] {
                std::size_t n = 0;
                for (auto const& o : m.points)
                    n += o.second == e.second && o.first < e.first && o.first >> table.low() == e.first >> table.low() ? 1u : 0u;
                return n;
            });
            m.points.erase(m.points.begin() + i);
        }
        if (m.points.empty() || step % 7 != 0) continue;
        compare(table, m, rng());
        std::uint64_t const near = m.points[static_cast<std::size_t>(rng() % m.points.size())].first;
        for (std::uint64_t const key : {near, near + 1, near - 1}) compare(table, m, key);
        for (std::uint64_t const key : {std::uint64_t{0}, UINT64_MAX}) compare(table, m, key);
    }
}

}  // namespace

TEMPLATE_TEST_CASE("point_table: finds what a sorted vector finds, under random changes", "[routing][point_table][property]",
                   std::uint16_t, std::uint32_t) {
    int const kind = GENERATE(0, 1, 2, 3, 4);
    random_operations<TestType>(kind, kind == 0 ? 400 : 120, 1600);
}

TEMPLATE_TEST_CASE("point_table: many points at once are in the same order", "[routing][point_table][property]", std::uint16_t,
                   std::uint32_t) {
    int const                             kind = GENERATE(0, 1, 2, 3, 4);
    std::size_t const                     size = GENERATE(1u, 13u, 150u, 700u);
    sluice::xoshiro256ss                  rng(test::seed());
    sluice::detail::point_table<TestType> table(size);
    model                                 m;
    std::vector<entry>                    left_over;
    std::vector<std::uint64_t>            ties;
    for (std::size_t n = 0; n < size; ++n) {
        entry const e{some_point(kind, rng), static_cast<std::uint32_t>(1 + rng() % 20)};
        m.points.push_back(e);
        if (!table.deposit(e.first, e.second)) left_over.push_back(e);
    }
    std::sort(m.points.begin(), m.points.end());
    table.arrange([&](std::uint64_t p) { ties.push_back(p); });
    for (auto const& e : left_over)
        if (table.append(e.first, e.second)) ties.push_back(e.first);
    for (auto const tie : ties) {
        auto first = m.points.begin();
        while (first->first >> table.low() != tie >> table.low()) ++first;
        table.assign(tie, [&](std::size_t n) { return first[static_cast<std::ptrdiff_t>(n)].second; });
    }
    table.refill_all();
    for (int n = 0; n < 50; ++n) {
        compare(table, m, rng());
        compare(table, m, m.points[static_cast<std::size_t>(rng() % size)].first + rng() % 3 - 1);
    }
}
