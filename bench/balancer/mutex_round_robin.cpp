// SPDX-License-Identifier: BSL-1.0
// What most programs have: a counter under a mutex.
#include "workload.hpp"

#include <mutex>
#include <optional>

namespace {

class subject {
public:
    static constexpr auto promised = bench::balancer::promise::even;
    explicit subject(std::span<bench::balancer::node> list) : size_(list.size()) {}
    struct session_type {
        subject*                          owner;
        std::optional<sluice::node_index> choose() { return owner->next(); }
    };
    session_type session(std::uint64_t) { return {this}; }

private:
    sluice::node_index next() {
        std::lock_guard const lock(mutex_);
        if (++turn_ >= size_) turn_ = 0;
        return static_cast<sluice::node_index>(turn_);
    }

    std::mutex  mutex_;
    std::size_t size_;
    std::size_t turn_ = 0;
};

}  // namespace

void bench::register_all() { balancer::register_choose<subject>("mutex_round_robin", true); }
