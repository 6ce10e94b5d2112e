// SPDX-License-Identifier: BSL-1.0
// The plain std baseline: a thread per task, so fewer of them.
#include "workload.hpp"

#include <future>

namespace {
struct threads {
    explicit threads(unsigned) {}
    template <class F>
    auto submit(F f) {
        return std::async(std::launch::async, f);
    }
};
}  // namespace

void bench::register_all() { future::register_subject<threads>("std_async", 200, 200); }
