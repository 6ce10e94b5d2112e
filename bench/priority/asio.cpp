// SPDX-License-Identifier: BSL-1.0
// Asio has no priorities; its documentation shows a priority queue of handlers beside the context. Here with a mutex, for two
// threads: each handler of the pool runs what is first.
#include "workload.hpp"

#include "queued.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/version.hpp>

#include <mutex>
#include <queue>
#include <utility>

namespace {
struct subject {
    explicit subject(unsigned workers) : pool(workers) {}
    template <class F>
    void post(unsigned level, F f) {
        {
            std::lock_guard const lock(mutex);
            tasks.push({level, number++, f});
        }
        boost::asio::post(pool, [this] { run_first(); });
    }
    void run_first() {
        bench::priority::queued first;
        {
            std::lock_guard const lock(mutex);
            first = std::move(const_cast<bench::priority::queued&>(tasks.top()));  // the order does not look at what is moved
            tasks.pop();
        }
        first.call();
    }

    std::mutex                                   mutex;
    std::uint64_t                                number = 0;
    std::priority_queue<bench::priority::queued> tasks;
    boost::asio::thread_pool                     pool;  // last: ends first
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_boost", BOOST_LIB_VERSION);
    priority::register_subject<subject>("asio");
}
