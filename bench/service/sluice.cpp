// SPDX-License-Identifier: BSL-1.0
// service on a thread_pool: bounded, with deadlines.
#include <sluice/executor/thread_pool.hpp>
#include <sluice/service/service.hpp>

#include "workload.hpp"

namespace {
struct subject {
    explicit subject(unsigned workers) : pool(workers), app(pool, call{}, options()) {}
    static sluice::service_options options() {
        sluice::service_options o;
        o.capacity = 1000;
        o.max_delay = std::chrono::milliseconds(25);
        o.expected_service = std::chrono::milliseconds(1);
        return o;
    }
    template <class F, class Done>
    void submit(sluice::time_point due, F f, Done done) {
        auto end = [done](sluice::service_result const& r) mutable { done(r.end == sluice::service_end::served); };
        if (!app.submit(f, {.expiry = due + bench::service::limit}, end)) done(false);
    }
    std::size_t waiting() const { return app.queued(); }

    struct call {
        template <class F>
        void operator()(F& f) const {
            f();
        }
    };
    sluice::thread_pool                        pool;
    sluice::service<call, sluice::thread_pool> app;
};
}  // namespace

void bench::register_all() { service::register_subject<subject>("sluice"); }
