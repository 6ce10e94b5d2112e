// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::task_memory — where task nodes come from: each thread cuts its own from a slab of 8 KiB.
///
/// A node is made by one thread and freed by another, most of the time. That is the slow case of a general allocator: it
/// takes a lock, or moves a cache line, for each node. Here making one is an addition, and freeing one a subtraction that a
/// worker does for a whole run of nodes of one slab at once.
///
/// Thread-safety  allocate, deallocate: any thread
/// Progress       allocate: wait-free but for a new slab every hundred nodes or so. deallocate: wait-free
/// Complexity     O(1). A thread that submits keeps at most one slab; a slab is freed with its last node, so one task that
///                stays queued for long keeps 8 KiB
/// Errors         allocate may throw std::bad_alloc, and then has no effect
/// Units          bytes; a node has 8 more in front of it, the way back to its slab. Nodes over 512 bytes, or with more than the
///                usual alignment, come from the general allocator

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

namespace sluice::detail {

// Ordering
//   (A) release  live fetch_sub acq_rel: whoever subtracts the last node frees the slab, after everybody's use of it
class task_slab {
public:
    static constexpr std::size_t bytes = 8192 - 16;  // with the allocator's own word a power of two
    static constexpr std::size_t largest = 512;

    static task_slab* make() { return ::new (::operator new(bytes)) task_slab; }
    static task_slab* of(void* node) noexcept {
        task_slab* slab;
        std::memcpy(&slab, static_cast<unsigned char*>(node) - sizeof slab, sizeof slab);
        return slab;
    }

    /// The thread that made the slab: room for a node, or null.
    void* cut(std::size_t size, std::size_t align) noexcept {
        task_slab* const  self = this;
        std::size_t const at = (used_ + sizeof self + align - 1) / align * align;
        if (at + size > bytes) return nullptr;
        used_ = at + size;
        ++cut_;
        unsigned char* const node = reinterpret_cast<unsigned char*>(this) + at;
        std::memcpy(node - sizeof self, &self, sizeof self);
        return node;
    }
    /// That thread will cut no more.
    void retire() noexcept { release(in_use - cut_); }

    /// n nodes are no longer used.
    void release(std::uint32_t n) noexcept {
        if (live_.fetch_sub(n, std::memory_order_acq_rel) != n) return;                     // (A)
        this->~task_slab();
        ::operator delete(static_cast<void*>(this));
    }

private:
    static constexpr std::uint32_t in_use = 1U << 30;

    task_slab() noexcept = default;

    std::atomic<std::uint32_t> live_{in_use};  // nodes made and not freed, plus what keeps it while nodes are being cut
    std::uint32_t              cut_ = 0;
    std::size_t                used_ = sizeof(task_slab);
};

struct task_memory_state {
    task_slab*    cutting = nullptr;
    task_slab*    freeing = nullptr;
    std::uint32_t freed = 0;
    bool          gathers = false;
    bool          ended = false;
};

class task_memory {
public:
    static void* allocate(std::size_t size, std::size_t align) {
        if (size > task_slab::largest || align > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
            return ::operator new(size, std::align_val_t{align});
        if (mine_.cutting != nullptr)
            if (void* const p = mine_.cutting->cut(size, align)) [[likely]]
                return p;
        return from_new_slab(size, align);
    }

    [[gnu::always_inline]] static void deallocate(void* p, std::size_t size, std::size_t align) noexcept {
        if (size > task_slab::largest || align > __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
            ::operator delete(p, std::align_val_t{align});
            return;
        }
        task_slab* const slab = task_slab::of(p);
        if (!mine_.gathers) {
            slab->release(1);
        } else if (slab == mine_.freeing) {
            ++mine_.freed;
        } else {
            flush();
            mine_.freeing = slab;
            mine_.freed = 1;
        }
    }

    /// A worker gathers what it frees; it flushes when it has nothing else to do, and before it ends.
    static void gather(bool on) noexcept {
        flush();
        mine_.gathers = on;
    }
    static void flush() noexcept {
        if (mine_.freeing == nullptr) return;
        mine_.freeing->release(mine_.freed);
        mine_.freeing = nullptr;
    }

private:
    /// Lets the slab go when the thread ends. Tasks that are made after that, by destructors of other thread-local
    /// objects, have a slab each.
    struct at_thread_end {
        ~at_thread_end() {
            if (mine_.cutting != nullptr) mine_.cutting->retire();
            mine_.cutting = nullptr;
            mine_.ended = true;
        }
        void arm() noexcept {}
    };

    [[gnu::noinline, gnu::cold]] static void* from_new_slab(std::size_t size, std::size_t align) {
        static thread_local at_thread_end end;
        task_slab* const slab = task_slab::make();
        void* const      p = slab->cut(size, align);
        if (mine_.ended) {
            slab->retire();
            return p;
        }
        end.arm();
        if (mine_.cutting != nullptr) mine_.cutting->retire();
        mine_.cutting = slab;
        return p;
    }

    static inline constinit thread_local task_memory_state mine_{};
};

/// A base for nodes of type T: new and delete by task_memory.
template <class T>
struct slab_allocated {
    static void* operator new(std::size_t size) { return task_memory::allocate(size, alignof(T)); }
    static void* operator new(std::size_t size, std::align_val_t) { return task_memory::allocate(size, alignof(T)); }
    static void operator delete(void* p, std::size_t size) noexcept { task_memory::deallocate(p, size, alignof(T)); }
    static void operator delete(void* p, std::size_t size, std::align_val_t) noexcept {
        task_memory::deallocate(p, size, alignof(T));
    }
};

}  // namespace sluice::detail
