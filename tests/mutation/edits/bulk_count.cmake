# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(count ../executor/detail/bulk_count.hpp)

edit("a guest is not counted" ${count}
  [==[void invite() noexcept { left_.fetch_add(1, std::memory_order_relaxed); }]==] [==[void invite() noexcept {}]==])
edit("a refused ticket stays counted" ${count}
  [==[void take_back() noexcept { left_.fetch_sub(1, std::memory_order_relaxed); }]==] [==[void take_back() noexcept {}]==])
edit("leave by load and store" ${count}
  [==[return left_.fetch_sub(1, std::memory_order_acq_rel) == 1; }  // (C)]==]
  [==[std::size_t const n = left_.load(std::memory_order_acquire);
        left_.store(n - 1, std::memory_order_release);
        return n == 1; }]==])
edit("claim by load and store" ${count}
  [==[std::uint64_t const first = next_.fetch_add(grain_, std::memory_order_relaxed);     // (A)]==]
  [==[std::uint64_t const first = next_.load(std::memory_order_relaxed);
        next_.store(first + grain_, std::memory_order_relaxed);]==])
edit("claims go on after the end" ${count} [==[if (ended()) return {0, 0};]==] [==[]==])
edit("each end is the first" ${count}
  [==[return end_.compare_exchange_strong(none, e, std::memory_order_relaxed, std::memory_order_relaxed);  // (B)]==]
  [==[(void)none;
        end_.store(e, std::memory_order_relaxed);
        return true;]==])
