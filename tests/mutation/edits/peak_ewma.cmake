# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(ewma ../routing/peak_ewma.hpp)

edit("the interval is taken without a CAS" ${ewma}
  [==[        } while (!newest_.compare_exchange_weak(newest, now, std::memory_order_relaxed, std::memory_order_relaxed));  // (B)]==]
  [==[        } while (newest_.store(now, std::memory_order_relaxed), false);]==])
edit("a peak does not look whether a larger one came" ${ewma}
  [==[            if (to <= ground) return;]==] [==[]==])
edit("a lost race forgets the sample" ${ewma}
  [==[std::memory_order_release, std::memory_order_relaxed)) return;  // (A)]==]
  [==[std::memory_order_release, std::memory_order_relaxed)) return; else return;]==])
edit("a mixture is not limited" ${ewma} [==[return std::min(mixed, std::max(from, most));]==] [==[return mixed;]==])
edit("a peak does not move the time on" ${ewma}
  [==[while (newest < now && !newest_.]==] [==[while (false && !newest_.]==])
