// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// reservation, receipt, reversible_limiter, reserving_limiter — an admission for later, and how one is taken back.
///
/// Use it for     the result of reserve(cost, now): when to act, and cancel() if it is not going to happen; and, below
///                that, the one way in which all_of undoes what the first limiter gave when the second says no
/// Not for        work in flight (permit): what was reserved and not cancelled counts as spent
/// Thread-safety  an object belongs to one thread at a time; undo may be called from any thread
/// Progress       that of the limiter's undo
/// Complexity     O(1), no allocation; one indirect call to cancel
/// Errors         none: cancel and undo are noexcept, and a second cancel gives back nothing
/// Units          at on the limiter's own time line; what comes back in units of cost
///
/// What may be given back. Counting only what was not undone, any window W must still admit at most burst + rate · W,
/// whatever happened in between. Each limiter says beside its undo how much that lets it return; less is always safe.
/// Undo of an admission after which nobody else took anything restores exactly the state before it.
///
/// The limiter must outlive its reservations. The destructor does nothing: a reservation that is kept is one that is used.

#include <sluice/core/clock.hpp>
#include <sluice/flow/verdict.hpp>

#include <concepts>
#include <cstdint>
#include <utility>

namespace sluice {

/// What a limiter notes about one admission, to undo it with: its own words, for nobody else to read. An empty one, as
/// it is made, undoes nothing.
struct receipt {
    std::uint64_t cost = 0;        ///< what was taken; 0: nothing
    std::uint64_t from = 0;        ///< the limiter's state before, or where in it the cost lies
    std::uint64_t to = 0;          ///< … and after
    std::uint64_t generation = 0;  ///< of the limiter's configuration

    friend constexpr bool operator==(receipt const&, receipt const&) noexcept = default;
};

/// A limiter whose admissions can be taken back. try_acquire(cost, now, r) is try_acquire(cost, now) and writes r: what
/// undo needs if it was admitted, an empty receipt otherwise. undo(r, now) answers how much of the cost is free again,
/// from 0 to all of it; it must be called at most once for a receipt. Its `now` may be any: a wrong one mints nothing.
template <class L>
concept reversible_limiter =
    limiter<L> && requires(L& l, std::uint64_t cost, time_point now, receipt& r, receipt const& kept) {
        { l.try_acquire(cost, now, r) } -> std::same_as<verdict>;
        { l.undo(kept, now) } noexcept -> std::same_as<std::uint64_t>;
    };

class [[nodiscard]] reservation {
public:
    using cancel_function = std::uint64_t (*)(void* limiter, receipt const&, time_point const* now) noexcept;

    /// Something was reserved for `when`.
    template <reversible_limiter L>
    [[nodiscard]] static reservation made(L& by, time_point when, std::uint64_t left, receipt const& r) noexcept {
        reservation result(verdict_kind::admitted, when, left);
        result.limiter_ = static_cast<void*>(&by);
        result.cancel_ = [](void* l, receipt const& kept, time_point const* now) noexcept {
            return static_cast<L*>(l)->undo(kept, now != nullptr ? *now : time_point::min());
        };
        result.receipt_ = r;
        return result;
    }
    /// Nothing was reserved: `when` is later than the caller would wait.
    [[nodiscard]] static reservation later(time_point when, std::uint64_t left) noexcept {
        return reservation(verdict_kind::wait, when, left);
    }
    /// Nothing was reserved, and never can be.
    [[nodiscard]] static reservation refuse(std::uint64_t left) noexcept {
        return reservation(verdict_kind::never, time_point::max(), left);
    }

    reservation() noexcept = default;
    reservation(reservation&& other) noexcept
        : kind(other.kind), at(other.at), remaining(other.remaining), limiter_(other.limiter_),
          cancel_(std::exchange(other.cancel_, nullptr)), receipt_(std::exchange(other.receipt_, {})) {}
    reservation& operator=(reservation&& other) noexcept {  // what was here before is kept: used
        kind = other.kind;
        at = other.at;
        remaining = other.remaining;
        limiter_ = other.limiter_;
        auto const function = std::exchange(other.cancel_, nullptr);
        auto const paper = std::exchange(other.receipt_, {});
        cancel_ = function;
        receipt_ = paper;
        return *this;
    }
    ~reservation() = default;

    /// admitted: reserved, act at `at`. wait: `at` would be later than allowed, nothing was written. never: too much.
    verdict_kind  kind = verdict_kind::never;
    time_point    at = time_point::max();
    std::uint64_t remaining = 0;  ///< what could still be had at once

    [[nodiscard]] bool admitted() const noexcept { return kind == verdict_kind::admitted; }
    [[nodiscard]] explicit operator bool() const noexcept { return admitted(); }

    /// How long to wait from now on; 0 when the time has come.
    [[nodiscard]] duration wait(time_point now) const noexcept {
        auto const d = saturating_sub(at, now);
        return d.count() > 0 ? d : duration{0};
    }

    /// The same as a verdict: what try_acquire would have said of a request that may wait.
    [[nodiscard]] verdict to_verdict(time_point now) const noexcept {
        if (kind == verdict_kind::admitted) return verdict::admit(remaining);
        return kind == verdict_kind::wait ? verdict::later(wait(now), remaining) : verdict::refuse(remaining);
    }

    /// Gives back what is not going to be used, and answers how much of the cost is free again. Once; later calls, and
    /// those on a reservation that was not made, answer 0.
    std::uint64_t cancel() noexcept { return end(nullptr); }
    std::uint64_t cancel(time_point now) noexcept { return end(&now); }

private:
    reservation(verdict_kind k, time_point when, std::uint64_t left) noexcept : kind(k), at(when), remaining(left) {}

    std::uint64_t end(time_point const* now) noexcept {
        auto const function = std::exchange(cancel_, nullptr);
        return function == nullptr ? 0 : function(limiter_, std::exchange(receipt_, {}), now);
    }

    void*           limiter_ = nullptr;
    cancel_function cancel_ = nullptr;
    receipt         receipt_{};
};

/// A limiter that can promise a time. reserve(cost, now, max_wait) takes nothing if the time is beyond now + max_wait.
template <class L>
concept reserving_limiter = limiter<L> && requires(L& l, std::uint64_t cost, time_point now, duration max_wait) {
    { l.reserve(cost, now) } -> std::same_as<reservation>;
    { l.reserve(cost, now, max_wait) } -> std::same_as<reservation>;
};

}  // namespace sluice
