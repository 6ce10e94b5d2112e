# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

edit("full one too late" fifo_steal_queue.hpp [==[            if (tail - known_head_ >= N) return false;]==]
  [==[            if (tail - known_head_ > N) return false;]==])
edit("full noticed too late" fifo_steal_queue.hpp [==[        if (tail - known_head_ >= N) {]==]
  [==[        if (tail - known_head_ > N) {]==])
edit("published before it is there" fifo_steal_queue.hpp [==[        ring_.put(tail, item);
        tail_.store(tail + 1, std::memory_order_release);                                   // (A)
]==] [==[        tail_.store(tail + 1, std::memory_order_release);
        ring_.put(tail, item);
]==])
edit("pop of nothing" fifo_steal_queue.hpp [==[while (head != tail) {]==] [==[while (true) {]==])
edit("steal of nothing" fifo_steal_queue.hpp [==[if (inside == 0) return {steal_status::empty, 0};]==] "")
edit("half rounded down" fifo_steal_queue.hpp [==[inside - inside / 2]==] [==[inside / 2]==])
edit("more than asked for" fifo_steal_queue.hpp [==[if (n > most) n = most;]==] [==[if (n > most + 1) n = most + 1;]==])
edit("wrong pair not noticed" fifo_steal_queue.hpp [==[if (inside > N) return {steal_status::lost, 0};]==] "")
edit("one more than was read" fifo_steal_queue.hpp [==[head_.compare_exchange_strong(head, head + n,]==]
  [==[head_.compare_exchange_strong(head, head + n + 1,]==])
edit("lost said as empty" fifo_steal_queue.hpp [==[std::memory_order_relaxed))  // (C)
            return {steal_status::lost, 0};]==] [==[std::memory_order_relaxed))  // (C)
            return {steal_status::empty, 0};]==])
