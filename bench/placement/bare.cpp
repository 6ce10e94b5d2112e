// SPDX-License-Identifier: BSL-1.0
// The ring itself, which nobody can replace: what the others are compared with.
#include "readers.hpp"

namespace {

class subject {
public:
    explicit subject(bench::placement::ring r) : ring_(std::move(r)) {}
    struct session_type {
        bench::placement::ring const* ring;
        std::uint32_t locate(std::uint64_t key) const noexcept { return *ring->locate(sluice::hashed_key(key)); }
    };
    session_type session() const noexcept { return {&ring_}; }

private:
    bench::placement::ring ring_;
};

}  // namespace

void bench::register_all() { placement::register_readers<subject>("bare"); }
