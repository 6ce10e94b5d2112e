// SPDX-License-Identifier: BSL-1.0
// One thread, the plain loop.
#include "workload.hpp"

namespace {
struct subject {
    explicit subject(unsigned) {}
    template <class F>
    void run(std::uint64_t n, std::uint64_t steps, F f) {
        for (std::uint64_t i = 0; i < n; ++i) f(bench::pipeline::work(i, steps));
    }
};
}  // namespace

void bench::register_all() { pipeline::register_subject<subject>("serial"); }
