// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::bulk_count — who runs which indices of a bulk sender, how it ended, and who completes the receiver.
///
/// Thread-safety  all by those who hold a count: the first one has it from the start, another one by the invitation
/// Progress       wait-free, but for the compare-exchange of end, which is tried once
/// Errors         none

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice::detail {

enum class bulk_end : std::uint8_t { none, failed, stopped };

// Ordering
//   (A) claim  next_ fetch_add relaxed: it only decides who runs which index; what a runner reads came with its ticket
//   (B) end    end_ relaxed. Winner: the one whose exchange finds none; it alone writes the error, before its (C). Loser: writes
//              nothing. Who sees the end late begins a few indices more. After the last (C) it is final
//   (C) count  left_. Inviting adds relaxed: the inviter's own count is there until after, so nobody can find zero, and the
//              queue hands the ticket on. Taking back is relaxed for the same reason. leave is acq_rel: the last one
//              sees what all others did; the others touch nothing any more, as it may be gone

template <template <class> class Atom = std::atomic>
class bulk_count {
public:
    struct range {
        std::size_t begin, end;
    };

    bulk_count(std::size_t n, std::size_t grain) noexcept : n_(n), grain_(grain) {}

    /// The next indices; none if all are given away or the bulk has ended early.
    [[nodiscard]] range claim() noexcept {
        if (ended()) return {0, 0};
        std::uint64_t const first = next_.fetch_add(grain_, std::memory_order_relaxed);     // (A)
        if (first >= n_) return {0, 0};
        auto const i = static_cast<std::size_t>(first);
        return {i, n_ - i < grain_ ? n_ : i + grain_};
    }
    /// No further index is to begin.
    [[nodiscard]] bool ended() const noexcept { return how() != bulk_end::none; }
    [[nodiscard]] bulk_end how() const noexcept { return end_.load(std::memory_order_relaxed); }  // (B)
    /// True: the caller is the first to end it.
    [[nodiscard]] bool end(bulk_end e) noexcept {
        bulk_end none = bulk_end::none;
        return end_.compare_exchange_strong(none, e, std::memory_order_relaxed, std::memory_order_relaxed);  // (B)
    }

    /// Before a ticket is handed on.
    void invite() noexcept { left_.fetch_add(1, std::memory_order_relaxed); }               // (C)
    /// The ticket was refused.
    void take_back() noexcept { left_.fetch_sub(1, std::memory_order_relaxed); }            // (C)
    /// True: the caller is the last one and completes the receiver. False: all may be gone already.
    [[nodiscard]] bool leave() noexcept { return left_.fetch_sub(1, std::memory_order_acq_rel) == 1; }  // (C)

private:
    std::size_t const   n_, grain_;
    Atom<std::uint64_t> next_{0};
    Atom<std::size_t>   left_{1};
    Atom<bulk_end>      end_{bulk_end::none};
};

}  // namespace sluice::detail
