// SPDX-License-Identifier: BSL-1.0
// The plain std baseline: std::async starts a thread per fork. A small fib only.
#include "workload.hpp"

#include <future>

namespace {
struct async_both {
    template <class F, class G>
    void operator()(F&& f, G&& g) const {
        auto first = std::async(std::launch::async, [&f] { f(); });
        g();
        first.get();
    }
};

struct team {
    explicit team(unsigned) {}
    template <class F>
    void in(F&& root) {
        root();
    }
    async_both both() { return {}; }
};
}  // namespace

void bench::register_all() { forkjoin::register_fib<team>("std_async", 8); }
