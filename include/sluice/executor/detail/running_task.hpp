// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::running_task — what a thread is doing, written by it and read by others: all of it or nothing.
///
/// Thread-safety  set, clear: one thread. get: any thread, meanwhile too
/// Progress       wait-free
/// Complexity     O(1): seven stores; at most six loads

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::detail {

// Ordering
//   (A) begin  the version becomes odd relaxed, then each word is stored release -> a reader that acquires one of the new words
//              sees the odd version or a later one at (C)
//   (B) end    version release, even, after the words                             -> (C) first look, acquire: sees all of them
//   (C) look   version acquire, words acquire, version relaxed: the same even version twice, so no word is from another task
template <template <class> class Atom = std::atomic>
class running_task {
public:
    void set(std::uint64_t id, std::int64_t started, std::string_view name) noexcept {
        auto const v = version_.load(std::memory_order_relaxed);                                    // (A) only this thread writes
        version_.store(v + 1, std::memory_order_relaxed);                                           // (A)
        id_.store(id, std::memory_order_release);                                                   // (A)
        started_.store(started, std::memory_order_release);                                         // (A)
        text_.store(name.data(), std::memory_order_release);                                        // (A)
        size_.store(name.size(), std::memory_order_release);                                        // (A)
        version_.store(v + 2, std::memory_order_release);                                           // (B)
    }
    void clear() noexcept { set(0, 0, {}); }

    /// False: there is none, or it is just changing, so it is not stuck.
    [[nodiscard]] bool get(std::uint64_t& id, std::int64_t& started, std::string_view& name) const noexcept {
        auto const v = version_.load(std::memory_order_acquire);                                    // (C)
        id = id_.load(std::memory_order_acquire);                                                   // (C)
        started = started_.load(std::memory_order_acquire);                                         // (C)
        auto const* const text = text_.load(std::memory_order_acquire);                             // (C)
        auto const        size = size_.load(std::memory_order_acquire);                             // (C)
        if (v % 2 != 0 || version_.load(std::memory_order_relaxed) != v || id == 0) return false;   // (C)
        name = std::string_view(text, size);
        return true;
    }

private:
    Atom<std::uint64_t> version_{0};
    Atom<std::uint64_t> id_{0};
    Atom<std::int64_t>  started_{0};
    Atom<char const*>   text_{nullptr};
    Atom<std::size_t>   size_{0};
};

}  // namespace sluice::detail
