# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(word ../executor/detail/future_word.hpp)

edit("the coroutine only looks" ${word}
  [==[return (word_.fetch_or(continued, std::memory_order_acq_rel) & ready) != 0;]==]
  [==[bool const there = (word_.load(std::memory_order_acquire) & ready) != 0;
        if (!there) (void)word_.fetch_or(continued, std::memory_order_acq_rel);
        return there;]==])
edit("complete forgets the coroutine" ${word} [==[& (awaited | continued);]==] [==[& awaited;]==])
edit("complete forgets the waiter" ${word} [==[& (awaited | continued);]==] [==[& continued;]==])
edit("complete overwrites" ${word}
  [==[return word_.fetch_or(ready, std::memory_order_acq_rel) & (awaited | continued);]==]
  [==[std::uint32_t const before = word_.load(std::memory_order_acquire);
        word_.store(started | ready, std::memory_order_release);
        return before & (awaited | continued);]==])
edit("the waiter only looks" ${word}
  [==[return (word_.fetch_or(awaited, std::memory_order_acq_rel) & ready) != 0;]==]
  [==[if ((word_.load(std::memory_order_acquire) & ready) != 0) return true;
        (void)word_.fetch_or(awaited, std::memory_order_acq_rel);
        return false;]==])
edit("claim by a store" ${word}
  [==[if (word_.compare_exchange_weak(expected, expected | started, std::memory_order_acq_rel,
                                            std::memory_order_relaxed))]==]
  [==[if (word_.store(expected | started, std::memory_order_release), true)]==])
