# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(gate ../executor/detail/idle_gate.hpp)

edit("leave forgets the call" ${gate} [==[called ? word - one_sleeper - one_call + one_searcher : word - one_sleeper;]==]
  [==[word - one_sleeper;]==])
edit("leave takes the call and does not search" ${gate}
  [==[called ? word - one_sleeper - one_call + one_searcher : word - one_sleeper;]==]
  [==[called ? word - one_sleeper - one_call : word - one_sleeper;]==])
edit("announce goes on searching" ${gate} [==[searching ? one_sleeper - one_searcher : one_sleeper,]==] [==[one_sleeper,]==])
edit("announce is not counted" ${gate} [==[searching ? one_sleeper - one_searcher : one_sleeper,]==]
  [==[searching ? 0 - one_searcher : 0,]==])
edit("the epoch stays" ${gate} [==[word_.fetch_add(one_epoch, std::memory_order_acq_rel);  // (A)
        if (sleepers]==] [==[word_.fetch_add(0, std::memory_order_acq_rel);
        if (sleepers]==])
edit("a call has no epoch" ${gate} [==[                                            std::memory_order_relaxed))                     // (A)
                break;]==] [==[                                            std::memory_order_relaxed))
                return;]==])
edit("nobody is called while nobody searches" ${gate} [==[under_way == 0 ||]==] [==[under_way == 1 ||]==])
edit("the last searcher does not say so" ${gate} [==[return searchers(before) == 1 && sleepers(before) > calls(before);]==]
  [==[return false;]==])
edit("the end wakes one" ${gate} [==[parker_.wake(word_, 0xffff'ffffU);]==] [==[parker_.wake(word_, 1);]==])
edit("more is left to the searcher" ${gate} [==[        while (sleepers(word) > calls(word)) {]==]
  [==[        while (sleepers(word) > calls(word) && searchers(word) == 0) {]==])
edit("a meeting of one" ${gate} [==[void meet() noexcept { word_.fetch_add(0, std::memory_order_acq_rel); }]==]
  [==[void meet() noexcept { (void)word_.load(std::memory_order_acquire); }]==])
edit("stir wakes nobody" ${gate} [==[parker_.wake(word_, n);]==] [==[static_cast<void>(n);]==])
edit("stir has no epoch" ${gate} [==[word_.fetch_add(one_epoch, std::memory_order_acq_rel);                              // (A)
        parker_.wake(word_, n);]==] [==[parker_.wake(word_, n);]==])
edit("ordered never looks" ${gate} [==[        if (sleepers(word) > calls(word)) notify();]==] [==[        static_cast<void>(word);]==])
