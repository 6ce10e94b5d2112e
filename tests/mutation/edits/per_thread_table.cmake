# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(table ../executor/detail/per_thread_table.hpp)

edit("more than there may be" ${table} [==[std::memory_order_relaxed) < most_]==] [==[std::memory_order_relaxed) <= most_]==])
edit("a place that is taken is taken again" ${table}
  [==[            if (places_[i].owner.compare_exchange_strong(nobody, thread, std::memory_order_relaxed,  // (A)
                                                         std::memory_order_relaxed))                 // (A)
                break;]==]
  [==[            if (places_[i].owner.load(std::memory_order_relaxed) == nobody) {
                places_[i].owner.store(thread, std::memory_order_relaxed);
                break;
            }]==])
edit("the first free place counts as the caller's" ${table} [==[            if (owner == 0) break;]==]
  [==[            if (owner == 0) return places_[i].item.load(std::memory_order_relaxed);]==])
