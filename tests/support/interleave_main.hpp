// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::sim::suite — the main program of one header's interleaving clients.
///
///     client                        every scenario under every memory; fails at the first bad schedule and prints it
///     client --must-fail            the opposite: for a header with a planted bug, some scenario must fail
///     client --mutate LIST          weakens each order that a scenario reaches, one at a time; each must make some scenario
///                                   fail, or be explained in LIST (section [name], see tests/mutation/survivors.txt)
///     client --only TEXT            only scenarios whose name contains TEXT; --trace prints failing schedules of mutants

#include "support/interleave.hpp"

#include <initializer_list>

namespace test::sim {

/// How one scenario is to be explored; the defaults are everything.
struct limits {
    bool          weak_only = false;     ///< too large for four memories
    unsigned      stale = 1000;          ///< weak memory, see options
    unsigned      spurious = 0;
    int           preemptions = -1;
    std::uint64_t random_runs = 0;
    bool          mutate = true;         ///< use it to kill mutants
    unsigned      max_steps = 300;
};

class suite {
public:
    /// `headers`: the files, by the end of their path, whose atomic accesses must all be reached.
    suite(char const* name, std::initializer_list<char const*> headers) : name_(name), headers_(headers) {}

    template <class Scenario>
    suite& add(char const* name, limits l = {}) {
        entries_.push_back({name, &explore<Scenario>, l});
        return *this;
    }
    int run(int argc, char** argv);

private:
    struct entry {
        char const* name;
        result (*explore)(options const&);
        limits how;
    };
    options options_for(entry const&, memory) const;
    int     check(bool must_fail) const;
    int     mutate(char const* list) const;

    char const*              name_;
    std::vector<char const*> headers_;
    std::vector<entry>       entries_;
    char const*              only_ = nullptr;
    bool                     trace_ = false;
};

}  // namespace test::sim
