// SPDX-License-Identifier: BSL-1.0
#include "readers.hpp"

namespace {

class subject {
public:
    explicit subject(bench::placement::ring r) : ring_(std::make_shared<bench::placement::ring const>(std::move(r))) {}
    struct session_type {
        subject*      all;
        std::uint32_t locate(std::uint64_t key) {
#if defined(__cpp_lib_atomic_shared_ptr)
            auto const ring = all->ring_.load(std::memory_order_acquire);
#else
            auto const ring = std::atomic_load_explicit(&all->ring_, std::memory_order_acquire);
#endif
            return *ring->locate(sluice::hashed_key(key));
        }
    };
    session_type session() noexcept { return {this}; }

private:
#if defined(__cpp_lib_atomic_shared_ptr)
    std::atomic<std::shared_ptr<bench::placement::ring const>> ring_;
#else
    std::shared_ptr<bench::placement::ring const> ring_;
#endif
};

}  // namespace

void bench::register_all() { placement::register_readers<subject>("atomic_shared_ptr"); }
