// SPDX-License-Identifier: BSL-1.0
// timer_queue on an executor that runs what is posted at once.
#include <sluice/executor/timer_queue.hpp>

#include "workload.hpp"

namespace {
struct at_once {
    template <class F>
    void post(F f) {
        f();
    }
};

struct subject {
    explicit subject(bench::timer::ledger& l) : ledger(l), handles(l.after.size()) {}
    void insert(std::size_t i, bench::clock::time_point t) {
        handles[i] = timers.schedule_at(sluice::time_point(t.time_since_epoch()), [this, i] { ledger.ran(i); });
    }
    void cancel(std::size_t i) { (void)handles[i].cancel(); }
    void settle() {}
    void expire() { (void)timers.expire(); }
    std::size_t pending() const { return timers.pending(); }

    bench::timer::ledger&             ledger;
    at_once                           executor;
    sluice::timer_queue<at_once>      timers{executor};
    std::vector<sluice::timer_handle> handles;
};
}  // namespace

void bench::register_all() { timer::register_subject<subject>("sluice"); }
