# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

edit("checked first and taken later" ../flow/retry_budget.hpp
  [==[        return retries_.compare_exchange_weak(retries, retries + 1, std::memory_order_release,  // (C)
                                              std::memory_order_relaxed);                   // (E)]==]
  [==[        retries_.fetch_add(1, std::memory_order_release);
        return true;]==])
edit("slice opened without its deposits" ../flow/retry_budget.hpp
  [==[            requests_then_[place(i)].store(requests, std::memory_order_release);            // (B)]==]
  [==[            requests_then_[place(i)].store(0, std::memory_order_release);]==])
edit("deposits counted before retries" ../flow/retry_budget.hpp
  [==[        auto const retries = retries_.load(std::memory_order_acquire);                      // (C)
        auto const requests = requests_.load(std::memory_order_relaxed);                    // (E)]==]
  [==[        auto const requests = requests_.load(std::memory_order_relaxed);
        auto const retries = retries_.load(std::memory_order_acquire);]==])
edit("deposit before its slice is open" ../flow/retry_budget.hpp
  [==[        if (slice > epoch_.load(std::memory_order_relaxed) >> 1) {                          // (A)
            std::lock_guard const lock(mutex_);
            open(slice);
        }
        requests_.fetch_add(1, std::memory_order_release);                                  // (D)]==]
  [==[        requests_.fetch_add(1, std::memory_order_release);
        if (slice > epoch_.load(std::memory_order_relaxed) >> 1) {
            std::lock_guard const lock(mutex_);
            open(slice);
        }]==])
edit("no second look" ../flow/retry_budget.hpp
  [==[        if (epoch_.load(std::memory_order_relaxed) != word) return std::nullopt;            // (A)
]==] [==[]==])
edit("read while a slice is opened" ../flow/retry_budget.hpp
  [==[        if ((word & 1) != 0) return std::nullopt;
]==] [==[]==])
edit("no odd number" ../flow/retry_budget.hpp
  [==[        epoch_.store(2 * epoch + 1, std::memory_order_relaxed);                             // (A)
]==] [==[]==])
edit("time goes back" ../flow/retry_budget.hpp
  [==[        if (slice <= epoch) return;
]==] [==[]==])
edit("taken before the slice is open" ../flow/retry_budget.hpp
  [==[            open(slice);
            if (found.at != found.epoch) continue;
            if (take(found.retries)) return true;]==]
  [==[            if (take(found.retries)) {
                open(slice);
                return true;
            }]==])
edit("one too many" ../flow/retry_budget.hpp
  [==[        v.left = spent < allowed ? allowed - spent : 0;]==]
  [==[        v.left = spent <= allowed ? allowed - spent + 1 : 0;]==])
edit("share checked first and taken later" ../flow/retry_share.hpp
  [==[        } while (!state_.compare_exchange_weak(state, state + one_retry, std::memory_order_relaxed,  // (A)
                                               std::memory_order_relaxed));                 // (A)]==]
  [==[        } while (false);
        state_.fetch_add(one_retry, std::memory_order_relaxed);]==])
edit("token lost" ../flow/retry_throttle.hpp
  [==[        while (tokens > 0 && !tokens_.compare_exchange_weak(tokens, std::max(tokens, one) - one,
                                                            std::memory_order_relaxed,      // (A)
                                                            std::memory_order_relaxed)) {}  // (A)]==]
  [==[        tokens_.store(std::max(tokens, one) - one, std::memory_order_relaxed);]==])
