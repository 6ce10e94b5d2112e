// SPDX-License-Identifier: BSL-1.0
#include <sluice/sim/simulation.hpp>

#include "workload.hpp"

#include <cstdint>
#include <utility>

namespace {

struct subject {
    sluice::sim::simulation sim{1};

    template <class F>
    void after(std::int64_t nanoseconds, F&& f) {
        sim.after(sluice::duration(nanoseconds), std::forward<F>(f));
    }
    void run() { sim.run(); }
};

}  // namespace

void bench::register_all() { sim::register_family<subject>("sluice"); }
