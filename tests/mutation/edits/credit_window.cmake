# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(word ../flow/credit_window.hpp)

edit("a credit is spent without looking again" ${word}
  [==[        while (used(w) < w >> 32)
            if (word_.compare_exchange_weak(w, w + 1, std::memory_order_acquire, std::memory_order_relaxed))  // (A)
                return permit(this, &finish, {.start = now});]==]
  [==[        while (used(w) < w >> 32) {
            word_.fetch_add(1, std::memory_order_acquire);
            return permit(this, &finish, {.start = now});
        }]==])
edit("a window of one more" ${word} [==[while (used(w) < w >> 32)]==] [==[while (used(w) <= w >> 32)]==])
edit("a grant forgets what is under way" ${word}
  [==[std::uint64_t{window} << 32 | used(w), std::memory_order_release]==]
  [==[std::uint64_t{window} << 32, std::memory_order_release]==])
edit("a grant that is not one step" ${word}
  [==[        while (!word_.compare_exchange_weak(w, std::uint64_t{window} << 32 | used(w), std::memory_order_release,
                                            std::memory_order_relaxed)) {}  // (C)]==]
  [==[        word_.store(std::uint64_t{window} << 32 | used(w), std::memory_order_release);]==])
edit("a credit that does not come back" ${word} [==[->word_.fetch_sub(1, std::memory_order_release);]==]
  [==[->word_.fetch_sub(0, std::memory_order_release);]==])
edit("a lost race counts as denied" ${word} [==[while (used(w) < w >> 32)]==] [==[if (used(w) < w >> 32)]==])
