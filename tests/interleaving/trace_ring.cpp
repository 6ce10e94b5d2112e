// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of detail::trace_ring.
#include <sluice/executor/detail/trace_ring.hpp>

#include "support/interleave_main.hpp"

namespace {

using test::sim::require;

/// Its number is the word that is handed over; what the thread did before lies in a plain variable.
struct event {
    test::sim::plain<int> number;
    event& operator=(event const& other) {
        number.set(other.number.get());
        return *this;
    }
};

template <int Pushes, int Capacity>
struct handed_over {
    static constexpr int threads = 2;
    sluice::detail::trace_ring<event, test::sim::atomic> ring{Capacity};
    int got = 0, pushed = 0, last = 0;

    void take() {
        ring.drain([&](event& e) {
            require(e.number.get() > last, "in the order that they were pushed, once");
            last = e.number.get();
            ++got;
        });
    }
    void thread(int i) {
        if (i == 1) return take(), take();
        for (int k = 1; k <= Pushes; ++k) {
            event e;
            e.number.set(k);
            if (ring.push(e)) ++pushed;
        }
    }
    void finish() {
        take();
        require(got == pushed, "what was taken in comes out");
        require(pushed >= Capacity, "dropped only when it is full");
        require(static_cast<int>(ring.dropped()) == Pushes - pushed, "what was dropped is counted");
        event e;
        e.number.set(Pushes + 1);
        require(ring.push(e), "what was taken makes room");
    }
};
struct one_slot : handed_over<3, 1> {};
struct two_slots : handed_over<4, 2> {};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("trace_ring", {"executor/detail/trace_ring.hpp"})
        .add<one_slot>("one slot, three events, two looks")
        .add<two_slots>("two slots, four events, two looks")
        .run(argc, argv);
}
