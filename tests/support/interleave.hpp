// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::sim — runs two to four logical threads step by step, in every order, over simulated memory.
///
/// Use it for     small clients of lock-free headers: give the header `test::sim::atomic` as its Atom, count the steps on
///                your fingers, and explore
/// Not for        long runs (random mode helps a little), real time, fences, accesses of different sizes to one word
/// Thread-safety  one exploration at a time; everything runs on the calling thread, on small stacks of its own
/// Complexity     one execution costs some microseconds; their number grows with every access that others can see
/// Errors         explore() answers with the first failing schedule, one line per step, as text
///
/// A scenario is a class. Its constructor sets up, `thread(i)` is what logical thread i does, `finish()` looks at the
/// result when all have ended:
///
///     struct last_item {
///         static constexpr int threads = 2;
///         sluice::chase_lev_deque<item*, test::sim::atomic> deque{2};
///         last_item() { deque.push(&items[0]); }
///         void thread(int i) { i == 0 ? take(deque.pop()) : take(deque.steal()); }
///         void finish() { ... test::sim::require(count == 1, "every item exactly once"); }
///     };
///     auto const result = test::sim::explore<last_item>({.model = test::sim::memory::weak});
///
/// The memories
///   sequential  one access at a time, everybody sees the last value
///   tso         each thread's stores wait in a first-in-first-out buffer and reach memory at any later moment;
///               read-modify-writes and seq_cst stores empty it. What x86 does
///   pso         the buffer is ordered per variable only; a release store also waits for all older ones of its thread
///   weak        every store stays in a list of messages, and a load may return any that its thread has no right to call
///               old: not older than what it saw itself, nor than what it learned by acquire from a release (with the
///               release sequences of C++20). The seq_cst accesses have a single order, which need not be the order of
///               execution: any read is possible that leaves one consistent with happens-before and with what each
///               variable's accesses saw (RC11's rule). It finds weakened loads as well as stores
///   In all four, `plain` variables are checked for data races by happens-before.
/// What weak does not have: load buffering (a load that sees a store which comes after it in its own thread's program
/// order; orders that matter for nothing else survive a mutation), stores that enter a variable's order of modification
/// before older ones (so variables that several threads store to without a read-modify-write are treated a little too
/// kindly). A checker for RC11 or IMM has those.
///
/// In all four it is a failure to destroy an atomic that another thread uses, without happens-before, and so it is to sleep
/// for ever and to take more than options.max_steps: no schedule is cut short and passed over.
///
/// The order of exploration is depth first with dynamic partial-order reduction and sleep sets (Flanagan, Godefroid, POPL
/// 2005, doi:10.1145/1040305.1040315; Godefroid, 1996): of the schedules that differ only in the order of independent
/// steps, one is run. Where to go back to is chosen by source sets (Abdulla, Aronis, Jonsson, Sagonas, POPL 2014,
/// doi:10.1145/2535838.2535845), since the older rule (try the racing thread there) loses schedules together with sleep
/// sets: the racing thread may be asleep there while another one, which must precede it, would have to begin.
/// With options.preemptions >= 0 all schedules with at most so many preemptions are run instead; with options.random_runs
/// > 0, that many random ones.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <string>
#include <type_traits>
#include <vector>

