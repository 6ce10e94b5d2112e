# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

edit("room for one too many" detail/chase_lev_protocol.hpp [==[        return index + n - known_top_ <= size;]==]
  [==[        return index + n - known_top_ <= size + 1;]==])
edit("published before it is there" bounded_chase_lev_deque.hpp [==[        ring_.put(bottom, item);
        indices_.publish(bottom + 1);]==] [==[        indices_.publish(bottom + 1);
        ring_.put(bottom, item);]==])
edit("full ignored" bounded_chase_lev_deque.hpp [==[if (!indices_.room(1, N, bottom)) return false;]==]
  [==[(void)indices_.room(1, N, bottom);]==])
