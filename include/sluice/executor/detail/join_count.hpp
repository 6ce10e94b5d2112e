// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::join_place, detail::join_count — whether a child ended inside the call that began it, and who goes on if not.
///
/// A parent begins its children one after the other, each by a call. A child that ends inside that call says so by a plain
/// store, and the parent needs no read-modify-write. Only if some child is still suspended when its call returns, the
/// parent and the children that end later count down, and the last of them goes on with the parent.
///
/// Thread-safety  enter, inside, left_inside: the thread that begins the child. ends_inside: the thread on which it ends. settle:
///                the parent. arrive: a child that ended elsewhere or later. `me` names the calling thread: an address
///                of its own, never null
/// Progress       wait-free
/// Complexity     settle: no atomic read-modify-write if all have ended inside
/// Errors         none

#include <atomic>
#include <cstddef>

namespace sluice::detail {

// Ordering
//   (A) inside  runner_ relaxed. Who finds its own name there wrote it itself, earlier in its program: it is inside the call.
//               Any other thread finds the first one's name or null, and neither is its own. A child that ends on the first
//               thread after the call finds the null that this thread wrote when the call returned. So no order is needed
//   (B) count   fetch_sub acq_rel by the parent, for itself and all that ended inside, and by each child that ended
//               otherwise: the last one goes on with the parent, and sees what all the others did. The others touch
//               nothing of the parent's any more, as it may be gone
// What hands a child to another thread, a queue or a result, orders the constructor before that child's (B).

template <template <class> class Atom = std::atomic>
class join_place {
public:
    /// The child begins here.
    void enter(void const* me) noexcept { runner_.store(me, std::memory_order_relaxed); }   // (A)
    /// Whether it has begun, and neither ended nor been left.
    [[nodiscard]] bool inside() const noexcept { return runner_.load(std::memory_order_relaxed) != nullptr; }  // (A)
    /// The child has ended: true if it is inside the call still, which then tells the parent.
    [[nodiscard]] bool ends_inside(void const* me) noexcept {
        if (runner_.load(std::memory_order_relaxed) != me) return false;                    // (A)
        runner_.store(nullptr, std::memory_order_relaxed);                                  // (A)
        return true;
    }
    /// The call has returned: true if the child has ended, or never began.
    [[nodiscard]] bool left_inside() noexcept {
        if (runner_.load(std::memory_order_relaxed) == nullptr) return true;                // (A)
        runner_.store(nullptr, std::memory_order_relaxed);                                  // (A)
        return false;
    }

private:
    Atom<void const*> runner_{nullptr};
};

template <template <class> class Atom = std::atomic>
class join_count {
public:
    /// n children are to begin.
    explicit join_count(std::size_t n) noexcept : left_(n + 1) {}
    /// Of n children `inside` ended so. True: all have ended, the parent goes on. False: it may be gone already.
    [[nodiscard]] bool settle(std::size_t n, std::size_t inside) noexcept {
        return inside == n || left_.fetch_sub(inside + 1, std::memory_order_acq_rel) == inside + 1;  // (B)
    }
    /// True: the caller goes on with the parent.
    [[nodiscard]] bool arrive() noexcept { return left_.fetch_sub(1, std::memory_order_acq_rel) == 1; }  // (B)

private:
    Atom<std::size_t> left_;
};

}  // namespace sluice::detail
