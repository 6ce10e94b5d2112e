// SPDX-License-Identifier: BSL-1.0
// The timer queue everybody writes: a multimap by deadline, std::function, one mutex.
#include "workload.hpp"

#include <functional>
#include <map>
#include <mutex>

namespace {
struct subject {
    using map = std::multimap<bench::clock::time_point, std::function<void()>>;

    explicit subject(bench::timer::ledger& l) : ledger(l), handles(l.after.size()) {}
    void insert(std::size_t i, bench::clock::time_point t) {
        std::lock_guard const lock(mutex);
        handles[i] = timers.emplace(t, [this, i] { ledger.ran(i); });
    }
    void cancel(std::size_t i) {
        std::lock_guard const lock(mutex);
        timers.erase(handles[i]);
    }
    void settle() {}
    void expire() {
        auto const now = bench::clock::now();
        for (std::unique_lock lock(mutex); !timers.empty() && timers.begin()->first <= now;) {
            auto const first = timers.extract(timers.begin());
            lock.unlock();
            first.mapped()();
            lock.lock();
        }
    }
    std::size_t pending() const { return timers.size(); }

    bench::timer::ledger&      ledger;
    std::mutex                 mutex;
    map                        timers;
    std::vector<map::iterator> handles;
};
}  // namespace

void bench::register_all() { timer::register_subject<subject>("std_multimap"); }
