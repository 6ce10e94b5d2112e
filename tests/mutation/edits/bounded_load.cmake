# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(bounded ../routing/bounded_load.hpp)

edit("a place is taken without looking again" ${bounded}
  [==[            if (n.load.compare_exchange_weak(now, now + 1, std::memory_order_acquire, std::memory_order_relaxed))  // (A)
                return true;]==]
  [==[            return n.load.fetch_add(1, std::memory_order_relaxed), true;]==])
edit("one above the cap" ${bounded} [==[detail::multiply_wide(now, divisor_) < most)]==]
  [==[!(most < detail::multiply_wide(now, divisor_)))]==])
edit("a walk without room is the answer" ${bounded} [==[            if (i) return i;]==] [==[            return i;]==])
edit("the total stays" ${bounded}
  [==[        total_.fetch_sub(1, std::memory_order_relaxed);]==] [==[        total_.fetch_sub(0, std::memory_order_relaxed);]==])
edit("the load stays" ${bounded}
  [==[nodes_[i].load.fetch_sub(1, std::memory_order_release);]==] [==[nodes_[i].load.fetch_sub(0, std::memory_order_release);]==])
