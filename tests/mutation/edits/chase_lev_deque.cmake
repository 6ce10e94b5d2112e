# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(protocol detail/chase_lev_protocol.hpp)
edit("pop announces itself too weakly" ${protocol}
  [==[(void)bottom_.exchange(index, std::memory_order_seq_cst);]==] [==[bottom_.store(index, std::memory_order_release);]==])
edit("last item without CAS" ${protocol} [==[if (index_distance(index, top) > 0) return true;]==]
  [==[if (index_distance(index, top) >= 0) return true;]==])
edit("CAS on an item that is gone" ${protocol} [==[top == index && ]==] "")
edit("bottom not restored" ${protocol}
  [==[        bottom_.store(bottom, std::memory_order_release);                         // (A)
]==] "")
edit("stealing from an empty deque" ${protocol}
  [==[if (index_distance(bottom, top) <= 0) return {steal_status::empty]==]
  [==[if (index_distance(bottom, top) < 0) return {steal_status::empty]==])
edit("item read after the CAS" ${protocol} [==[return {steal_status::success, item};]==]
  [==[return {steal_status::success, read(top)};]==])
edit("lost said as empty" ${protocol} [==[return {steal_status::lost, T{}};]==] [==[return {steal_status::empty, T{}};]==])
edit("room for one too many" ${protocol} [==[if (index + n - known_top_ <= size) return true;]==]
  [==[if (index + n - known_top_ <= size + 1) return true;]==])
edit("one too many at the second look" ${protocol} [==[        return index + n - known_top_ <= size;]==]
  [==[        return index + n - known_top_ <= size + 1;]==])
edit("published before it is there" chase_lev_deque.hpp [==[        r->put(bottom, item);
        indices_.publish(bottom + 1);]==] [==[        indices_.publish(bottom + 1);
        r->put(bottom, item);]==])
edit("old ring used after growth" chase_lev_deque.hpp
  [==[r = grow(r, bottom, 1);
        r->put(bottom, item);
        indices_.publish(bottom + 1);]==]
  [==[(void)grow(r, bottom, 1);
        r->put(bottom, item);
        indices_.publish(bottom + 1);]==])
edit("growth forgets the oldest" chase_lev_deque.hpp [==[for (std::uint64_t i = top; i != bottom; ++i)]==]
  [==[for (std::uint64_t i = top + 1; i < bottom; ++i)]==])
edit("bulk publishes one too few" chase_lev_deque.hpp [==[indices_.publish(bottom + n);]==]
  [==[indices_.publish(bottom + n - 1);]==])
