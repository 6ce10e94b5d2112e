# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

edit("retracted item kept without CAS" split_deque.hpp [==[if (left > 0) {]==] [==[if (left >= 0) {]==])
edit("retraction too weak" split_deque.hpp [==[(void)split_.exchange(split, std::memory_order_seq_cst);]==]
  [==[split_.store(split, std::memory_order_release);]==])
edit("CAS on an item that is gone" split_deque.hpp [==[left == 0 && ]==] "")
edit("no second try for the newest item" split_deque.hpp [==[if (split != index) continue;]==] "")
edit("split not restored" split_deque.hpp
  [==[            split_.store(bottom, std::memory_order_release);                                // (A)
]==] "")
edit("stealing from an empty part" split_deque.hpp [==[if (detail::index_distance(split, top) <= 0 ||]==]
  [==[if (detail::index_distance(split, top) < 0 ||]==])
edit("take back without the first look" split_deque.hpp [==[if (inside <= 0) {]==] [==[if (inside < -5) {]==])
edit("take back rounded down" split_deque.hpp [==[(static_cast<std::uint64_t>(inside) + 1) / 2]==]
  [==[static_cast<std::uint64_t>(inside) / 2]==])
edit("item read after the CAS" split_deque.hpp [==[return {steal_status::success, item};]==]
  [==[return {steal_status::success, ring_.load(std::memory_order_acquire)->get(top)};]==])
edit("lost said as empty" split_deque.hpp [==[return {steal_status::lost, T{}};]==] [==[return {steal_status::empty, T{}};]==])
edit("steal_if asks nobody" split_deque.hpp [==[ || !allowed(top)]==] "")
edit("popped item published" split_deque.hpp [==[publish_up_to(split + (index - split) / 2);]==]
  [==[publish_up_to(index + 1);]==])
edit("room for one too many" split_deque.hpp [==[if (bottom - top < r->size())]==] [==[if (bottom - top <= r->size())]==])
edit("full one too late" split_deque.hpp [==[            full_at_ = top + r->size();]==]
  [==[            full_at_ = top + r->size() + 1;]==])
edit("growth forgets the oldest" split_deque.hpp [==[for (std::uint64_t i = top; i != bottom; ++i)]==]
  [==[for (std::uint64_t i = top + 1; i < bottom; ++i)]==])
edit("old ring used after growth" split_deque.hpp [==[        own_ = bigger->view();
]==] "")
edit("published before it is there" split_deque.hpp
  [==[        std::uint64_t const bottom = put(item);
        if (public_part_is_gone()) return publish_up_to(bottom);]==]
  [==[        if (public_part_is_gone()) publish_up_to(bottom_.load(std::memory_order_relaxed) + 1);
        std::uint64_t const bottom = put(item);
        if (public_part_is_gone()) return publish_up_to(bottom);]==])
