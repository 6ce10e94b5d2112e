// SPDX-License-Identifier: BSL-1.0
// One thread, the plain loop.
#include "workload.hpp"

namespace {
struct subject {
    explicit subject(unsigned) {}
    template <class F>
    void each(std::size_t n, F const& f) {
        for (std::size_t i = 0; i < n; ++i) f(i);
    }
    template <class F>
    double sum(std::size_t n, F const& f) {
        double total = 0;
        for (std::size_t i = 0; i < n; ++i) total += f(i);
        return total;
    }
};
}  // namespace

void bench::register_all() { loop::register_subject<subject>("serial"); }
