# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.
set(file ../flow/detail/limit_gate.hpp)  # from the folder that mutate.cmake begins in

edit("check, then add" ${file}
  [==[            if (word_.compare_exchange_weak(w, w + 1, std::memory_order_acquire,                      // (A)
                                            std::memory_order_relaxed))                               // (H)
                return n + 1;]==]
  [==[            return inflight_of(word_.fetch_add(1, std::memory_order_acquire)) + 1;]==])
edit("one more than the limit" ${file} [==[            if (n >= limit_of(w)) return 0;]==]
  [==[            if (n > limit_of(w)) return 0;]==])
edit("an end calls nobody" ${file} [==[        if (waiters_of(before) != 0) call(1);]==] [==[]==])
edit("a higher limit calls nobody" ${file} [==[        if (limit > limit_of(w) && waiters_of(w) != 0) call(0xffff'ffffU);]==]
  [==[]==])
edit("a higher limit calls one" ${file} [==[        if (limit > limit_of(w) && waiters_of(w) != 0) call(0xffff'ffffU);]==]
  [==[        if (limit > limit_of(w) && waiters_of(w) != 0) call(1);]==])
edit("called before there is room" ${file}
  [==[        std::uint64_t const before = word_.fetch_sub(1, std::memory_order_acq_rel);                   // (B)
        if (waiters_of(before) != 0) call(1);]==]
  [==[        if (waiters() != 0) call(1);
        std::uint64_t const before = word_.fetch_sub(1, std::memory_order_acq_rel);]==])
edit("the key after the look" ${file} [==[            giving_up = !pause(key);]==]
  [==[            giving_up = !pause(static_cast<std::uint32_t>(gate_.load(std::memory_order_acquire) >> 32));
            (void)key;]==])
edit("a waiter that got in stays counted" ${file} [==[w + 1 - (self.counted ? one_waiter : 0),]==] [==[w + 1,]==])
edit("a waiter that gives up drops its call" ${file} [==[                if (n < limit_of(w)) {]==]
  [==[                if (n < limit_of(w) && !giving_up) {]==])
edit("a pause that throws leaves a waiter" ${file} [==[            if (!counted) return;]==] [==[            return;]==])
edit("a pause that throws drops its call" ${file} [==[            if (waiters_of(before) > 1) gate.call(1);]==]
  [==[            (void)before;]==])
edit("the new limit forgets who is in flight" ${file} [==[(w & ~word_of(max_limit)) | word_of(limit),]==]
  [==[word_of(limit),]==])
edit("the call is not written down" ${file}
  [==[        gate_.fetch_add(one_call, std::memory_order_release);                                         // (F)]==] [==[]==])
