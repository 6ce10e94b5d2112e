// SPDX-License-Identifier: BSL-1.0
// The plain std baseline: one std::async per worker and loop, equal parts.
#include "workload.hpp"

#include <future>

namespace {
struct subject {
    explicit subject(unsigned w) : workers(w) {}
    template <class F>
    void each(std::size_t n, F const& f) {
        sum(n, [&f](std::size_t i) { return f(i), 0.0; });
    }
    template <class F>
    double sum(std::size_t n, F const& f) {
        std::vector<std::future<double>> parts;
        for (unsigned w = 0; w < workers; ++w)
            parts.push_back(std::async(std::launch::async, [&f, first = n * w / workers, last = n * (w + 1) / workers] {
                double total = 0;
                for (std::size_t i = first; i < last; ++i) total += f(i);
                return total;
            }));
        double total = 0;
        for (auto& p : parts) total += p.get();
        return total;
    }
    unsigned workers;
};
}  // namespace

void bench::register_all() { loop::register_subject<subject>("std_async"); }
