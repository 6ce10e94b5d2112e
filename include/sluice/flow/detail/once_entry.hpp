// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::once_entry, once_waiter, once_part, once_graveyard — one key somebody is at, who waits for it, and where it ends.
///
/// Use it for     the data of once_table; its rules are there
/// Thread-safety  one thread at a time: the table's lock. A graveyard is destroyed outside it
/// Complexity     O(1)
/// Errors         noexcept, but for the copy of the key

#include <sluice/core/clock.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/flow/detail/entry_table.hpp>
#include <sluice/flow/once_result.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>
#include <utility>

namespace sluice::detail {

enum class once_state : std::uint8_t { running, vacant, done, failed };

struct once_waiter {
    std::condition_variable          cv;
    once_waiter*                     previous = nullptr;
    once_waiter*                     next = nullptr;
    bool                             linked = false;
    std::uint64_t                    elected = 0;  ///< the generation in which it is first
    unique_function<void() noexcept> on_change;
};

template <class Key, class Stored>
struct once_entry {
    once_entry(Key const& k, std::uint64_t h) : key(k), hash(h) {}

    void link(once_waiter& w) noexcept {
        w.previous = last;
        w.linked = true;
        (last == nullptr ? first : last->next) = &w;
        last = &w;
    }
    void unlink(once_waiter& w) noexcept {
        (w.previous == nullptr ? first : w.previous->next) = w.next;
        (w.next == nullptr ? last : w.next->previous) = w.previous;
        w.previous = w.next = nullptr;
        w.linked = false;
    }

    Key const                     key;
    std::uint64_t const           hash;
    once_entry*                   next = nullptr;
    time_point                    due = time_point::max();
    std::size_t                   heap_index = due_heap<once_entry>::absent;
    std::shared_ptr<once_entry>   self;  ///< in the table: itself; in a graveyard: the one below
    bool                          listed = false;
    once_state                    now_is = once_state::running;
    std::uint64_t                 generation = 1;
    std::thread::id               runner;           ///< the thread that does the work, if it said so
    once_waiter*                  first = nullptr;  ///< those who wait, the one who has waited longest first
    once_waiter*                  last = nullptr;
    std::shared_ptr<Stored const> value;
    std::exception_ptr            error;
};

/// What a ticket holds.
template <class Key, class Stored>
struct once_part {
    std::shared_ptr<once_entry<Key, Stored>> entry = nullptr;
    std::unique_ptr<once_waiter>             waiter = nullptr;
    std::uint64_t                            generation = 0;
    duration                                 retry_after{0};
    once_status                              status = once_status::ended;
};

/// Entries that left the table: destroyed after the lock, as keys and results have destructors.
template <class Key, class Stored>
struct once_graveyard {
    std::shared_ptr<once_entry<Key, Stored>> top;

    once_graveyard() = default;
    once_graveyard(once_graveyard const&) = delete;
    once_graveyard& operator=(once_graveyard const&) = delete;
    ~once_graveyard() {
        while (top != nullptr) top = std::exchange(top->self, nullptr);
    }
    void add(once_entry<Key, Stored>* e) noexcept {
        auto mine = std::move(e->self);
        e->self = std::move(top);
        top = std::move(mine);
    }
};

}  // namespace sluice::detail
