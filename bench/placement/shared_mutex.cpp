// SPDX-License-Identifier: BSL-1.0
#include "readers.hpp"

#include <shared_mutex>

namespace {

class subject {
public:
    explicit subject(bench::placement::ring r) : ring_(std::move(r)) {}
    struct session_type {
        subject*      all;
        std::uint32_t locate(std::uint64_t key) {
            std::shared_lock const lock(all->mutex_);
            return *all->ring_.locate(sluice::hashed_key(key));
        }
    };
    session_type session() noexcept { return {this}; }

private:
    std::shared_mutex      mutex_;
    bench::placement::ring ring_;
};

}  // namespace

void bench::register_all() { placement::register_readers<subject>("shared_mutex"); }
