// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/dedup_window.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <set>
#include <vector>

using sluice::dedup_window;
using enum sluice::sequence_status;

namespace {

/// The definition, with everything remembered.
struct model {
    std::uint64_t           size;
    std::set<std::uint64_t> seen;

    sluice::sequence_status accept(std::uint64_t n) {
        if (!seen.empty() && n <= *seen.rbegin()) {
            if (*seen.rbegin() - n >= size) return too_old;
            if (seen.contains(n)) return duplicate;
        }
        seen.insert(n);
        return fresh;
    }
};

}  // namespace

TEST_CASE("dedup_window: each number is fresh once, inside a window of exactly its size", "[flow][dedup_window][unit]") {
    dedup_window w({.size = 64});
    REQUIRE(w.size() == 64);
    REQUIRE(w.accept(100) == fresh);
    REQUIRE(w.accept(100) == duplicate);
    REQUIRE(w.highest() == 100);
    REQUIRE(w.accept(37) == fresh);  // 100 - 63: the last one inside
    REQUIRE(w.accept(37) == duplicate);
    REQUIRE(w.accept(36) == too_old);
    REQUIRE(w.peek(101) == fresh);
    REQUIRE(w.peek(101) == fresh);  // peek leaves no mark
    REQUIRE(w.highest() == 100);
    REQUIRE(w.accept(101) == fresh);
    REQUIRE(w.accept(37) == too_old);
    REQUIRE(w.accept(38) == fresh);
    w.clear();
    REQUIRE(w.highest() == 0);
    REQUIRE(w.accept(38) == fresh);
    REQUIRE(w.accept(37) == fresh);
}

TEST_CASE("dedup_window: the first number may be any, 0 too", "[flow][dedup_window][unit]") {
    for (std::uint64_t const first : {std::uint64_t{0}, std::uint64_t{1}, UINT64_MAX}) {
        dedup_window w({.size = 3});
        REQUIRE(w.accept(first) == fresh);
        REQUIRE(w.accept(first) == duplicate);
    }
    dedup_window w({.size = 1});
    REQUIRE(w.accept(0) == fresh);
    REQUIRE(w.accept(1) == fresh);
    REQUIRE(w.accept(0) == too_old);
}

TEST_CASE("dedup_window: a jump of any length forgets exactly what has left the window", "[flow][dedup_window][unit]") {
    for (std::size_t const size : {1u, 2u, 63u, 64u, 65u, 66u, 128u, 1000u})
        for (std::uint64_t const begin : {std::uint64_t{0}, std::uint64_t{5}, std::uint64_t{63}, std::uint64_t{1} << 40})
            for (std::uint64_t const jump : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{62}, std::uint64_t{63}, std::uint64_t{64},
                                             std::uint64_t{65}, std::uint64_t{127}, std::uint64_t{128}, std::uint64_t{129},
                                             std::uint64_t{1023}, std::uint64_t{1024}, std::uint64_t{4096}, std::uint64_t{1} << 62}) {
                dedup_window w({.size = size});
                for (std::uint64_t i = 0; i < 200; ++i) REQUIRE(w.accept(begin + i) == fresh);
                auto const top = begin + 199 + jump;
                REQUIRE(w.accept(top) == fresh);
                bool right = true;
                for (std::uint64_t back = 0; back < size + 130 && back <= top; ++back) {
                    auto const n = top - back;
                    bool const seen = n == top || (n >= begin && n < begin + 200);
                    right = right && w.peek(n) == (back >= size ? too_old : seen ? duplicate : fresh);
                }
                REQUIRE(right);
            }
}

TEST_CASE("dedup_window: at the end of the numbers it does not wrap", "[flow][dedup_window][unit]") {
    dedup_window w({.size = 128});
    REQUIRE(w.accept(UINT64_MAX - 200) == fresh);
    REQUIRE(w.accept(UINT64_MAX - 1) == fresh);
    REQUIRE(w.accept(UINT64_MAX) == fresh);
    REQUIRE(w.accept(UINT64_MAX) == duplicate);
    REQUIRE(w.accept(UINT64_MAX - 127) == fresh);
    REQUIRE(w.accept(UINT64_MAX - 128) == too_old);
    REQUIRE(w.accept(0) == too_old);
    REQUIRE(w.accept(1) == too_old);
    dedup_window v({.size = 128});
    REQUIRE(v.accept(0) == fresh);
    REQUIRE(v.accept(UINT64_MAX) == fresh);
    REQUIRE(v.accept(0) == too_old);
    REQUIRE(v.accept(UINT64_MAX - 64) == fresh);
}

TEST_CASE("dedup_window: sizes that cannot work are refused by name", "[flow][dedup_window][unit]") {
    REQUIRE_THROWS_WITH(dedup_window({.size = 0}), test::contains("dedup_window: size") && test::contains("is 0"));
    REQUIRE_THROWS_AS(dedup_window({.size = SIZE_MAX}), std::invalid_argument);
}

TEST_CASE("dedup_window: random numbers agree with the definition", "[flow][dedup_window][property]") {
    for (std::size_t const size : {1u, 3u, 32u, 64u, 65u, 100u, 127u, 129u, 300u}) {
        dedup_window  w({.size = size});
        model         m{size, {}};
        std::uint64_t near = 1000;
        bool          right = true;
        for (auto const r : test::keys(5000, test::seed() + size)) {
            if (r % 50 == 0) near += (r >> 8) % (3 * size + 200);
            auto const n = near + (r >> 32) % (2 * size + 10) - (size < 900 ? size : 900);
            auto const expected = m.accept(n);
            right = right && w.peek(n) == expected && w.accept(n) == expected && w.highest() == *m.seen.rbegin();
        }
        REQUIRE(right);
    }
}