namespace test::sim {

enum class memory : std::uint8_t { sequential, tso, pso, weak };
enum class op_kind : std::uint8_t { load, store, exchange, cas, add, sub, bit_or, bit_and, park, wake, resume, flush };

/// One place in the source that accesses an atomic.
struct site {
    char const*   file = nullptr;
    char const*   function = nullptr;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    op_kind       kind = op_kind::load;
    int           order = 0;    ///< of std::memory_order, as written
    int           failure = 0;  ///< of a compare-exchange
};

/// Treat one site's order as another, weaker one: a mutation without a compiler.
struct weakening {
    site where;
    bool failure = false;  ///< the second order of a compare-exchange
    int  to = 0;
};

struct options {
    memory            model = memory::sequential;
    int               preemptions = -1;         ///< >= 0: bound instead of reduction
    std::uint64_t     random_runs = 0;          ///< > 0: random schedules instead of all
    std::uint64_t     seed = 1;
    unsigned          stale = 1000;             ///< weak: so many loads of each thread may miss the newest value
    unsigned          spurious = 0;             ///< so many weak CAS and sleeps of each thread end for no reason
    unsigned          max_steps = 300;          ///< more in one execution: "no progress"
    std::uint64_t     max_executions = 20'000'000;
    weakening const*  weaken = nullptr;
    std::vector<site>* sites = nullptr;         ///< collects every site that is reached
};

struct result {
    bool          failed = false;
    bool          complete = true;   ///< false: max_executions came first
    std::string   what;              ///< the reason and the schedule
    std::uint64_t executions = 0;    ///< complete ones
    std::uint64_t redundant = 0;     ///< cut short, because an equivalent one had been run
    std::uint64_t steps = 0;
    std::vector<std::uint64_t> outcomes;  ///< what scenarios told outcome(), sorted, each once
};

/// Called by finish(): one way in which the scenario can end.
void outcome(std::uint64_t);

/// Ends the exploration if the condition does not hold.
void require(bool condition, char const* what);

namespace detail {

struct op {
    op_kind              kind;
    std::uint8_t         location;
    std::uint8_t         size;
    bool                 may_fail = false;  // compare_exchange_weak
    int                  order = 0;
    int                  failure = 0;
    std::uint64_t        operand = 0;
    std::uint64_t        expected = 0;
    std::source_location where;
    std::uint64_t        value = 0;         // out: what was read
    bool                 success = true;    // out
};

std::uint8_t new_location(std::uint64_t initial);
void         drop_location(std::uint8_t);
void         perform(op&);

struct plain_state {
    std::uint32_t written_at = 0;
    std::uint8_t  writer = 0;
    std::uint32_t read_at[8] = {};
};
void plain_access(plain_state&, bool write, std::source_location where);

struct scenario {
    void* (*make)();
    void (*thread)(void*, int);
    void (*finish)(void*);
    void (*destroy)(void*);
    int threads;
};
result explore(scenario const&, options const&);

constexpr int number(std::memory_order o) noexcept { return static_cast<int>(o); }

}  // namespace detail

/// std::atomic's interface, for values of up to eight bytes.
template <class T>
class atomic {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
    using here = std::source_location;
    using order = std::memory_order;

public:
    using value_type = T;

    atomic() noexcept : location_(detail::new_location(bits(T{}))) {}
    atomic(T value) noexcept : location_(detail::new_location(bits(value))) {}
    ~atomic() { detail::drop_location(location_); }
    atomic(atomic const&) = delete;
    atomic& operator=(atomic const&) = delete;

    T load(order o = order::seq_cst, here w = here::current()) const noexcept {
        return run(op_kind::load, 0, o, w);
    }
    void store(T v, order o = order::seq_cst, here w = here::current()) noexcept { run(op_kind::store, bits(v), o, w); }
    T exchange(T v, order o = order::seq_cst, here w = here::current()) noexcept {
        return run(op_kind::exchange, bits(v), o, w);
    }
    T fetch_add(T v, order o = order::seq_cst, here w = here::current()) noexcept {
        return run(op_kind::add, bits(v), o, w);
    }
    T fetch_sub(T v, order o = order::seq_cst, here w = here::current()) noexcept {
        return run(op_kind::sub, bits(v), o, w);
    }
    T fetch_or(T v, order o = order::seq_cst, here w = here::current()) noexcept {
        return run(op_kind::bit_or, bits(v), o, w);
    }
    T fetch_and(T v, order o = order::seq_cst, here w = here::current()) noexcept {
        return run(op_kind::bit_and, bits(v), o, w);
    }
    bool compare_exchange_weak(T& e, T v, order s, order f, here w = here::current()) noexcept {
        return cas(e, v, s, f, true, w);
    }
    bool compare_exchange_weak(T& e, T v, order o = order::seq_cst, here w = here::current()) noexcept {
        return cas(e, v, o, failure_of(o), true, w);
    }
    bool compare_exchange_strong(T& e, T v, order s, order f, here w = here::current()) noexcept {
        return cas(e, v, s, f, false, w);
    }
    bool compare_exchange_strong(T& e, T v, order o = order::seq_cst, here w = here::current()) noexcept {
        return cas(e, v, o, failure_of(o), false, w);
    }

private:
    friend class parker;

