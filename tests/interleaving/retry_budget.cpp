// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of retry_budget, retry_share and retry_throttle: nothing is ever overspent.
#include <sluice/flow/retry_budget.hpp>
#include <sluice/flow/retry_share.hpp>
#include <sluice/flow/retry_throttle.hpp>

#include "interleaving/mutex.hpp"
#include "support/interleave_main.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace {

using namespace std::chrono_literals;
using sluice::permit;
using sluice::time_point;
using test::sim::require;

/// Time is not part of the simulation: every call is told its own.
struct no_clock {
    [[nodiscard]] time_point now() const noexcept { return {}; }
};

/// So many slices of 1 ms; a retry for each request.
template <std::uint32_t Slices>
using budget = sluice::retry_budget<no_clock, test::sim::atomic, Slices, test::sim::mutex>;

time_point at(int slice) { return time_point(slice * 1ms); }

/// A reserve of one, and as many deposits as `paid` before the threads begin.
template <int Threads, int Paid, bool Reserve, std::uint32_t Slices = 3>
struct client {
    static constexpr int threads = Threads;
    budget<Slices>       b{{.ratio = 1, .reserve = reserve(), .ttl = Slices * 1ms}};
    int                  granted[4] = {};

    client() {
        for (int i = 0; i < Paid; ++i) b.deposit(at(0));
    }
    void take(int thread, int slice) { granted[thread] += b.try_withdraw(at(slice)) ? 1 : 0; }
    int  all() const { return granted[0] + granted[1] + granted[2] + granted[3]; }
    static std::optional<sluice::rate> reserve() {
        if (!Reserve) return std::nullopt;
        return sluice::per(1, Slices * 1ms);
    }
};

/// Two left, three who want one.
struct last_ones : client<3, 1, true> {
    void thread(int i) { take(i, 0); }
    void finish() {
        require(all() == 2, "what is there is given, each once");
        require(b.balance(at(0)) == 0 && b.withdrawals() == 2, "and counted");
    }
};
/// The deposit is old: who comes later must not have it, however the slices change under the others.
struct expired : client<2, 1, false> {
    void thread(int i) { take(i, i == 0 ? 4 : 3); }
    void finish() { require(all() == 0, "an expired deposit pays for nothing"); }
};
/// One thread deposits in a new slice, the other takes there: the old deposit must not come back with it.
struct new_slice : client<2, 1, false> {
    void thread(int i) {
        if (i == 0) return b.deposit(at(3));
        take(i, 3);
        take(i, 3);
    }
    void finish() {
        require(all() <= 1, "one deposit, one retry");
        take(2, 3);
        take(2, 3);
        require(all() == 1, "and it is not lost");
        require(b.balance(at(3)) == 0 && b.balance(at(7)) == 0, "both have gone in the end");
    }
};
/// One thread opens the next slice while another takes what was paid for in this one.
struct open_slice : client<2, 1, false> {
    void thread(int i) {
        if (i == 0) return take(0, 2);
        b.deposit(at(3));
    }
    void finish() {
        for (int i = 0; i < 3; ++i) take(3, 3);
        require(all() <= 2 && granted[3] <= 1, "the old deposit pays for nothing in the new slice");
        for (int i = 0; i < 3; ++i) take(3, 9);
        require(granted[3] <= 1, "nothing is left in the end");
    }
};
/// Two threads open slices, one of them a later one.
struct open_both : client<2, 1, false, 1> {
    void thread(int i) { b.deposit(at(1 + i)); }
    void finish() {
        for (int i = 0; i < 4; ++i) take(3, 2);
        require(all() >= 1 && all() <= 2, "the last deposit counts, the one before only if it came late, the old one never");
    }
};
/// Two threads open the same slice and want what it has: the reserve.
struct open_and_take : client<2, 1, true, 1> {
    void thread(int i) { take(i, 1); }
    void finish() { require(all() == 1, "the reserve is given once, the old deposit not at all"); }
};
/// One thread deposits and opens the next slice; who sees that slice must see what was counted before it.
struct old_counts : client<2, 0, true, 1> {
    void thread(int i) {
        if (i == 0) {
            b.deposit(at(0));
            return take(0, 1);
        }
        for (int k = 0; k < 3; ++k) take(1, 1);
    }
    void finish() {
        require(all() >= 1 && all() <= 2, "the reserve, and the deposit only if it came late");
        require(b.deposits() == 1, "it is counted");
    }
};
/// A retry in one slice and one in the next, both of one deposit: only one.
struct across : client<2, 1, false> {
    void thread(int i) { take(i, i == 0 ? 1 : 2); }
    void finish() {
        require(all() == 1, "one deposit, one retry");
        require(b.balance(at(2)) == 0, "and none left");
    }
};

