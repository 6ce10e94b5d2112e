# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(count ../executor/detail/join_count.hpp)

edit("the parent does not count itself" ${count}
  [==[: left_(n + 1) {}]==] [==[: left_(n) {}]==])
edit("any thread is inside" ${count} [==[if (runner_.load(std::memory_order_relaxed) != me) return false;]==]
  [==[(void)me;
        if (runner_.load(std::memory_order_relaxed) == nullptr) return false;]==])
edit("who left the call still looks inside" ${count}
  [==[if (runner_.load(std::memory_order_relaxed) == nullptr) return true;                // (A)
        runner_.store(nullptr, std::memory_order_relaxed);                                  // (A)]==]
  [==[if (runner_.load(std::memory_order_relaxed) == nullptr) return true;]==])
edit("an end inside is not told" ${count}
  [==[if (runner_.load(std::memory_order_relaxed) != me) return false;                    // (A)
        runner_.store(nullptr, std::memory_order_relaxed);                                  // (A)]==]
  [==[if (runner_.load(std::memory_order_relaxed) != me) return false;]==])
edit("the parent only looks" ${count}
  [==[left_.fetch_sub(inside + 1, std::memory_order_acq_rel) == inside + 1;  // (B)]==]
  [==[(left_.load(std::memory_order_acquire) == inside + 1 ||
                                left_.fetch_sub(inside + 1, std::memory_order_acq_rel) == ~std::size_t{0});]==])
edit("arrive by load and store" ${count}
  [==[return left_.fetch_sub(1, std::memory_order_acq_rel) == 1; }  // (B)]==]
  [==[std::size_t const n = left_.load(std::memory_order_acquire);
        left_.store(n - 1, std::memory_order_release);
        return n == 1; }]==])
edit("nobody is ever inside" ${count} [==[return runner_.load(std::memory_order_relaxed) != nullptr; }  // (A)]==] [==[return false; }]==])
