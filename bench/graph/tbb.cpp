// SPDX-License-Identifier: BSL-1.0
// oneTBB flow graph of continue_nodes; two threads, of which the caller is one.
#include "workload.hpp"

#include <tbb/flow_graph.h>
#include <tbb/global_control.h>
#include <tbb/version.h>

#include <memory>

namespace {
struct subject {
    using node = tbb::flow::continue_node<tbb::flow::continue_msg>;

    subject(unsigned workers, bench::graph::square& cells) : limit(tbb::global_control::max_allowed_parallelism, workers) {
        std::size_t const n = cells.side;
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < n; ++j) {
                nodes.push_back(std::make_unique<node>(
                    graph, [&cells, i, j](tbb::flow::continue_msg const&) { cells.compute(i + 1, j + 1); }));
                if (i > 0) tbb::flow::make_edge(*nodes[(i - 1) * n + j], *nodes.back());
                if (j > 0) tbb::flow::make_edge(*nodes[i * n + j - 1], *nodes.back());
            }
    }
    void run() {
        nodes.front()->try_put(tbb::flow::continue_msg());
        graph.wait_for_all();
    }

    tbb::global_control                limit;
    tbb::flow::graph                   graph;
    std::vector<std::unique_ptr<node>> nodes;
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_tbb", TBB_runtime_version());
    graph::register_subject<subject>("tbb");
}
