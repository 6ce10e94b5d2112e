// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The fork-join family: recursion without a cutoff, so that the price of a fork is what is measured.
///
///   fib      two calls per node and nothing else: nanoseconds per fork, and the factor over two plain calls
///   nqueens  all ways to place n queens, one task per placement: about 0.1 µs of work each
///   uts_t1, uts_t3  the unbalanced tree search benchmark: a node's children follow from a SHA-1 of its parent. T1 is
///            geometric (10 deep), T3 binomial (1572 deep, subtrees of wildly different size). Full mode builds the
///            published trees, 4 130 071 and 4 112 897 nodes; quick mode smaller ones
///
/// A subject gives `both(f, g)`, which returns once both have run, and `sum(n, f)`, the sum of f(0) … f(n-1), each f a
/// task. Source of the trees: Olivier et al., UTS, LCPC 2006, doi:10.1007/978-3-540-72521-3_18.

#include <support/bench.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace bench::forkjoin {

inline constexpr std::size_t stack_bytes = std::size_t{256} << 20;  // T3 is deep, and a helping wait nests

// --- fib -------------------------------------------------------------------------------------------------------------

/// What a fork replaces: two calls, neither inlined nor turned into a loop. All factors refer to this one.
[[gnu::noinline]] inline std::uint64_t fib_serial(unsigned n) {
    if (n < 2) return n;
    std::uint64_t x = fib_serial(n - 1);
    benchmark::DoNotOptimize(x);
    std::uint64_t y = fib_serial(n - 2);
    benchmark::DoNotOptimize(y);
    return x + y;
}

/// What the compiler makes of the same function when it may: the second call becomes a loop.
[[gnu::noinline]] inline std::uint64_t fib_optimised(unsigned n) {
    return n < 2 ? n : fib_optimised(n - 1) + fib_optimised(n - 2);
}

constexpr std::uint64_t fib_exact(unsigned n) {
    std::uint64_t a = 0, b = 1;
    for (; n > 0; --n) b += std::exchange(a, b);
    return a;
}

constexpr std::uint64_t fib_forks(unsigned n) { return fib_exact(n + 1) - 1; }

template <class Both>
std::uint64_t fib(Both const& both, unsigned n) {
    if (n < 2) return n;
    std::uint64_t x = 0, y = 0;
    both([&] { x = fib(both, n - 1); }, [&] { y = fib(both, n - 2); });
    return x + y;
}

// --- n queens --------------------------------------------------------------------------------------------------------

using board = std::array<std::int8_t, 16>;

inline bool safe(board const& rows, unsigned row, int column) {
    for (unsigned r = 0; r < row; ++r) {
        int const other = rows[r], distance = static_cast<int>(row - r);
        if (other == column || other - column == distance || column - other == distance) return false;
    }
    return true;
}

/// Solutions below this placement in the high half, placements in the low half.
template <class Sum>
std::uint64_t nqueens(Sum const& sum, unsigned n, unsigned row, board const& rows) {
    constexpr std::uint64_t one_solution = std::uint64_t{1} << 32;
    if (row == n) return one_solution + 1;
    std::array<std::int8_t, 16> columns{};
    unsigned                    count = 0;
    for (unsigned c = 0; c < n; ++c)
        if (safe(rows, row, static_cast<int>(c))) columns[count++] = static_cast<std::int8_t>(c);
    if (count == 0) return 1;
    return 1 + sum(count, [&](unsigned i) {
        board next = rows;
        next[row]  = columns[i];
        return nqueens(sum, n, row + 1, next);
    });
}

constexpr std::array<std::uint64_t, 13> queens_solutions{1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200};

// --- unbalanced tree search ------------------------------------------------------------------------------------------

using sha1_digest = std::array<std::uint32_t, 5>;

