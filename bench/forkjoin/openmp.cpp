// SPDX-License-Identifier: BSL-1.0
// OpenMP tasks: one region of W threads, one thread starts the recursion. A smaller fib: with two threads gcc's runtime
// needs half a microsecond per task.
#include "workload.hpp"

namespace {
namespace fj = bench::forkjoin;

struct task_both {
    template <class F, class G>
    void operator()(F&& f, G&& g) const {
#pragma omp task default(shared)
        f();
        g();
#pragma omp taskwait
    }
};

struct task_sum {
    template <class F>
    std::uint64_t operator()(unsigned n, F const& f) const {
        fj::slots results(n);
        for (unsigned i = 0; i + 1 < n; ++i) {
#pragma omp task default(shared) firstprivate(i)
            results[i] = f(i);
        }
        results[n - 1] = f(n - 1);
#pragma omp taskwait
        return results.total();
    }
};

class team {
public:
    explicit team(unsigned workers) : workers_(static_cast<int>(workers)) {}

    template <class F>
    void in(F&& root) {
#pragma omp parallel num_threads(workers_)
#pragma omp single
        root();
    }
    task_both both() { return {}; }
    task_sum  sum() { return {}; }

private:
    int workers_;
};
}  // namespace

void bench::register_all() {
    need_stack(fj::stack_bytes);
    fj::register_fib<team>("openmp", 24);
    fj::register_trees<team>("openmp");
}
