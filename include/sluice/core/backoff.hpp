// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// cpu_relax, backoff — how a thread waits a moment without giving up its core.
///
/// Use it for     the pause between two failed attempts at the same line of memory
/// Not for        waiting for something that may take long: park (event_count, core/parker.hpp)
/// Thread-safety  cpu_relax: any thread. A backoff object belongs to one thread
/// Progress       wait-free; never enters the kernel
/// Complexity     pause() runs 1, 2, 4, … up to `limit` relax instructions
/// Units          relax instructions: about 40 ns each on current x86 (pause), about 1 ns on older ones and most Arm

#include <cstdint>

namespace sluice {

/// Tells the core that this is a waiting loop. No ordering, no memory access.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__arm__) && defined(__ARM_ARCH) && __ARM_ARCH >= 7)
    __asm__ __volatile__("yield");
#endif
}

/// Bounded exponential back-off. After each failed attempt call pause(); after a success call reset().
class backoff {
public:
    explicit constexpr backoff(std::uint32_t limit = 64) noexcept : limit_(limit == 0 ? 1 : limit) {}

    void pause() noexcept {
        for (std::uint32_t i = 0; i < next_; ++i) cpu_relax();
        next_ = next_ > limit_ / 2 ? limit_ : next_ * 2;
    }

    /// True once the pauses have reached the limit: time to do something else than waiting.
    [[nodiscard]] constexpr bool exhausted() const noexcept { return next_ >= limit_; }

    constexpr void reset() noexcept { next_ = 1; }

private:
    std::uint32_t limit_;
    std::uint32_t next_ = 1;
};

}  // namespace sluice
