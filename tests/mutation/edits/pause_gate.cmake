# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(gate ../executor/detail/pause_gate.hpp)

edit("who is let go does not look again" ${gate}
  [==[            if ((marks_.load(std::memory_order_seq_cst) & pool_state::paused) == 0) return true;  // (C)
            if (over) return false;]==]
  [==[            return !over;]==])
edit("a guest does not look" ${gate}
  [==[        if ((marks_.load(std::memory_order_seq_cst) & pool_state::paused) == 0) return true;  // (E)
        leave();
        return false;]==]
  [==[        return true;]==])
edit("a guest looks, then enters" ${gate}
  [==[        guests_.fetch_add(1, std::memory_order_seq_cst);                                    // (E)
        if ((marks_.load(std::memory_order_seq_cst) & pool_state::paused) == 0) return true;  // (E)
        leave();
        return false;]==]
  [==[        if ((marks_.load(std::memory_order_seq_cst) & pool_state::paused) != 0) return false;  // (E)
        guests_.fetch_add(1, std::memory_order_seq_cst);                                    // (E)
        return true;]==])
edit("a guest leaves in silence" ${gate}
  [==[        if ((marks_.load(std::memory_order_seq_cst) & pool_state::paused) != 0) settled_.notify_all();  // (E)
    }]==]
  [==[    }]==])
edit("held in silence" ${gate}
  [==[            held_.fetch_add(1, std::memory_order_release);                                  // (B)
            settled_.notify_all();]==]
  [==[            held_.fetch_add(1, std::memory_order_release);                                  // (B)]==])
edit("held without a second look" ${gate}
  [==[                if (!paused() || (over = enough())) {
                    holding_.cancel_wait();
                    break;
                }
                holding_.commit_wait(key);]==]
  [==[                holding_.commit_wait(key);
                if (!paused() || (over = enough())) break;]==])
edit("guests do not count" ${gate}
  [==[held_.load(std::memory_order_seq_cst) >= threads && guests_.load(std::memory_order_seq_cst) == 0;]==]
  [==[held_.load(std::memory_order_seq_cst) >= threads;]==])
edit("the waiter looks once" ${gate}
  [==[            if (done()) {
                settled_.cancel_wait();
                return;
            }
            settled_.commit_wait(key);
        }
    }]==]
  [==[            settled_.commit_wait(key);
        }
    }]==])
edit("paused at the end" ${gate}
  [==[            if ((marks & pool_state::ending) != 0) return false;]==]
  [==[]==])
edit("resumed in silence" ${gate}
  [==[        holding_.notify_all();
        settled_.notify_all();
        return true;]==]
  [==[        settled_.notify_all();
        return true;]==])
edit("resume takes all marks" ${gate} [==[marks_.fetch_and(~pool_state::paused, std::memory_order_release)]==]
  [==[marks_.exchange(0, std::memory_order_acq_rel)]==])
