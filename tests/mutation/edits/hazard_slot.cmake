# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(slot ../core/detail/hazard_slot.hpp)

edit("a collector takes a reader that is choosing for one that holds nothing" ${slot}
  [==[        if (seen != &c) return static_cast<Node*>(seen);
        Node* const newest]==]
  [==[        if (seen == &c) return nullptr;
        if (seen != &c) return static_cast<Node*>(seen);
        Node* const newest]==])
edit("the reader takes its own choice although the collector has chosen" ${slot}
  [==[            return now;
        return static_cast<Node*>(seen);]==]
  [==[            return now;
        return now;]==])
edit("the reader writes over the collector's choice" ${slot}
  [==[        if (c.held_.compare_exchange_strong(seen, now, std::memory_order_acquire, std::memory_order_acquire))  // (D)
            return now;]==]
  [==[        c.held_.store(now, std::memory_order_seq_cst);
        if (seen == &c) return now;]==])
edit("the reader loads before it says so" ${slot}
  [==[        (void)c.held_.exchange(&c, std::memory_order_seq_cst);             // (B)
        Node* const now = current_.load(std::memory_order_seq_cst);        // (C)]==]
  [==[        Node* const now = current_.load(std::memory_order_seq_cst);        // (C)
        (void)c.held_.exchange(&c, std::memory_order_seq_cst);             // (B)]==])
edit("a hazard pointer without a second look" ${slot}
  [==[        (void)c.held_.exchange(&c, std::memory_order_seq_cst);             // (B)
        Node* const now = current_.load(std::memory_order_seq_cst);        // (C)]==]
  [==[        Node* const now = current_.load(std::memory_order_seq_cst);        // (C)
        (void)c.held_.exchange(now, std::memory_order_seq_cst);
        if (now != nullptr) return now;]==])
edit("the collector chooses an old object" ${slot} [==[Node* const newest = current();]==]
  [==[Node* const newest = replaced_;]==])
edit("a collector whose help came too late forgets what is held" ${slot}
  [==[            return newest;
        return static_cast<Node*>(seen);]==]
  [==[            return newest;
        return nullptr;]==])
edit("the number comes before the object" ${slot}
  [==[        Node* const old = current_.exchange(next, std::memory_order_seq_cst);  // (F)
        version_.store(version, std::memory_order_release);                    // (I)]==]
  [==[        version_.store(version, std::memory_order_release);                    // (I)
        Node* const old = current_.exchange(next, std::memory_order_seq_cst);  // (F)]==])
edit("the object is replaced in two steps" ${slot}
  [==[        Node* const old = current_.exchange(next, std::memory_order_seq_cst);  // (F)]==]
  [==[        Node* const old = current_.exchange(nullptr, std::memory_order_seq_cst);
        current_.store(next, std::memory_order_seq_cst);]==])
edit("marks of the last collection count again" ${slot} [==[        ++collections_;]==] [==[        collections_ = 1;]==])
edit("a reader never moves on" ${slot} [==[return from.load(std::memory_order_relaxed) == held;]==]
  [==[return held != nullptr;]==])
edit("collect forgets what it keeps" ${slot} [==[                link = &n->hazard_next;]==]
  [==[                *link = n->hazard_next;]==])
edit("a cell that leaves takes the next one with it" ${slot}
  [==[        (c.previous_ != nullptr ? c.previous_->next_ : cells_) = c.next_;]==]
  [==[        (c.previous_ != nullptr ? c.previous_->next_ : cells_) = c.next_ != nullptr ? c.next_->next_ : nullptr;]==])
