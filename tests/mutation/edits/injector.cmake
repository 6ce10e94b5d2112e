# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

edit("published without release" injector.hpp
  [==[head, newest, std::memory_order_seq_cst, std::memory_order_relaxed));  // (A)]==]
  [==[head, newest, std::memory_order_relaxed, std::memory_order_relaxed));]==])
edit("link set once only" injector.hpp [==[            oldest->next = head;
        } while]==] [==[            if (oldest->next == nullptr) oldest->next = head;
        } while]==])
edit("push into a closed injector" injector.hpp [==[            if (head == closed_mark()) return false;
]==] "")
edit("closed although nodes are inside" injector.hpp [==[        Node* head = nullptr;
        bool const  closed =]==] [==[        Node* head = newest_.load(std::memory_order_relaxed);
        bool const  closed =]==])
edit("close says yes too easily" injector.hpp [==[return closed || head == closed_mark();]==] [==[return true;]==])
edit("newest first" injector.hpp [==[return detail::oldest_first(newer);]==] [==[return newer;]==])
edit("chain takes the newest only" injector.hpp [==[!newest_.compare_exchange_weak(newer, nullptr,]==]
  [==[!newest_.compare_exchange_weak(newer, newer->next,]==])