/// SHA-1 of a message that fits one block together with its padding; `words` words, big endian already.
inline sha1_digest sha1(std::uint32_t const* message, unsigned words) {
    std::uint32_t w[16] = {};
    std::copy_n(message, words, w);
    w[words] = 0x80000000u;
    w[15]    = words * 32;
    constexpr sha1_digest start{0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u, 0xC3D2E1F0u};
    std::uint32_t a = start[0], b = start[1], c = start[2], d = start[3], e = start[4];

    auto const step = [&](unsigned t, std::uint32_t f, std::uint32_t k) {
        if (t >= 16) w[t % 16] = std::rotl(w[(t + 13) % 16] ^ w[(t + 8) % 16] ^ w[(t + 2) % 16] ^ w[t % 16], 1);
        std::uint32_t const next = std::rotl(a, 5) + f + e + k + w[t % 16];
        e = d, d = c, c = std::rotl(b, 30), b = a, a = next;
    };
#pragma GCC unroll 20
    for (unsigned t = 0; t < 20; ++t) step(t, d ^ (b & (c ^ d)), 0x5A827999u);
#pragma GCC unroll 20
    for (unsigned t = 20; t < 40; ++t) step(t, b ^ c ^ d, 0x6ED9EBA1u);
#pragma GCC unroll 20
    for (unsigned t = 40; t < 60; ++t) step(t, (b & c) | (d & (b | c)), 0x8F1BBCDCu);
#pragma GCC unroll 20
    for (unsigned t = 60; t < 80; ++t) step(t, b ^ c ^ d, 0xCA62C1D6u);
    return {start[0] + a, start[1] + b, start[2] + c, start[3] + d, start[4] + e};
}

struct tree {
    bool          geometric;
    double        root_branching;
    int           depth;         ///< geometric: nodes at this depth are leaves
    double        inner_chance;    ///< binomial: how likely a node has children …
    unsigned      inner_children;  ///< … and how many
    std::uint32_t seed;
    std::uint64_t nodes;  ///< in all; in full mode as published
};