/// One thread deposits and takes while another opens a slice: the deposit must not pay once more there.
struct pays_once : client<2, 0, false, 1> {
    void thread(int i) {
        if (i == 1) return b.deposit(at(2));
        b.deposit(at(0));
        take(0, 0);
    }
    void finish() {
        for (int i = 0; i < 4; ++i) take(3, 2);
        require(all() <= 2, "two deposits, two retries");
    }
};
/// The same while two others open slices, one of them the later one.
struct pays_once_of_three : client<3, 0, false, 1> {
    void thread(int i) {
        if (i > 0) return b.deposit(at(i));
        b.deposit(at(0));
        take(0, 0);
    }
    void finish() {
        for (int i = 0; i < 5; ++i) take(3, 2);
        require(all() <= 3, "three deposits, three retries");
    }
};
/// Somebody asks what is left while a slice is opened: never more than there is.
struct asked : client<2, 1, false, 1> {
    std::uint64_t left[2] = {};
    void thread(int i) {
        if (i == 0) return b.deposit(at(2));
        left[0] = b.balance(at(0));
        left[1] = b.balance(at(2));
    }
    void finish() {
        require(left[0] <= 1, "before: the old deposit; after: the new one");
        require(left[1] <= 1, "in the new slice the new one alone");
        require(b.balance(at(0)) == 1, "and in the end, also for who is late");
    }
};

/// The same where the counters move as well: an answer never mixes a new entry with an old counter.
struct asked_meanwhile : client<2, 1, true, 1> {
    std::uint64_t left = 0;
    void thread(int i) {
        if (i == 1) {
            left = b.balance(at(0));
            return;
        }
        b.deposit(at(0));
        take(0, 0);
        b.deposit(at(2));
    }
    void finish() { require(left >= 1 && left <= 3, "reserve and two deposits, less one retry; or reserve and one"); }
};

/// A withdrawal opens a slice; who asks meanwhile sees the old one or the new one: one left in both, or none in the new one.
struct asked_while_opened : client<2, 1, true, 1> {
    std::uint64_t left = 0;
    asked_while_opened() { take(2, 0); }
    void thread(int i) {
        if (i == 0) take(0, 2);
        else left = b.balance(at(0));
    }
    void finish() {
        require(left <= 1, "old entries or new ones");
        require(granted[2] == 1 && granted[0] == 1, "the deposit is given, and the reserve");
        take(3, 3);
        require(granted[3] == 0, "a retry is one of the slice that it opened");
    }
};

struct share_limit {
    static constexpr int threads = 3;
    sluice::basic_retry_share<test::sim::atomic> share{{.ratio = .5, .min_retries = 1}};
    permit held[3];

    void thread(int i) {
        if (i < 2) {
            held[i] = share.try_acquire();
            return;
        }
        auto request = share.enter();
        request.success();
    }
    void finish() {
        require(!(held[0] && held[1]), "never more than the limit");
        require(held[0] || held[1], "and not fewer");
        held[0].success();
        held[1].drop();
        require(share.retries() == 0 && share.requests() == 0, "all given back");
    }
};
struct throttle_counts {
    static constexpr int threads = 2;
    sluice::basic_retry_throttle<test::sim::atomic> throttle{{.max_tokens = 4, .token_ratio = .5}};
    bool may[2] = {};

    void thread(int i) {
        may[i] = throttle.on_failure();
        if (i == 0) throttle.on_success();
        else static_cast<void>(throttle.try_withdraw());
    }
    void finish() {
        require(!(may[0] && may[1]) || throttle.tokens() == 2.5, "two failures in a row reach the half");
        require(throttle.tokens() == 2.5, "4 - 1 - 1 + 0.5: no token is lost or made");
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("retry_budget", {"flow/retry_budget.hpp", "flow/retry_share.hpp", "flow/retry_throttle.hpp"})
        .add<share_limit>("share, retry | retry | request", {.spurious = 1})
        .add<throttle_counts>("throttle, failure success | failure", {.spurious = 1})
        .add<last_ones>("two left, take | take | take", {.stale = 2, .spurious = 1})
        .add<expired>("expired, take | take", {.stale = 3})
        .add<new_slice>("new slice, deposit | take2", {.stale = 3})
        .add<open_slice>("take | deposit in a new slice", {.stale = 1})
        .add<open_both>("deposit in a new slice | deposit in a later one", {.stale = 3})
        .add<open_and_take>("new slice, reserve, take | take", {.stale = 3})
        .add<old_counts>("deposit, take in a new slice | take3 there", {.stale = 4})
        .add<across>("take | take later", {.stale = 3})
        .add<pays_once>("deposit, take | deposit in a new slice", {.stale = 3})
        .add<pays_once_of_three>("deposit, take | new slice | later slice",
                                 {.weak_only = true, .stale = 0, .preemptions = 3, .mutate = false})
        .add<asked>("deposit in a new slice | balance2", {.stale = 3})
        .add<asked_while_opened>("take in a new slice | balance", {.stale = 3})
        .add<asked_meanwhile>("deposit, take, new slice | balance", {.stale = 3})
        .run(argc, argv);
}
