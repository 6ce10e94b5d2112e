// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::frame_memory — where coroutine frames come from: each thread keeps some that have been freed, by size.
///
/// Frames are made and freed like a stack, over and over, and mostly by one thread: then neither costs an atomic operation.
///
/// Thread-safety  allocate, deallocate: any thread; a frame may be freed by another thread than made it
/// Complexity     O(1). A thread keeps at most 32 frames for each of 16 sizes, 272 KiB if all of them are full; they go when it ends
/// Errors         allocate may throw std::bad_alloc and then has no effect
/// Units          bytes, rounded up to 64; frames over 1024 come from the general allocator each time

#include <cstddef>
#include <cstdint>
#include <new>

namespace sluice::detail {

struct frame_memory_state {
    static constexpr std::size_t classes = 16;
    struct cell {
        cell* next;
    };
    enum phase : std::uint8_t { fresh, keeping, ended };

    cell*        kept[classes]{};
    std::uint8_t room[classes]{};  // how many more are kept; none before the first and after the end
    phase        now = fresh;
};

class frame_memory {
public:
    [[gnu::always_inline]] static void* allocate(std::size_t size) {
        std::size_t const c = class_of(size);
        if (c >= classes) return ::operator new(size);
        if (cell* const kept = mine_.kept[c]) [[likely]] {
            mine_.kept[c] = kept->next;
            ++mine_.room[c];
            return kept;
        }
        return ::operator new((c + 1) * grain);
    }

    [[gnu::always_inline]] static void deallocate(void* p, std::size_t size) noexcept {
        std::size_t const c = class_of(size);
        if (c >= classes || (mine_.room[c] == 0 && !begins())) [[unlikely]] return ::operator delete(p);
        mine_.kept[c] = ::new (p) cell{mine_.kept[c]};
        --mine_.room[c];
    }

private:
    static constexpr std::size_t  grain = 64;
    static constexpr std::uint8_t most = 32;
    static constexpr std::size_t  classes = frame_memory_state::classes;
    using cell = frame_memory_state::cell;

    struct at_thread_end {
        ~at_thread_end() {
            mine_.now = frame_memory_state::ended;
            for (std::size_t c = 0; c < classes; ++c) {
                mine_.room[c] = 0;
                while (cell* const p = mine_.kept[c]) {
                    mine_.kept[c] = p->next;
                    ::operator delete(static_cast<void*>(p));
                }
            }
        }
        void arm() noexcept {}
    };

    static constexpr std::size_t class_of(std::size_t size) noexcept { return (size - 1) / grain; }
    /// There is no room: true if that is because it is the thread's first frame.
    [[gnu::noinline, gnu::cold]] static bool begins() noexcept {
        if (mine_.now != frame_memory_state::fresh) return false;
        static thread_local at_thread_end end;
        end.arm();
        mine_.now = frame_memory_state::keeping;
        for (auto& r : mine_.room) r = most;
        return true;
    }

    static inline constinit thread_local frame_memory_state mine_{};
};

}  // namespace sluice::detail
