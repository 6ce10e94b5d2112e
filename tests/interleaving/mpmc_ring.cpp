// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of mpmc_ring.
#include <sluice/queue/mpmc_ring.hpp>

#include "interleaving/items.hpp"
#include "support/interleave_main.hpp"

#include <map>

namespace {

using test::sim::item;
using test::sim::require;

/// Every address at which a parcel has lain: two threads that use one cell without happens-before are a data race.
std::map<void const*, test::sim::plain<int>>* places;

/// A value that only moves, and that notes where it is made, moved from and destroyed.
class parcel {
public:
    explicit parcel(item* p) noexcept : p_(p) { touch(); }
    parcel(parcel&& other) noexcept : p_(other.p_) {
        other.touch();
        other.p_ = nullptr;
        touch();
    }
    parcel& operator=(parcel&&) = delete;
    ~parcel() { touch(); }
    item* get() const { return p_; }

private:
    void touch() const noexcept { (*places)[this].set(1); }
    item* p_;
};

/// Capacity 2; the tickets start just before they wrap.
template <int N, int Threads>
struct client {
    static constexpr int threads = Threads;
    std::map<void const*, test::sim::plain<int>>    addresses;
    test::sim::items<N>                             items;
    struct begin {
        explicit begin(client& c) { places = &c.addresses; }
    } begin_{*this};
    sluice::mpmc_ring<parcel, test::sim::atomic> q{2, ~std::uint64_t{1}};
    bool                                            in[N] = {};
    int                                             taken[4] = {};

    bool push(int i) {
        parcel p(items.prepare(i));
        in[i] = q.try_push(std::move(p));
        require(in[i] == (p.get() == nullptr), "moved from if and only if it went in");
        return in[i];
    }
    bool pop(int thread) {
        auto const p = q.try_pop();
        if (!p) return false;
        items.take(p->get());
        ++taken[thread];
        return true;
    }
    void finish() {
        while (pop(3)) {}
        require(q.empty_approx(), "nothing is left");
        for (int i = 0; i < N; ++i)
            if (in[i]) items.all_once(i, i + 1);
        for (int k = 0; k < 3; ++k) require(q.try_push(parcel(nullptr)) == (k < 2), "an empty ring takes two");
        for (int k = 0; k < 3; ++k) require(q.try_pop().has_value() == (k < 2), "a full ring gives two");
    }
};

struct pass_one : client<1, 2> {
    void thread(int i) { i == 0 ? (void)push(0) : (void)pop(1); }
};
struct producers_consumer : client<2, 3> {
    void thread(int i) {
        if (i == 2) return (void)pop(2), (void)pop(2);
        push(i);
    }
    void finish() {
        require(in[0] && in[1], "two fit");
        client::finish();
    }
};
/// Full: a push succeeds only behind a pop, in the cell that it emptied.
struct full : client<4, 2> {
    full() { push(0), push(1); }
    void thread(int i) {
        if (i == 1) return (void)pop(1), (void)pop(1);
        push(2);
        push(3);
    }
    void finish() {
        require(taken[1] == 2, "a consumer finds what was in place before it came");
        client::finish();
    }
};
struct full_two_consumers : client<3, 3> {
    full_two_consumers() { push(0), push(1); }
    void thread(int i) { i == 0 ? (void)push(2) : (void)pop(i); }
    void finish() {
        require(taken[1] == 1 && taken[2] == 1, "two inside, two consumers");
        client::finish();
    }
};
struct full_two_producers : client<4, 3> {
    full_two_producers() { push(0), push(1); }
    void thread(int i) { i == 2 ? (void)pop(2) : (void)push(2 + i); }
    void finish() {
        require(!(in[2] && in[3]), "one place, one producer");
        client::finish();
    }
};
struct empty_race : client<1, 3> {
    empty_race() { push(0); }
    void thread(int i) { pop(i); }
    void finish() {
        require(taken[0] + taken[1] + taken[2] == 1, "one inside, one consumer gets it");
        client::finish();
    }
};
/// From empty to full and round: two in, two out, two in.
struct round_the_ring : client<4, 2> {
    std::size_t n = 0;
    void        thread(int i) {
        if (i == 1) {
            pop(1);
            pop(1);
            n = q.size_approx();
            return;
        }
        for (int k = 0; k < 4; ++k) push(k);
    }
    void finish() {
        require(n <= 4, "size_approx is a size that could be");
        client::finish();
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("mpmc_ring", {"queue/mpmc_ring.hpp"})
        .add<pass_one>("push | pop", {.spurious = 1})
        .add<full>("full, push2 | pop2", {.stale = 3})
        .add<round_the_ring>("push4 | pop2 size", {.stale = 3})
        .add<full_two_producers>("full, push | push | pop", {.stale = 2})
        .add<full_two_consumers>("full, push | pop | pop", {.stale = 2})
        .add<empty_race>("one inside, pop | pop | pop", {.stale = 2})
        .add<producers_consumer>("push | push | pop2", {.stale = 2})
        .run(argc, argv);
}
