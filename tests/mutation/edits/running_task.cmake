# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(task ../executor/detail/running_task.hpp)

edit("an even version while it is written" ${task} [==[version_.store(v + 1, std::memory_order_relaxed)]==]
  [==[version_.store(v, std::memory_order_relaxed)]==])
edit("read while it is written" ${task} [==[v % 2 != 0 || ]==] [==[]==])
edit("no second look" ${task} [==[ || version_.load(std::memory_order_relaxed) != v]==] [==[]==])
edit("the version ends before the words" ${task}
  [==[        size_.store(name.size(), std::memory_order_release);                                        // (A)
        version_.store(v + 2, std::memory_order_release);                                           // (B)]==]
  [==[        version_.store(v + 2, std::memory_order_release);                                           // (B)
        size_.store(name.size(), std::memory_order_release);                                        // (A)]==])
