# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(word ../flow/bulkhead.hpp)

edit("leave does not see a waiter" ${word} [==[        while (waiting(w) == 0)
            if]==] [==[        for (;;)
            if]==])
edit("one more than the limit" ${word} [==[while (in_flight(w) < limit(w) && waiting(w) == 0)]==]
  [==[while (in_flight(w) <= limit(w) && waiting(w) == 0)]==])
edit("enter without looking again" ${word}
  [==[            if (word_.compare_exchange_weak(w, w + one, std::memory_order_acquire, std::memory_order_relaxed))  // (A)
                return true;]==]
  [==[            return word_.fetch_add(one, std::memory_order_acquire), true;]==])
edit("a waiter is counted although a permit is free" ${word}
  [==[            if (in_flight(w) < limit(w)) {
                if]==]
  [==[            if (in_flight(w) + 1 < limit(w)) {
                if]==])
edit("a waiter does not look again" ${word}
  [==[            } else if (word_.compare_exchange_weak(w, w + one_waiting, std::memory_order_relaxed,
                                                   std::memory_order_relaxed)) {  // (C)
                return entry::waits;
            }]==]
  [==[            } else {
                (void)word_.fetch_add(one_waiting, std::memory_order_relaxed);
                return entry::waits;
            }]==])
edit("hand over to nobody" ${word} [==[bool const          passes = waiting(w) > 0 && in_flight(w) <= limit(w);]==]
  [==[bool const          passes = in_flight(w) <= limit(w);]==])
edit("hand over a permit that is to go" ${word}
  [==[bool const          passes = waiting(w) > 0 && in_flight(w) <= limit(w);]==]
  [==[bool const          passes = waiting(w) > 0;]==])
edit("a permit is handed over twice" ${word} [==[passes ? w - one_waiting : w - one;]==]
  [==[passes ? w - one_waiting - one : w - one;]==])
edit("a waiter that goes stays counted" ${word} [==[word_.fetch_sub(one_waiting, std::memory_order_relaxed);]==]
  [==[word_.fetch_sub(0, std::memory_order_relaxed);]==])
edit("a raised limit admits without counting" ${word} [==[w - one_waiting + one, std::memory_order_acquire,]==]
  [==[w - one_waiting, std::memory_order_acquire,]==])
