// SPDX-License-Identifier: BSL-1.0
// One thread, two plain loops.
#include "workload.hpp"

namespace {
struct subject {
    subject(unsigned, bench::graph::square& c) : cells(c) {}
    void run() {
        for (std::size_t i = 1; i <= cells.side; ++i)
            for (std::size_t j = 1; j <= cells.side; ++j) cells.compute(i, j);
    }
    bench::graph::square& cells;
};
}  // namespace

void bench::register_all() { graph::register_subject<subject>("serial"); }
