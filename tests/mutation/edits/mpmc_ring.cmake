# SPDX-License-Identifier: BSL-1.0
# edit(<name> <file> <from> <to>); the first one is the planted bug of the quick check. See ../mutate.cmake.

edit("published before it is there" mpmc_ring.hpp
  [==[                ::new (static_cast<void*>(c.bytes)) T(std::move(value));
                c.turn.store(ticket + 1, std::memory_order_release);                        // (A)]==]
  [==[                c.turn.store(ticket + 1, std::memory_order_release);
                ::new (static_cast<void*>(c.bytes)) T(std::move(value));]==])
edit("cell given back before it is empty" mpmc_ring.hpp
  [==[                std::destroy_at(c.value());
                c.turn.store(ticket + mask_ + 1, std::memory_order_release);                // (B)]==]
  [==[                c.turn.store(ticket + mask_ + 1, std::memory_order_release);
                std::destroy_at(c.value());]==])
edit("cell given back too early" mpmc_ring.hpp [==[c.turn.store(ticket + mask_ + 1,]==] [==[c.turn.store(ticket + mask_,]==])
edit("cell given back too late" mpmc_ring.hpp [==[c.turn.store(ticket + mask_ + 1,]==] [==[c.turn.store(ticket + mask_ + 2,]==])
edit("pop of an empty cell" mpmc_ring.hpp [==[c.turn.load(std::memory_order_acquire), ticket + 1);]==]
  [==[c.turn.load(std::memory_order_acquire), ticket);]==])
edit("moved from although full" mpmc_ring.hpp [==[if (ahead < 0) return false;]==]
  [==[if (ahead < 0) { T gone(std::move(value)); return false; }]==])
