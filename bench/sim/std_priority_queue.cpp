// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace {

/// What one writes in ten minutes: no handles, no priorities, no limits.
struct subject {
    struct event {
        std::int64_t          time;
        std::uint64_t         sequence;
        std::function<void()> run;
        bool operator<(event const& other) const noexcept {
            return time != other.time ? time > other.time : sequence > other.sequence;
        }
    };
    std::priority_queue<event> events;
    std::int64_t               now = 0;
    std::uint64_t              sequence = 0;

    template <class F>
    void after(std::int64_t nanoseconds, F&& f) {
        events.push({now + nanoseconds, ++sequence, std::forward<F>(f)});
    }
    void run() {
        while (!events.empty()) {
            auto e = std::move(const_cast<event&>(events.top()));  // its order does not depend on what is moved out
            events.pop();
            now = e.time;
            e.run();
        }
    }
};

}  // namespace

void bench::register_all() { sim::register_family<subject>("std_priority_queue"); }
