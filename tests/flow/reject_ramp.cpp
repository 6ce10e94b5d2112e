// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/reject_ramp.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

TEST_CASE("reject_ramp: from twice to three times a limit of 10", "[flow][reject_ramp][unit]") {
    sluice::reject_ramp const  ramp({.begin = 20, .end = 30});
    sluice::xoshiro256ss       random(test::seed());
    struct row {
        std::size_t waiting;
        double      probability;
    };
    row const rows[] = {{0, 0}, {19, 0}, {20, 0}, {25, .5}, {29, .9}, {30, 1}, {31, 1}, {SIZE_MAX, 1}};
    for (auto const& r : rows) {
        REQUIRE(ramp.probability(r.waiting) == Approx(r.probability));
        int refused = 0;
        for (int i = 0; i < 10'000; ++i) refused += ramp.rejects(r.waiting, random);
        REQUIRE(std::abs(refused - r.probability * 10'000) <= (r.probability == 0 || r.probability == 1 ? 0 : 250));
        REQUIRE(ramp.rejects(r.waiting) == (r.waiting >= 30));
    }
}

TEST_CASE("reject_ramp: without options it refuses nothing, a ramp of no length is a bound", "[flow][reject_ramp][unit]") {
    sluice::splitmix64        random(test::seed());
    sluice::reject_ramp const none;
    REQUIRE_FALSE(none.rejects(SIZE_MAX, random));
    REQUIRE_FALSE(none.rejects(SIZE_MAX));
    sluice::reject_ramp const wall({.begin = 5, .end = 5});
    REQUIRE_FALSE(wall.rejects(5, random));
    REQUIRE(wall.rejects(6, random));
    REQUIRE(wall.rejects(6));
    REQUIRE_THROWS_WITH(sluice::reject_ramp({.begin = 6, .end = 5}), test::contains("reject_ramp: end (>= begin) is 5"));
}

TEST_CASE("reject_ramp: it takes a random number only where the answer is open", "[flow][reject_ramp][unit]") {
    sluice::reject_ramp const ramp({.begin = 20, .end = 30});
    sluice::splitmix64        random(1);
    auto const                before = random;
    REQUIRE_FALSE(ramp.rejects(20, random));
    REQUIRE(ramp.rejects(30, random));
    REQUIRE(random == before);
    (void)ramp.rejects(25, random);
    REQUIRE_FALSE(random == before);
}
