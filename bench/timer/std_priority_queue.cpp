// SPDX-License-Identifier: BSL-1.0
// A priority_queue, std::function, one mutex. A cancelled timer is marked, and stays until it comes to the top; the time to
// cancel includes taking them all out.
#include "workload.hpp"

#include <functional>
#include <mutex>
#include <queue>

namespace {
struct subject {
    struct entry {
        bench::clock::time_point deadline;
        std::size_t              number;
        std::function<void()>    call;
        bool operator<(entry const& other) const noexcept { return deadline > other.deadline; }
    };

    explicit subject(bench::timer::ledger& l) : ledger(l), cancelled(l.after.size()) {}
    void insert(std::size_t i, bench::clock::time_point t) {
        std::lock_guard const lock(mutex);
        timers.push({t, i, [this, i] { ledger.ran(i); }});
    }
    void cancel(std::size_t i) {
        std::lock_guard const lock(mutex);
        cancelled[i] = true;
    }
    void settle() { run(bench::clock::time_point::max()); }
    void expire() { run(bench::clock::now()); }
    void run(bench::clock::time_point now) {
        for (std::unique_lock lock(mutex); !timers.empty() && timers.top().deadline <= now;) {
            entry const first = timers.top();
            timers.pop();
            if (cancelled[first.number]) continue;
            lock.unlock();
            first.call();
            lock.lock();
        }
    }
    std::size_t pending() const { return timers.size(); }

    bench::timer::ledger&      ledger;
    std::mutex                 mutex;
    std::priority_queue<entry> timers;
    std::vector<bool>          cancelled;
};
}  // namespace

void bench::register_all() { timer::register_subject<subject>("std_priority_queue"); }
