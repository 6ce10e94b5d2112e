// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of peak_ewma.
#include <sluice/routing/peak_ewma.hpp>

#include "support/interleave_main.hpp"

#include <algorithm>

namespace {

using test::sim::require;
using namespace std::chrono_literals;
using sluice::duration;
using sluice::time_point;

time_point at(duration d) { return time_point(d); }

/// Each thread tells of one or two requests; what comes out is what some order of them gives, or lies between.
template <int Threads>
struct client {
    static constexpr int                 threads = Threads;
    sluice::peak_ewma<test::sim::atomic> e;

    explicit client(duration initial) : e({.decay = 10s, .initial = initial}, at(0s)) {}
    bool near(duration now, double milliseconds) const {
        double const value = static_cast<double>(e.value(at(now)).count()) * 1e-6;
        return value > milliseconds * (1 - 1e-6) && value < milliseconds * (1 + 1e-6);
    }
    bool within(duration now, double least, double most) const {
        double const value = static_cast<double>(e.value(at(now)).count()) * 1e-6;
        return value > least * (1 - 1e-6) && value < most * (1 + 1e-6);
    }
};

/// Two samples below the estimate: each moment counts once. 100 · d + 20 · (1 − d).
struct two_low : client<2> {
    two_low() : client(100ms) {}
    void thread(int i) { e.record(20ms, i == 0 ? at(5s) : at(10s)); }
    void finish() { require(near(10s, 20 + 80 * 0.36787944117), "the time is shared out once"); }
};
/// Three at the same moment: one of them counts.
struct same_time : client<3> {
    same_time() : client(100ms) {}
    void thread(int) { e.record(20ms, at(10s)); }
    void finish() { require(near(10s, 20 + 80 * 0.36787944117), "one interval, one sample"); }
};
/// Peaks: the largest stays.
struct peaks : client<3> {
    peaks() : client(1ms) {}
    void thread(int i) { e.record(i == 0 ? 80ms : i == 1 ? 90ms : 70ms, at(1s)); }
    void finish() { require(near(1s, 90), "the largest peak is kept"); }
};
/// A peak and a small sample after a long time: the peak, and no more than it.
struct peak_and_low : client<2> {
    peak_and_low() : client(60ms) {}
    void thread(int i) {
        if (i == 0) return e.record(100ms, at(10s));
        e.record(20ms, at(10s));
        require(within(10s, 60 * 0.36787944117, 100), "a reader sees what was, or is");
    }
    void finish() { require(near(10s, 100), "a peak is neither lost nor exceeded"); }
};
/// The small sample belongs to a later time: it is mixed in after the peak, or into what was before and is forgotten.
struct peak_then_low : client<2> {
    peak_then_low() : client(1ms) {}
    void thread(int i) { i == 0 ? e.record(100ms, at(10s)) : e.record(50ms, at(11s)); }
    void finish() {
        // Peak last is told at the time of the newest: 100. Otherwise 100 decays for a second, with or without the 50.
        require(within(11s, 100 * 0.904837418, 100), "never above what was recorded, never below the peak's decay");
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("peak_ewma", {"routing/peak_ewma.hpp"})
        .add<two_low>("low | low", {.stale = 3, .spurious = 1})
        .add<same_time>("low | low | low", {.stale = 2})
        .add<peaks>("peak | peak | peak", {.stale = 2})
        .add<peak_and_low>("peak | low", {.stale = 3, .spurious = 1})
        .add<peak_then_low>("peak | later low", {.stale = 3, .spurious = 1})
        .run(argc, argv);
}
