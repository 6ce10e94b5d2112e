# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

edit("one waiter is nobody" event_count.hpp [==[if (static_cast<std::uint32_t>(before) != 0 && n != 0)]==]
  [==[if (static_cast<std::uint32_t>(before) > 1 && n != 0)]==])
edit("nobody is woken" event_count.hpp [==[parker_.wake(word_, n);]==] [==[static_cast<void>(0);]==])
edit("all are one" event_count.hpp [==[notify_n(0xffff'ffffU);]==] [==[notify_n(1);]==])
edit("the epoch stays" event_count.hpp [==[word_.fetch_add(one_epoch, std::memory_order_acq_rel);]==]
  [==[word_.fetch_add(0, std::memory_order_acq_rel);]==])
edit("only a look for waiters" event_count.hpp
  [==[std::uint64_t const before = word_.fetch_add(one_epoch, std::memory_order_acq_rel);  // (A)]==]
  [==[std::uint64_t const before = word_.load(std::memory_order_acquire);
        if (static_cast<std::uint32_t>(before) != 0) word_.fetch_add(one_epoch, std::memory_order_acq_rel);]==])
edit("cancel forgets" event_count.hpp
  [==[void cancel_wait() noexcept { word_.fetch_sub(one_waiter, std::memory_order_relaxed); }]==]
  [==[void cancel_wait() noexcept {}]==])
edit("sleeps once" event_count.hpp
  [==[        while (epoch_of(word_.load(std::memory_order_relaxed)) == k.epoch_)                 // (H)
            parker_.wait(word_, k.epoch_, nullptr);]==]
  [==[        if (epoch_of(word_.load(std::memory_order_relaxed)) == k.epoch_)
            parker_.wait(word_, k.epoch_, nullptr);]==])
edit("late is notified" event_count.hpp
  [==[notified = epoch_of(word_.load(std::memory_order_relaxed)) != k.epoch_;]==] [==[notified = true;]==])
edit("waits for the epoch after" event_count.hpp
  [==[return key(epoch_of(word_.fetch_add(one_waiter, std::memory_order_acq_rel)));]==]
  [==[word_.fetch_add(one_waiter, std::memory_order_acq_rel);
        return key(epoch_of(word_.load(std::memory_order_relaxed)) + 1);]==])
