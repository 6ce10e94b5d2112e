// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of detail::per_thread_table.
#include <sluice/executor/detail/per_thread_table.hpp>

#include "support/interleave_main.hpp"

namespace {

using test::sim::require;

struct item {
    test::sim::plain<int> made_by;
};

template <int Threads, int Most>
struct places {
    static constexpr int threads = Threads;
    sluice::detail::per_thread_table<item, test::sim::atomic> table{Most};
    item* got[Threads] = {};
    int   seen = 0;

    /// Numbers that all begin to look at the same place.
    static std::uint64_t number(int i) {
        for (std::uint64_t n = 1;; ++n)
            if (sluice::mix64(n) % 8 == 7 && i-- == 0) return n;
    }
    item* mine(int i) {
        return table.mine(number(i), [&] {
            auto* const x = new item;
            x->made_by.set(static_cast<int>(number(i)));
            return x;
        });
    }
    void look() {
        table.for_each([&](std::uint64_t thread, item& x) {
            require(static_cast<int>(thread) == x.made_by.get(), "an item that is seen is whole, and its owner's");
            ++seen;
        });
    }
    int with_one() const {
        int n = 0;
        for (auto* const g : got) n += g != nullptr ? 1 : 0;
        return n;
    }
    void finish() {
        seen = 0;
        look();
        require(seen == with_one(), "all are seen in the end");
        for (int i = 0; i < Threads; ++i)
            if (got[i] != nullptr) require(mine(i) == got[i], "and keep what is theirs");
    }
};
struct few : places<2, 1> {
    void thread(int i) {
        got[i] = mine(i);
        if (got[i] != nullptr) require(mine(i) == got[i], "found again");
    }
    void finish() {
        require(with_one() <= 1, "never more than there may be");
        places::finish();
    }
};
struct enough : places<2, 2> {
    void thread(int i) { got[i] = mine(i); }
    void finish() {
        require(with_one() == 2 && got[0] != got[1], "each its own");
        places::finish();
    }
};
struct crowded : places<3, 3> {
    void thread(int i) { got[i] = mine(i); }
    void finish() {
        require(with_one() == 3, "each its own");
        places::finish();
    }
};
struct looked_at : places<2, 2> {
    void thread(int i) {
        if (i == 0)
            got[i] = mine(i);
        else
            look();
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("per_thread_table", {"executor/detail/per_thread_table.hpp"})
        .add<few>("two threads, room for one")
        .add<enough>("two threads, room for both")
        .add<crowded>("three threads, room for all", {.weak_only = true})
        .add<looked_at>("somebody looks at it")
        .run(argc, argv);
}
