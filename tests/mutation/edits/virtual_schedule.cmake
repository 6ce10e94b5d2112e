# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.
set(file ../flow/detail/virtual_schedule.hpp)  # from the folder that mutate.cmake begins in

edit("check, then store" ${file}
  [==[        return word_.compare_exchange_strong(seen, zero | (seen & version), std::memory_order_relaxed,  // (E)
                                             std::memory_order_relaxed);                          // (E)]==]
  [==[        word_.store(zero | (seen & version), std::memory_order_relaxed);
        return true;]==])
edit("an earlier now moves the word back" ${file}
  [==[        if (balance < due(need)) {]==]
  [==[        if (balance < 0) { (void)move(seen, position); }
        if (balance < due(need)) {]==])
edit("a refusal writes" ${file}
  [==[            return verdict::later(duration(static_cast<std::int64_t>(wait)), left);]==]
  [==[            (void)move(seen, (seen & ~version) + 16);
            return verdict::later(duration(static_cast<std::int64_t>(wait)), left);]==])
edit("more than a full bucket" ${file}
  [==[        word const from = balance <= full ? seen : (position - static_cast<word>(full)) | (seen & version);]==]
  [==[        word const from = seen;]==])
edit("one tick is free" ${file}
  [==[        if (balance < due(need)) {]==] [==[        if (balance + 16 < due(need)) {]==])
edit("refused without a second look" ${file}
  [==[word_.load(std::memory_order_relaxed) != seen) ]==] [==[false)]==])
edit("undo lowers the word by what was taken" ${file}
  [==[        word const ticks = r.cost * s.numbers.weight;]==]
  [==[        if (move(s.seen, (s.seen & ~version) - r.cost * s.numbers.weight)) { keep(p); return r.cost; }
        word const ticks = r.cost * s.numbers.weight;]==])
edit("the filled slot is the one in use" ${file}
  [==[        fill(slots_[1], next, when, first.generation + 1, true);]==]
  [==[        span_ = fill(slots_[0], next, when, first.generation + 1, true);
        fill(slots_[1], next, when, first.generation + 1, true);]==])
edit("the second slot is not asked about" ${file}
  [==[        if ((seen & 1) != 0 || t - get(s.first)]==] [==[        if (t - get(s.first)]==])
edit("the way home steps over takes" ${file}
  [==[        while (!word_.compare_exchange_strong(seen, (seen & ~version) | ((seen + 1) & version),
                                              std::memory_order_release,           // (A)
                                              std::memory_order_relaxed)) {}       // (E)]==]
  [==[        word_.store((seen & ~version) | ((seen + 1) & version), std::memory_order_release);]==])
edit("the version stays" ${file}
  [==[((next.position(when) - ticks) & ~version) | ((seen + 1) & version),]==]
  [==[((next.position(when) - ticks) & ~version) | ((seen + 1) & 1),]==])
