// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of credit_window.
#include <sluice/flow/credit_window.hpp>

#include "support/interleave_main.hpp"

namespace {

using test::sim::require;
using sluice::permit;
using sluice::time_point;

/// What is done under a credit, and with what order it may be relied upon: one after the other where the window is 1.
template <int Threads>
struct client {
    static constexpr int                      threads = Threads;
    sluice::credit_window<test::sim::atomic> w;
    test::sim::plain<int>                     work, told;
    int                                       spent[4] = {};
    bool                                      one_at_a_time = false;

    explicit client(std::uint32_t window) : w(window) {}

    void spend(int thread) {
        permit p = w.try_acquire(time_point{});
        if (!p) return;
        ++spent[thread];
        if (one_at_a_time) work.set(work.get() + 1);
        p.success();
    }
    int  sum() const { return spent[0] + spent[1] + spent[2]; }
    void finish() {
        require(w.used_approx() == 0, "every credit came back");
        if (one_at_a_time) require(work.get() == sum(), "what is done under a credit is seen under the next");
        for (std::uint32_t i = 0; i < w.window(); ++i) hold[i] = w.try_acquire(time_point{});
        for (std::uint32_t i = 0; i < w.window(); ++i) require(static_cast<bool>(hold[i]), "the whole window can be spent");
        require(!w.try_acquire(time_point{}), "and no more");
        for (auto& p : hold) p.ignore();
    }
    permit hold[4];
};

struct two_spend : client<2> {
    two_spend() : client(1) { one_at_a_time = true; }
    void thread(int i) { spend(i), spend(i); }
    void finish() {
        require(sum() >= 2, "a credit that is back is spent again");
        client::finish();
    }
};
struct three_spend : client<3> {
    three_spend() : client(1) { one_at_a_time = true; }
    void thread(int i) { spend(i); }
    void finish() {
        require(sum() >= 1, "somebody gets it");
        client::finish();
    }
};
/// Two permits kept: with a window of one only one of them is there.
struct keep : client<3> {
    permit kept[3];
    keep() : client(1) {}
    void thread(int i) { kept[i] = w.try_acquire(time_point{}); }
    void finish() {
        require(kept[0] ? !kept[1] && !kept[2] : kept[1] ? !kept[2] : static_cast<bool>(kept[2]), "never above the window");
        for (auto& p : kept) p.ignore();
        client::finish();
    }
};
/// The window shrinks to nothing and grows while others spend.
struct shrink : client<3> {
    shrink() : client(2) {}
    void thread(int i) {
        if (i < 2) return spend(i);
        w.grant(0);
        w.grant(1);
    }
    void finish() {
        require(w.window() == 1, "the last window holds");
        client::finish();
    }
};
/// Who spends a new credit sees what was done before it was granted.
struct grant : client<2> {
    grant() : client(0) {}
    void thread(int i) {
        if (i == 1) {
            told.set(7);
            return w.grant(1);
        }
        permit p = w.try_acquire(time_point{});
        if (p) require(told.get() == 7, "what came before the grant");
        p.drop();
        require(w.window() <= 1, "the window is one that was granted");
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("credit_window", {"flow/credit_window.hpp"})
        .add<two_spend>("spend2 | spend2", {.stale = 3, .spurious = 1})
        .add<three_spend>("spend | spend | spend", {.stale = 2})
        .add<keep>("keep | keep | keep", {.stale = 2, .spurious = 1})
        .add<shrink>("spend | spend | grant2", {.stale = 2})
        .add<grant>("spend | grant", {.spurious = 1})
        .run(argc, argv);
}