    static constexpr order failure_of(order o) noexcept {
        return o == order::acq_rel ? order::acquire : o == order::release ? order::relaxed : o;
    }
    static std::uint64_t bits(T value) noexcept {
        std::uint64_t b = 0;
        std::memcpy(&b, &value, sizeof(T));
        return b;
    }
    static T value_of(std::uint64_t b) noexcept {
        T value;
        std::memcpy(&value, &b, sizeof(T));
        return value;
    }
    T run(op_kind kind, std::uint64_t operand, order o, here w) const noexcept {
        detail::op step{.kind = kind, .location = location_, .size = sizeof(T), .order = detail::number(o),
                        .operand = operand, .where = w};
        detail::perform(step);
        return value_of(step.value);
    }
    bool cas(T& e, T v, order s, order f, bool may_fail, here w) noexcept {
        detail::op step{.kind = op_kind::cas, .location = location_, .size = sizeof(T), .may_fail = may_fail,
                        .order = detail::number(s), .failure = detail::number(f), .operand = bits(v),
                        .expected = bits(e), .where = w};
        detail::perform(step);
        if (!step.success) e = value_of(step.value);
        return step.success;
    }

    std::uint8_t location_;
};

/// A variable that is not atomic: every access is checked for a data race.
template <class T>
class plain {
public:
    plain() = default;
    plain(T value) : value_(value) {}
    [[nodiscard]] T get(std::source_location w = std::source_location::current()) const {
        detail::plain_access(state_, false, w);
        return value_;
    }
    void set(T value, std::source_location w = std::source_location::current()) {
        detail::plain_access(state_, true, w);
        value_ = value;
    }

private:
    mutable detail::plain_state state_;
    T                           value_{};
};

/// The parker of event_count and its like: sleeps while the upper half of the word is `seen`. A sleeper that nobody
/// wakes is a failure. There is no time here: a sleep with a deadline may end at any moment, options.spurious times.
class parker {
    using here = std::source_location;

public:
    template <class Deadline>
    void wait(atomic<std::uint64_t>& word, std::uint32_t seen, Deadline const* until, here w = here::current()) noexcept {
        detail::op step{.kind = op_kind::park, .location = word.location_, .size = 8, .may_fail = until != nullptr,
                        .operand = seen, .where = w};
        detail::perform(step);
        if (!step.success) return;  // the word had moved on
        step.kind = op_kind::resume;
        detail::perform(step);
    }
    void wait(atomic<std::uint64_t>& word, std::uint32_t seen, std::nullptr_t, here w = here::current()) noexcept {
        wait(word, seen, static_cast<int const*>(nullptr), w);
    }
    void wake(atomic<std::uint64_t>& word, std::uint32_t n, here w = here::current()) noexcept {
        detail::op step{.kind = op_kind::wake, .location = word.location_, .size = 8, .operand = n, .where = w};
        detail::perform(step);
    }
};

/// Runs the scenario in every way that the options allow; stops at the first failure.
template <class Scenario>
[[nodiscard]] result explore(options const& o) {
    return detail::explore({.make = []() -> void* { return new Scenario; },
                            .thread = [](void* s, int i) { static_cast<Scenario*>(s)->thread(i); },
                            .finish = [](void* s) { static_cast<Scenario*>(s)->finish(); },
                            .destroy = [](void* s) { delete static_cast<Scenario*>(s); },
                            .threads = Scenario::threads},
                           o);
}

/// "file.hpp function object.operation", stable when lines move.
std::string site_name(site const&);
char const* order_name(int order);

}  // namespace test::sim
