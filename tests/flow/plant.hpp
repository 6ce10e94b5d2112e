// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::plant — a server in virtual time behind a limiter that is asked for as much as it allows.

#include <sluice/core/clock.hpp>
#include <sluice/core/random.hpp>
#include <sluice/flow/permit.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace test {

/// `servers` work at a time, first come first served; the rest queues. With equal service times and n in flight, each takes
/// service · max(1, n / servers).
class plant {
public:
    int               servers = 10;
    sluice::duration  service = std::chrono::milliseconds(10);
    bool              exponential = false;   ///< service times vary
    bool              shuffled = false;      ///< any of those that wait is next, not the first
    std::uint32_t     most = UINT32_MAX;     ///< no more than so many are asked for
    std::uint32_t     drop_above = UINT32_MAX;  ///< in flight at most; what comes beyond fails after the service time
    double            thrash = 0;            ///< each one in flight slows all by this part
    sluice::time_point now{std::chrono::seconds(1)};

    explicit plant(std::uint64_t seed = 1) : random_(seed) {}

    /// Lets one request end. false if there is none.
    template <class Limiter>
    bool step(Limiter& limiter) {
        while (inflight_ < most) {
            auto p = limiter.try_acquire(now);
            if (!p) break;
            ++inflight_;
            if (inflight_ > drop_above)
                push({now + service, next_++, true, std::move(p)});
            else
                queue_.push_back(std::move(p));
        }
        while (!queue_.empty() && busy_ < servers) {
            if (shuffled)
                std::swap(queue_.front(), queue_[static_cast<std::size_t>(sluice::uniform_below(random_, queue_.size()))]);
            push({now + draw(), next_++, false, std::move(queue_.front())});
            queue_.pop_front();
            ++busy_;
        }
        if (running_.empty()) return false;
        std::pop_heap(running_.begin(), running_.end(), later);
        auto r = std::move(running_.back());
        running_.pop_back();
        now = std::max(now, r.end);
        --inflight_;
        if (r.dropped) {
            r.p.drop(now);
        } else {
            --busy_;
            r.p.success(now);
        }
        return true;
    }

private:
    struct run {
        sluice::time_point end;
        std::uint64_t      id;
        bool               dropped;
        sluice::permit     p;
    };
    static bool later(run const& a, run const& b) { return a.end != b.end ? a.end > b.end : a.id > b.id; }
    void        push(run r) {
        running_.push_back(std::move(r));
        std::push_heap(running_.begin(), running_.end(), later);
    }
    sluice::duration draw() {
        double ns = static_cast<double>(service.count());
        if (exponential) ns *= -std::log(1 - sluice::uniform_real(random_));
        ns *= 1 + thrash * inflight_;
        return sluice::duration(std::max<std::int64_t>(1, static_cast<std::int64_t>(ns)));
    }

    sluice::xoshiro256ss       random_;
    std::deque<sluice::permit> queue_;
    std::vector<run>           running_;
    std::uint64_t              next_ = 0;
    std::uint32_t              inflight_ = 0;
    int                        busy_ = 0;
};

/// The limits seen over so many ends.
struct limits_seen {
    std::uint32_t least = UINT32_MAX, most = 0;
    double        mean = 0;
    double        outside = 0;  ///< part of the ends at which the limit was not in [low, high]
};

template <class Limiter>
limits_seen watch(plant& p, Limiter& limiter, std::uint64_t ends, std::uint32_t low = 0, std::uint32_t high = UINT32_MAX) {
    limits_seen   seen;
    std::uint64_t sum = 0, outside = 0;
    for (std::uint64_t i = 0; i < ends && p.step(limiter); ++i) {
        auto const l = limiter.limit();
        seen.least = std::min(seen.least, l);
        seen.most = std::max(seen.most, l);
        sum += l;
        outside += l < low || l > high;
    }
    seen.mean = static_cast<double>(sum) / static_cast<double>(ends);
    seen.outside = static_cast<double>(outside) / static_cast<double>(ends);
    return seen;
}

}  // namespace test
