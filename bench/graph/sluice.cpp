// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/task_graph.hpp>

#include "workload.hpp"

namespace {
struct subject {
    subject(unsigned workers, bench::graph::square& cells) : pool(workers) {
        std::size_t const                     n = cells.side;
        std::vector<sluice::task_graph::node> nodes;
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < n; ++j) {
                nodes.push_back(graph.emplace([&cells, i, j] { cells.compute(i + 1, j + 1); }));
                if (i > 0) nodes[(i - 1) * n + j].precede(nodes.back());
                if (j > 0) nodes[i * n + j - 1].precede(nodes.back());
            }
    }
    void run() { graph.run(pool); }

    sluice::thread_pool pool;
    sluice::task_graph  graph;
};
}  // namespace

void bench::register_all() { graph::register_subject<subject>("sluice"); }