inline tree t1() { return {true, 4, sized(8, 10), 0, 0, 19, sized<std::uint64_t>(257'042, 4'130'071)}; }
inline tree t3() {
    auto const nodes = sized<std::uint64_t>(378'865, 4'112'897);
    return {false, sized(200., 2000.), 0, 0.124875, 8, sized<std::uint32_t>(13, 42), nodes};
}

struct node {
    sha1_digest state;
    int         height;
};

inline node root_of(tree const& t) {
    std::uint32_t const message[5] = {0, 0, 0, 0, t.seed};
    return {sha1(message, 5), 0};
}

inline node child_of(node const& parent, unsigned i) {
    std::uint32_t message[6];
    std::copy(parent.state.begin(), parent.state.end(), message);
    message[5] = i;
    return {sha1(message, 6), parent.height + 1};
}

inline unsigned children_of(tree const& t, node const& n) {
    double const chance = static_cast<double>(n.state[4] & 0x7fffffffu) / 2147483648.0;
    if (!t.geometric) {
        if (n.height == 0) return static_cast<unsigned>(t.root_branching);
        return chance < t.inner_chance ? t.inner_children : 0;
    }
    double const mean = n.height < t.depth ? t.root_branching : 0;
    if (mean == 0) return 0;
    double const p = 1.0 / (1.0 + mean);
    return std::min(100u, static_cast<unsigned>(std::floor(std::log(1 - chance) / std::log(1 - p))));
}

/// Nodes of the subtree.
template <class Sum>
std::uint64_t uts(Sum const& sum, tree const& t, node const& n) {
    unsigned const count = children_of(t, n);
    if (count == 0) return 1;
    return 1 + sum(count, [&](unsigned i) { return uts(sum, t, child_of(n, i)); });
}

// --- ways to sum -----------------------------------------------------------------------------------------------------

struct serial_sum {
    template <class F>
    std::uint64_t operator()(unsigned n, F const& f) const {
        std::uint64_t total = 0;
        for (unsigned i = 0; i < n; ++i) total += f(i);
        return total;
    }
};

/// By halves, for subjects that fork two at a time.
template <class Both>
struct sum_by_halves {
    Both both;

    template <class F>
    std::uint64_t operator()(unsigned n, F const& f) const {
        return range(0, n, f);
    }
    template <class F>
    std::uint64_t range(unsigned first, unsigned last, F const& f) const {
        if (last - first == 1) return f(first);
        unsigned const middle = first + (last - first) / 2;
        std::uint64_t  x = 0, y = 0;
        both([&] { x = range(first, middle, f); }, [&] { y = range(middle, last, f); });
        return x + y;
    }
};

/// One slot per child, for subjects that spawn n and wait: on the stack for up to 16.
class slots {
public:
    explicit slots(unsigned n) : size_(n) {
        if (n > small_.size()) large_.resize(n);
    }
    std::uint64_t& operator[](unsigned i) { return size_ > small_.size() ? large_[i] : small_[i]; }
    std::uint64_t  total() {
        std::uint64_t sum = 0;
        for (unsigned i = 0; i < size_; ++i) sum += (*this)[i];
        return sum;
    }

private:
    unsigned                      size_;
    std::array<std::uint64_t, 16> small_;
    std::vector<std::uint64_t>    large_;
};

// --- registration ----------------------------------------------------------------------------------------------------

/// The serial function's answer and its time in this very process: the median of three, before any pool exists.
struct serial_run {
    std::uint64_t answer;
    double        seconds;
};

template <class F>
serial_run time_serial(F f) {
    std::array<double, 3> times{};
    std::uint64_t         answer = 0;
    for (auto& t : times) {
        auto const start = clock::now();
        answer           = f();
        t                = seconds_since(start);
    }
    std::sort(times.begin(), times.end());
    return {answer, times[1]};
}

inline serial_run const& fib_alone(unsigned n) {
    static unsigned   known = 0;
    static serial_run run{};
    if (known != n) {
        known = n;
        run   = time_serial([n]() mutable {
            benchmark::DoNotOptimize(n);
            return fib_serial(n);
        });
    }
    return run;
}

inline serial_run const& queens_alone(unsigned n) {
    static serial_run const run = time_serial([n] { return nqueens(serial_sum{}, n, 0, board{}); });
    return run;
}

inline serial_run const& t1_alone() {
    static serial_run const run = time_serial([] { return uts(serial_sum{}, t1(), root_of(t1())); });
    return run;
}

inline serial_run const& t3_alone() {
    static serial_run const run = time_serial([] { return uts(serial_sum{}, t3(), root_of(t3())); });
    return run;
}

inline unsigned queens_size() { return sized(10u, 12u); }

/// What a subject runs on W workers: in(root) calls root() where the subject wants recursion to begin.
template <class In, class Root>
void run(benchmark::State& state, serial_run const& alone, std::uint64_t tasks, std::uint64_t expected, In const& in,
         Root const& root) {
    std::uint64_t answer = 0;
    in([&] { answer = root(); });  // warm-up: threads are there, memory has been touched
    answer            = 0;
    double const each = measure(
        state, "ns_per_task", static_cast<double>(tasks), [&] { in([&] { answer = root(); }); },
        [&] { return answer == expected; });
    state.counters["factor_vs_serial"] = each / alone.seconds;
}

/// `Team` is constructed with the number of workers, runs a root with in(f), and gives both() and sum().
/// root(team, n) is the whole of it, for subjects whose fib is another kind of function.
template <class Team, class Root>
void register_fib(std::string const& subject, unsigned n, Root root) {
    for (unsigned const workers : {1u, 2u})
        add("forkjoin/fib/" + subject + "/n:" + std::to_string(n) + "/workers:" + std::to_string(workers),
            [n, workers, root](benchmark::State& state) {
                auto const alone = fib_alone(n);
                Team       team(workers);
                run(state, alone, fib_forks(n), fib_exact(n), [&](auto&& start) { team.in(start); }, [&] { return root(team, n); });
            });
}
template <class Team>
void register_fib(std::string const& subject, unsigned n) {
    register_fib<Team>(subject, n, [](Team& team, unsigned m) { return fib(team.both(), m); });
}

template <class Team>
void register_trees(std::string const& subject) {
    for (unsigned const workers : {1u, 2u}) {
        auto const     tail = "/workers:" + std::to_string(workers);
        unsigned const n    = queens_size();
        add("forkjoin/nqueens/" + subject + "/n:" + std::to_string(n) + tail, [n, workers](benchmark::State& state) {
            auto const alone    = queens_alone(n);
            auto const expected = (queens_solutions[n] << 32) | (alone.answer & 0xffffffffu);
            Team       team(workers);
            run(state, alone, alone.answer & 0xffffffffu, expected, [&](auto&& root) { team.in(root); },
                [&] { return nqueens(team.sum(), n, 0, board{}); });
        });
        add("forkjoin/uts_t1/" + subject + tail, [workers](benchmark::State& state) {
            auto const alone = t1_alone();
            Team       team(workers);
            auto const t = t1();
            run(state, alone, alone.answer, t.nodes,
                [&](auto&& root) { team.in(root); }, [&] { return uts(team.sum(), t, root_of(t)); });
        });
        add("forkjoin/uts_t3/" + subject + tail, [workers](benchmark::State& state) {
            auto const alone = t3_alone();
            Team       team(workers);
            auto const t = t3();
            run(state, alone, alone.answer, t.nodes,
                [&](auto&& root) { team.in(root); }, [&] { return uts(team.sum(), t, root_of(t)); });
        });
    }
}

}  // namespace bench::forkjoin
