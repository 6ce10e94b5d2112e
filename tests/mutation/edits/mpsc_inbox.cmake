# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

edit("leaves although something came" mpsc_inbox.hpp
  [==[        Node* empty = nullptr;
        return newest_.compare_exchange_strong(empty,]==]
  [==[        Node* empty = newest_.load(std::memory_order_relaxed);
        return newest_.compare_exchange_strong(empty,]==])
edit("two consumers" mpsc_inbox.hpp [==[        return head == idle_mark();
    }]==] [==[        return node->next == nullptr;
    }]==])
edit("nobody is called" mpsc_inbox.hpp [==[        return head == idle_mark();
    }]==] [==[        return false;
    }]==])
edit("the idle mark is taken for a node" mpsc_inbox.hpp [==[node->next = head == idle_mark() ? nullptr : head;]==]
  [==[node->next = head;]==])
edit("the others' nodes are forgotten" mpsc_inbox.hpp [==[node->next = head == idle_mark() ? nullptr : head;]==]
  [==[node->next = nullptr;]==])
edit("newest first" mpsc_inbox.hpp [==[return detail::oldest_first(newer);]==] [==[return newer;]==])
edit("taking makes it idle" mpsc_inbox.hpp [==[newest_.exchange(nullptr, std::memory_order_acquire);]==]
  [==[newest_.exchange(idle_mark(), std::memory_order_acquire);]==])
