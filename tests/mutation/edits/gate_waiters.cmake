# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(waiters ../executor/detail/gate_waiters.hpp)

edit("a call is not passed on" ${waiters} [==[            if (more()) gate_.notify();]==] [==[            (void)more;]==])
edit("the sleeper is not counted" ${waiters} [==[asleep_.fetch_add(1,]==] [==[asleep_.fetch_add(0,]==])
edit("counted after the announcement" ${waiters}
  [==[        asleep_.fetch_add(1, std::memory_order_relaxed);                                    // (K)
        (void)joins_.prepare_wait();                                                        // (K)
        bool       called = false;
        auto const key = gate_.announce(false);
        if (look())]==]
  [==[        bool       called = false;
        auto const key = gate_.announce(false);
        bool const found = look();
        asleep_.fetch_add(1, std::memory_order_relaxed);
        (void)joins_.prepare_wait();
        if (found)]==])
edit("counted after it has passed joins" ${waiters}
  [==[        asleep_.fetch_add(1, std::memory_order_relaxed);                                    // (K)
        (void)joins_.prepare_wait();                                                        // (K)]==]
  [==[        (void)joins_.prepare_wait();
        asleep_.fetch_add(1, std::memory_order_relaxed);]==])
edit("does not pass joins" ${waiters}
  [==[        (void)joins_.prepare_wait();                                                        // (K)
        bool       called = false;
        auto const key = gate_.announce(false);
        if (look())
            called = gate_.leave();
        else
            (void)gate_.sleep(key, end(), called);
        joins_.cancel_wait();]==]
  [==[        bool       called = false;
        auto const key = gate_.announce(false);
        if (look())
            called = gate_.leave();
        else
            (void)gate_.sleep(key, end(), called);]==])
edit("the count is looked at first" ${waiters}
  [==[        joins_.notify_all();
        if (asleep_.load(std::memory_order_relaxed) != 0) [[unlikely]] gate_.stir(0xffff'ffffU);  // (K)]==]
  [==[        bool const any = asleep_.load(std::memory_order_relaxed) != 0;
        joins_.notify_all();
        if (any) gate_.stir(0xffff'ffffU);]==])
edit("the gate is not stirred" ${waiters} [==[gate_.stir(0xffff'ffffU);]==] [==[{}]==])
edit("one is stirred" ${waiters} [==[gate_.stir(0xffff'ffffU);]==] [==[gate_.stir(1);]==])
edit("joins are not notified" ${waiters} [==[        joins_.notify_all();
        if]==] [==[        if]==])
edit("no second look" ${waiters} [==[        if (look())]==] [==[        if (false && look())]==])
edit("a call is left where it is" ${waiters} [==[        if (called) {]==] [==[        if (false && called) {]==])
edit("joins pass nothing on" ../queue/event_count.hpp
  [==[word_.fetch_add(one_epoch, std::memory_order_acq_rel);  // (A)]==] [==[word_.fetch_add(one_epoch, std::memory_order_relaxed);]==])
