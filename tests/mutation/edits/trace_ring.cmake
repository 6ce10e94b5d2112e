# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(ring ../executor/detail/trace_ring.hpp)

edit("one event too many" ${ring} [==[            if (head - tail_seen_ > mask_) {
                dropped_]==] [==[            if (head - tail_seen_ > mask_ + 1) {
                dropped_]==])
edit("dropped although there is room" ${ring} [==[            tail_seen_ = tail_.load(std::memory_order_acquire);]==] [==[]==])
edit("shown before it is written" ${ring}
  [==[        slots_[static_cast<std::size_t>(head) & mask_] = event;
        head_.store(head + 1, std::memory_order_release);                                            // (A)]==]
  [==[        head_.store(head + 1, std::memory_order_release);                                            // (A)
        slots_[static_cast<std::size_t>(head) & mask_] = event;]==])
edit("a drop that is not counted" ${ring}
  [==[dropped_.load(std::memory_order_relaxed) + 1]==]
  [==[dropped_.load(std::memory_order_relaxed)]==])
edit("what was taken comes again" ${ring} [==[ring->tail_.store(at, ]==] [==[ring->tail_.store(at == 0 ? 0 : at - 1, ]==])
