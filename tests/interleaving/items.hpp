// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::sim::items — numbered things that may each be taken once, and whose contents must be visible to the taker.

#include "support/interleave.hpp"

namespace test::sim {

struct item {
    plain<int> content;  // written before it is pushed: a taker without happens-before is a data race
    plain<int> taken;    // two takers are a race, or a wrong count
};

template <int N>
class items {
public:
    /// The thread that pushes item i prepares it first.
    item* prepare(int i) {
        all_[i].content.set(100 + i);
        return &all_[i];
    }
    item* at(int i) { return &all_[i]; }
    void take(item* p) {
        bool const known = p >= all_ && p < all_ + N;
        require(known, "a taken item is one that was pushed");
        if (!known) return;
        require(p->content.get() == 100 + static_cast<int>(p - all_), "the content of an item is visible to its taker");
        p->taken.set(p->taken.get() + 1);
    }
    /// For std::optional and steal_result.
    template <class Maybe>
    bool take_if(Maybe const& m) {
        if (!m) return false;
        take(*m);
        return true;
    }
    void all_once(int first = 0, int end = N) {
        for (int i = first; i < end; ++i) require(all_[i].taken.get() == 1, "every item is taken exactly once");
    }
    int number(item const* p) const { return static_cast<int>(p - all_); }

private:
    item all_[N];
};

}  // namespace test::sim
