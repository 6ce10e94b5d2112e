# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

set(box ../executor/detail/inbox.hpp)

edit("a letter into a closed inbox" ${box} [==[            if (head == closed_mark()) return false;
            node]==] [==[            node]==])
edit("closed although there is a letter" ${box}
  [==[        Node*      head = nullptr;
        bool const closed]==]
  [==[        Node*      head = newest_.load(std::memory_order_relaxed);
        bool const closed]==])
edit("closing twice fails" ${box} [==[return closed || head == closed_mark();]==] [==[return closed;]==])
edit("a push that is not one step" ${box}
  [==[        } while (!newest_.compare_exchange_weak(head, node, std::memory_order_seq_cst, std::memory_order_relaxed));  // (A)]==]
  [==[        } while (false);
        newest_.store(node, std::memory_order_seq_cst);]==])
edit("newest first" ${box} [==[return oldest_first(newer);]==] [==[return newer;]==])
edit("a closed inbox is not empty" ${box} [==[return head == nullptr || head == closed_mark();]==] [==[return head == nullptr;]==])
edit("opening does nothing" ${box} [==[void open() noexcept { newest_.store(nullptr, std::memory_order_relaxed); }]==]
  [==[void open() noexcept { (void)newest_.load(std::memory_order_relaxed); }]==])
