// SPDX-License-Identifier: BSL-1.0
// The usual keyed limiter: 64 shards, each a mutex and a std::unordered_map of token buckets. It never forgets a key.
#include "workload.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <unordered_map>

namespace {

class mutex_shards {
public:
    mutex_shards(bench::flow::setting s, std::uint64_t keys)
        : per_nanosecond_(static_cast<double>(s.events) / static_cast<double>(s.nanoseconds)),
          burst_(static_cast<double>(s.burst)) {
        for (auto& p : shards_) p.buckets.reserve(keys / shards_.size() + 1);
    }

    struct session_type {
        mutex_shards* shards;
        bool acquire(std::uint64_t key, std::int64_t now) { return shards->take(key, now); }
    };
    session_type session() { return {this}; }

    /// An estimate: a node of the map (next, key and bucket) and its share of the table.
    [[nodiscard]] std::size_t bytes() const {
        std::size_t n = 0;
        for (auto const& s : shards_)
            n += s.buckets.size() * (sizeof(void*) + sizeof(std::pair<std::uint64_t const, bucket>) + 8) +
                 s.buckets.bucket_count() * sizeof(void*);
        return n;
    }

private:
    struct bucket {
        double       tokens;
        std::int64_t last;
    };
    struct alignas(64) shard {
        std::mutex                                mutex;
        std::unordered_map<std::uint64_t, bucket> buckets;
    };

    bool take(std::uint64_t key, std::int64_t now) {
        shard&                s = shards_[(key >> 40) & 63];
        std::lock_guard const lock(s.mutex);
        auto const [found, fresh] = s.buckets.try_emplace(key, bucket{burst_, now});
        bucket& b = found->second;
        if (now > b.last) {
            b.tokens = std::min(burst_, b.tokens + static_cast<double>(now - b.last) * per_nanosecond_);
            b.last   = now;
        }
        if (b.tokens < 1) return false;
        b.tokens -= 1;
        return true;
    }

    double                per_nanosecond_, burst_;
    std::array<shard, 64> shards_;
};

}  // namespace

void bench::register_all() { flow::register_keyed<mutex_shards>("mutex_shards"); }
