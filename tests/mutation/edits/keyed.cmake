# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(table ../flow/detail/key_table.hpp)

edit("a place is taken without a claim" ${table}
  [==[        return s.word.compare_exchange_strong(word, closed, std::memory_order_relaxed,             // (D)
                                              std::memory_order_relaxed);                          // (D)]==]
  [==[        return s.word.load(std::memory_order_relaxed) == word;]==])
edit("closed whatever was admitted" ${table}
  [==[        return s.word.compare_exchange_strong(word, closed, std::memory_order_relaxed,             // (D)
                                              std::memory_order_relaxed);                          // (D)]==]
  [==[        return s.word.exchange(closed, std::memory_order_relaxed) != word || word != closed;]==])
edit("the last look is left out" ${table}
  [==[            if (f.at->tag.load(std::memory_order_relaxed) != f.tag) continue;                      // (C)]==] "")
edit("the second look is left out" ${table}
  [==[                if (s.tag.load(std::memory_order_relaxed) != tag) continue;                        // (C)]==] "")
edit("a new key without the mutex" ${table} [==[        std::unique_lock lock(s.mutex);
        auto const       take_over]==] [==[        typename Shape::mutex mine;
        std::unique_lock lock(mine);
        auto const       take_over]==])
edit("the word comes before the tag" ${table}
  [==[        s.tag.store(tag, std::memory_order_release);                                               // (A)
        s.word.store(word, std::memory_order_release);                                             // (B)]==]
  [==[        s.word.store(word, std::memory_order_release);
        s.tag.store(tag, std::memory_order_release);]==])
edit("an owner is not counted" ${table} [==[((s.tag.load(std::memory_order_relaxed) + 1) & owner_mask);]==]
  [==[(s.tag.load(std::memory_order_relaxed) & owner_mask);]==])
edit("undo without the mutex" ${table}
  [==[        std::lock_guard const lock(sets_[set_of(hash)].mutex);
        auto* const           s = look(hash).known;]==] [==[        auto* const           s = look(hash).known;]==])
edit("forgotten without a horizon" ${table} [==[                horizon = std::max(horizon, full);]==] "")
edit("replaced without a horizon" ${table}
  [==[            if (c.mark <= mark) s.horizon = std::max(s.horizon, c.mark);]==] "")
edit("a new key beside the overflow" ${table} [==[policy_ == when_full::share_overflow ? overflow_.load]==]
  [==[false ? overflow_.load]==])
edit("the overflow is charged by a store" ${table}
  [==[            if (overflow_.compare_exchange_weak(word, step.next, std::memory_order_relaxed,        // (E)
                                                std::memory_order_relaxed)) {                      // (E)]==]
  [==[            if (overflow_.store(step.next, std::memory_order_relaxed); true) {]==])
edit("more keys than the capacity" ${table}
  [==[            if (used_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed,                   // (E)
                                            std::memory_order_relaxed))                            // (E)
                return true;]==] [==[            return used_.fetch_add(1, std::memory_order_relaxed), true;]==])
edit("a place that was reserved is lost" ${table}
  [==[                if (reserved) release_one();
                answer = step.answer;]==] [==[                answer = step.answer;]==])
