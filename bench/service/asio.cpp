// SPDX-License-Identifier: BSL-1.0
// Asio's thread_pool, and everything is accepted: it has no bound of its own.
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "workload.hpp"

namespace {
struct subject {
    explicit subject(unsigned workers) : pool(workers) {}
    ~subject() { pool.join(); }
    template <class F, class Done>
    void submit(sluice::time_point, F f, Done done) {
        waits.fetch_add(1, std::memory_order_relaxed);
        boost::asio::post(pool, [this, f, done]() mutable {
            waits.fetch_sub(1, std::memory_order_relaxed);
            f();
            done(true);
        });
    }
    std::size_t waiting() const { return waits.load(std::memory_order_relaxed); }

    std::atomic<std::size_t>  waits{0};
    boost::asio::thread_pool pool;
};
}  // namespace

void bench::register_all() { service::register_subject<subject>("asio"); }
