// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of the table in keyed: a few keys that want the same slot.
#include <sluice/flow/detail/key_table.hpp>

#include "interleaving/mutex.hpp"
#include "support/interleave_main.hpp"

#include <cstddef>
#include <cstdint>

namespace {

using namespace std::chrono_literals;
using sluice::when_full;
using test::sim::require;

struct shape {
    using mutex = test::sim::mutex;
    static constexpr std::size_t set = 2;
    static constexpr std::size_t search = 2;
};

sluice::time_point at(std::int64_t s) { return sluice::time_point(std::chrono::seconds(s)); }

/// `Burst` admissions of each key, one comes back in ten seconds. All keys begin their search at the same slot.
template <int Threads, int Burst = 1>
struct client {
    static constexpr int threads = Threads;
    sluice::detail::key_table<sluice::detail::schedule_rule, test::sim::atomic, shape> keys;
    int             got[4][4] = {};  // by thread and key
    sluice::receipt r[4];

    explicit client(when_full full = when_full::deny, std::size_t capacity = 1)
        : keys({10s, 10s * (Burst - 1)}, capacity, full) {}

    static std::uint64_t hash(int key) { return static_cast<std::uint64_t>(key) * shape::set; }
    bool take(int thread, int key, sluice::time_point now, int cost = 1) {
        bool const in = keys.try_acquire(hash(key), static_cast<std::uint64_t>(cost), now, &r[thread]).admitted();
        got[thread][key] += in ? cost : 0;
        return in;
    }
    bool would(int key, sluice::time_point now) { return keys.peek(hash(key), 1, now).admitted(); }
    int  all(int key) const { return got[0][key] + got[1][key] + got[2][key] + got[3][key]; }
};

/// Two threads bring the same key.
struct same_key : client<2> {
    void thread(int i) { (void)take(i, 1, at(1)); }
    void finish() {
        require(all(1) == 1, "one admission");
        require(keys.size_approx() == 1, "one place");
        require(!would(1, at(2)), "and the state is there");
    }
};
/// Two threads acquire a key that is there.
struct known : client<2> {
    known() { (void)take(3, 1, at(0)); }
    void thread(int i) { (void)take(i, 1, at(20)); }
    void finish() { require(got[0][1] + got[1][1] == 1, "one admission"); }
};
/// Key 1 is fresh; its place is wanted by key 2 while somebody acquires key 1, at a time when 2 would be fresh again.
struct evicted : client<2> {
    evicted() { (void)take(3, 1, at(0)); }
    void thread(int i) { (void)take(i, 1 + i, i == 0 ? at(30) : at(20)); }
    void finish() {
        require(got[0][1] + got[1][2] >= 1, "one of them has the place");
        require(got[0][1] == 0 || !would(1, at(31)), "who was admitted is known");
        require(keys.size_approx() == 1, "one place");
    }
};
/// The same while somebody looks: 1 is as good as new, wherever it is.
struct looked_at : client<2> {
    looked_at() { (void)take(3, 1, at(0)); }
    void thread(int i) { i == 0 ? (void)take(0, 2, at(20)) : require(would(1, at(20)), "never in the state of another key"); }
    void finish() { require(got[0][2] == 1, "there is a place"); }
};
/// Key 2 gets a place in which 1 had spent everything, and is not judged by that.
struct after_another : client<2, 2> {
    after_another() : client(when_full::evict_oldest) { (void)take(3, 1, at(0), 2); }
    void thread(int i) { i == 0 ? (void)take(0, 2, at(0)) : require(would(2, at(0)), "never in the state of another key"); }
    void finish() { require(got[0][2] == 1, "there is a place"); }
};
/// The slot of key 1 goes to key 2, whose word is the one that 1 had, because it was put back; somebody has seen it.
struct same_word : client<2> {
    same_word() { (void)take(3, 1, at(0)); }
    void thread(int i) {
        if (i == 0) return (void)take(0, 1, at(20));
        if (keys.undo(hash(1), r[3]) == 1) (void)take(1, 2, at(0));
    }
    void finish() { require(got[0][1] == 0 || !would(1, at(21)), "who was admitted is known"); }
};
/// The receipt of key 1 is not good for what key 1 has when it is back, though the words are the same.
struct undo_of_another : client<2> {
    undo_of_another() : client(when_full::evict_oldest) { (void)take(3, 1, at(0)); }
    void thread(int i) {
        if (i == 0) return (void)keys.undo(hash(1), r[3]);
        (void)take(1, 2, at(0));
        (void)take(1, 1, at(0));
    }
    void finish() { require(got[1][2] == 1 && got[1][1] == 1 && !would(1, at(1)), "the state is there"); }
};
/// Who comes back starts where it left, also for a time from the past: his place was taken, or swept.
struct replaced : client<2> {
    replaced() { (void)take(3, 1, at(0)); }
    void thread(int i) {
        if (i == 0) return (void)take(0, 2, at(20));
        require(!take(1, 1, at(5)) && !would(1, at(5)), "a time from the past meets what was forgotten");
    }
    void finish() { require(got[0][2] == 1, "there is a place"); }
};
struct swept : client<2> {
    swept() { (void)take(3, 1, at(0)); }
    std::size_t n = 0;
    void        thread(int i) {
        if (i == 0)
            n = keys.sweep(at(20));
        else
            require(!take(1, 1, at(5)) && !would(1, at(5)), "a time from the past meets what was forgotten");
    }
    void finish() {
        require(n == 1 && keys.size_approx() == 0, "forgotten once");
        require(take(2, 1, at(21)) && !would(1, at(22)), "and known again");
    }
};
struct swept_and_back : client<2> {
    swept_and_back() { (void)take(3, 1, at(0)); }
    void thread(int i) { i == 0 ? (void)keys.sweep(at(20)) : (void)take(1, 1, at(20)); }
    void finish() {
        require(got[1][1] == 1 && !would(1, at(21)), "in the table or not, one admission");
        require(keys.size_approx() == 1, "one place");
    }
};
/// Two sets. Their keys:
constexpr std::uint64_t far(int key) { return UINT64_MAX - static_cast<std::uint64_t>(key); }
struct two_sets : client<2> {
    explicit two_sets(when_full full = when_full::deny) : client(full, 2) {}
    bool take_far(int thread, int key, sluice::time_point now) {
        return keys.try_acquire(far(key), 1, now, &r[thread]).admitted();
    }
    bool would_far(int key, sluice::time_point now) { return keys.peek(far(key), 1, now).admitted(); }
    void finish() { require(keys.size_approx() == 2, "two places"); }
};
/// Two keys want the last place of the capacity.
struct last_place : two_sets {
    last_place() { (void)take(3, 3, at(1)); }
    void thread(int i) { (void)(i == 0 ? take(0, 1, at(1)) : take_far(1, 1, at(1))); }
    void finish() {
        require((got[0][1] != 0) != (r[1].cost != 0), "one of them has it");
        two_sets::finish();
    }
};
/// The table is full, and what could be forgotten lies in the other set.
struct elsewhere : two_sets {
    elsewhere() { (void)take_far(2, 0, at(0)), (void)take(3, 3, at(11)); }
    void thread(int i) { (void)(i == 0 ? take(0, 1, at(12)) : take_far(1, 0, at(12))); }
    void finish() {
        require((got[0][1] != 0) != (r[1].cost != 0), "one of them has the place");
        require(r[1].cost == 0 || !would_far(0, at(13)), "who was admitted is known");
        require(got[0][1] == 0 || !would(1, at(13)), "who was admitted is known");
        two_sets::finish();
    }
};
/// Both want it for the same key.
struct elsewhere_twice : two_sets {
    elsewhere_twice() { (void)take_far(2, 0, at(0)), (void)take_far(2, 1, at(0)); }
    void thread(int i) { (void)take(i, 1, at(12)); }
    void finish() {
        require(got[0][1] + got[1][1] == 1, "one admission");
        require(keys.size_approx() == 1, "one place");
    }
};
/// Nothing can be forgotten: somebody has to go, from the other set if need be.
struct must_go : two_sets {
    must_go() : two_sets(when_full::evict_oldest) { (void)take_far(2, 0, at(0)), (void)take_far(2, 1, at(0)); }
    void thread(int i) { (void)(i == 0 ? take(0, 1, at(1)) : take_far(1, 0, at(10))); }
    void finish() {
        require(got[0][1] == 1 && r[1].cost == 1, "there is always a place");
        two_sets::finish();
    }
};
/// Keys of two sets want the overflow.
struct overflow_spent : two_sets {
    overflow_spent() : two_sets(when_full::share_overflow) { (void)take_far(2, 0, at(15)), (void)take(3, 3, at(15)); }
    void thread(int i) { (void)(i == 0 ? take(0, 1, at(16)) : take_far(1, 1, at(16))); }
    void finish() {
        require((got[0][1] != 0) != (r[1].cost != 0), "one of them has it");
        two_sets::finish();
    }
};
/// The overflow is spent once, and who had it does not get a place with a fresh state.
struct overflow : client<2> {
    overflow() : client(when_full::share_overflow) { (void)take(3, 3, at(11)); }
    void thread(int i) { (void)take(i, 1 + i, at(20) + std::chrono::seconds(i)); }
    void finish() {
        require(all(1) + all(2) == 1 || (all(2) == 1 && keys.size_approx() == 1), "spent once");
        require(all(1) == 0 || !would(1, at(22)), "nor does it come back fresh");
        require(all(2) == 0 || !would(2, at(22)), "nor does it come back fresh");
    }
};
struct overflow_given_back : client<2> {
    overflow_given_back() : client(when_full::share_overflow) {
        (void)take(3, 3, at(15));
        (void)take(2, 2, at(15));
    }
    void thread(int i) { i == 0 ? (void)(got[2][2] -= static_cast<int>(keys.undo(hash(2), r[2]))) : (void)take(1, 1, at(16)); }
    void finish() {
        require(all(1) + all(2) <= 1 && got[2][2] == 0, "given back, and had once");
        require(all(1) == 1 || would(1, at(16)), "there for the next one");
    }
};
struct given_back : client<2> {
    given_back() { (void)take(3, 1, at(20)); }
    void thread(int i) {
        if (i == 0)
            got[3][1] -= static_cast<int>(keys.undo(hash(1), r[3]));
        else
            (void)take(1, 1, at(20));
    }
    void finish() {
        require(all(1) <= 1, "no more than one that was not given back");
        require(got[3][1] == 0, "it could be given back");
    }
};
/// Three threads, two keys, one place: a key that is forgotten starts where it left.
struct churn : client<3> {
    churn() { (void)take(3, 3, at(0)); }
    void thread(int i) { (void)take(i, i == 1 ? 2 : 1, at(20)); }
    void finish() { require(all(1) <= 1 && all(2) <= 1 && all(1) + all(2) >= 1, "no key twice"); }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("keyed", {"flow/detail/key_table.hpp"})
        .add<known>("take1 | take1, known", {.stale = 2})
        .add<looked_at>("take2 | peek1", {.stale = 2})
        .add<after_another>("take2 | peek2, spent", {.stale = 2})
        .add<evicted>("take1 | take2", {.stale = 2})
        .add<same_key>("take1 | take1", {.stale = 2})
        .add<given_back>("undo | take", {.stale = 2})
        .add<undo_of_another>("undo1 | take2 take1", {.weak_only = true, .stale = 0, .preemptions = 2})
        .add<same_word>("take1 | undo1 take2", {.stale = 2})
        .add<replaced>("take2 | take1 in the past", {.stale = 2})
        .add<swept>("sweep | take1 in the past", {.stale = 2})
        .add<swept_and_back>("sweep | take1", {.stale = 2})
        .add<overflow>("take1 | take2, overflow", {.stale = 2})
        .add<overflow_given_back>("undo | take, overflow", {.stale = 2})
        .add<last_place>("take | take far, one place", {.stale = 1})
        .add<overflow_spent>("take | take far, overflow", {.weak_only = true, .stale = 0, .preemptions = 2})
        .add<elsewhere>("take | take far, far forgotten", {.stale = 1})
        .add<elsewhere_twice>("take1 | take1, far forgotten", {.weak_only = true, .stale = 0, .preemptions = 2})
        .add<must_go>("take | take far, all are far", {.weak_only = true, .stale = 0, .preemptions = 2})
        .add<churn>("take1 | take2 | take1", {.weak_only = true, .stale = 1, .preemptions = 2, .mutate = false})
        .run(argc, argv);
}
