// SPDX-License-Identifier: BSL-1.0
// A look-up allocates nothing, and an addition that finds no memory changes nothing.
#include <sluice/routing/maglev.hpp>
#include <sluice/routing/rendezvous_hash.hpp>
#include <sluice/routing/ring_hash.hpp>

#include "support/allocation_new.hpp"
#include "support/catch.hpp"

#include <new>
#include <optional>
#include <string>
#include <vector>

using sluice::hashed_key;

namespace {

template <class Placement>
std::vector<std::optional<sluice::node_index>> homes(Placement const& placement) {
    std::vector<std::optional<sluice::node_index>> found(500);
    for (std::size_t key = 0; key < found.size(); ++key) found[key] = placement.locate(hashed_key(sluice::mix64(key)));
    return found;
}

template <class Placement>
void check(Placement placement) {
    for (int i = 0; i < 7; ++i) placement.add("node-" + std::to_string(i));
    auto const before = homes(placement);
    {
        std::size_t               here = 0;
        test::scarce_memory const none(0);
        for (std::uint64_t key = 0; key < 500; ++key) here += placement.locate(hashed_key(sluice::mix64(key))).has_value();
        bool const failed = none.failed();
        REQUIRE(here == 500);
        REQUIRE_FALSE(failed);
    }
    std::string const newcomer = "a node whose name does not fit into the string itself";
    int               failures = 0;
    for (std::uint64_t n = 0;; ++n) {
        bool threw = false;
        {
            test::scarce_memory const scarce(n);
            try {
                placement.add(newcomer);
            } catch (std::bad_alloc const&) {
                threw = true;
            }
        }
        if (!threw) break;
        ++failures;
        REQUIRE(placement.size() == 7);
        REQUIRE(homes(placement) == before);
    }
    REQUIRE(failures > 0);
    REQUIRE(placement.size() == 8);
}

}  // namespace

TEST_CASE("allocation: ring_hash", "[routing][allocation][unit]") { check(sluice::ring_hash<std::string>{}); }
TEST_CASE("allocation: rendezvous_hash", "[routing][allocation][unit]") { check(sluice::rendezvous_hash<std::string>{}); }
TEST_CASE("allocation: maglev", "[routing][allocation][unit]") { check(sluice::maglev<std::string>{}); }
