// SPDX-License-Identifier: BSL-1.0
// Counts the allocations of this executable, and lets them fail: so do the counters, which the other files rely on.
#include "support/allocation_new.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <new>

TEST_CASE("allocation: what is taken and given back is counted", "[core][allocation][unit]") {
    auto const before = test::live_allocations();
    auto const total = test::allocations::total();
    {
        void* const taken = ::operator new(7);  // a call, not an expression: those may be left out
        CHECK(test::live_allocations() == before + 1);
        ::operator delete(taken);
    }
    CHECK(test::live_allocations() == before);
    CHECK(test::allocations::total() >= total + 1);
}

TEST_CASE("allocation: the n-th fails, and no other", "[core][allocation][unit]") {
    for (std::uint64_t n = 0; n < 3; ++n) {
        int  made = 0;
        bool threw = false, failed = false;
        {
            test::scarce_memory const scarce(n);
            for (int i = 0; i < 2; ++i) try {
                    ::operator delete(::operator new(8));
                    ++made;
                } catch (std::bad_alloc const&) {
                    threw = true;
                }
            failed = scarce.failed();
        }
        CHECK(failed == (n < 2));
        CHECK(threw == (n < 2));
        CHECK(made == (n < 2 ? 1 : 2));
    }
}
