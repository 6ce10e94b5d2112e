// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// all_of — several limits as one: admitted by all of them, or by none and nothing is spent.
///
/// Use it for     tenant, group, global; requests and bytes per second where the cost is the same
/// Not for        sources of permits (try_acquire_all in permit.hpp)
/// Thread-safety  as its parts: any thread, if each of them may be used by any
/// Progress       that of the parts; nothing is held from one part to the next
/// Complexity     each part is asked twice: first all are looked at, then all are taken
/// Errors         those of the parts
/// Units          cost in those of the parts, the same for each
/// Example        examples/320_per_tenant_limits.cpp
///
/// Parts are references to limiters, or views such as keyed.at(key), or other all_of. They are asked in the given order; put
/// first what denies most often.
///
/// No part ever admits more than it would alone: what all_of admits, every part has admitted. A denial that the parts show when
/// they are looked at changes nothing anywhere. If another thread takes the last between look and take, what was
/// taken is undone, part by part backwards, as far as each part's undo goes (see there): until then, and of what
/// could not be undone, others may be denied, never admitted too much.
///
/// retry_after is the longest of the parts', remaining the least; never if any part says never. A part's clock is not asked:
/// all decide for one `now`, by default that of the first part's clock.

#include <sluice/core/clock.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

template <class L>
struct receipt_of {
    using type = receipt;
};
template <class L>
    requires requires { typename L::receipt_type; }
struct receipt_of<L> {
    using type = typename L::receipt_type;
};

}  // namespace detail

/// What can be a part: a limiter that can take back an admission.
template <class L>
concept limiter_part = limiter<L> && requires(L& l, std::uint64_t cost, time_point now,
                                              typename detail::receipt_of<L>::type& r) {
    { l.try_acquire(cost, now, r) } -> std::same_as<verdict>;
    { l.undo(std::as_const(r), now) } noexcept -> std::same_as<std::uint64_t>;
};

/// The answer, and whose it is.
struct [[nodiscard]] all_of_answer {
    verdict     result;
    std::size_t part = 0;  ///< if not admitted: the part that said never, or the one with the longest wait

    [[nodiscard]] bool admitted() const noexcept { return result.admitted(); }
    [[nodiscard]] explicit operator bool() const noexcept { return result.admitted(); }
};

template <class... Part>
    requires(sizeof...(Part) > 0 && (limiter_part<std::remove_reference_t<Part>> && ...))
class all_of {
    static constexpr std::size_t count = sizeof...(Part);

public:
    /// What undo needs: a receipt of each part.
    using receipt_type = std::tuple<typename detail::receipt_of<std::remove_reference_t<Part>>::type...>;

    /// Keeps references to objects and moves temporaries in.
    explicit all_of(Part... parts) : parts_(std::forward<Part>(parts)...) {}

    /// try_acquire, and which part denied.
    [[nodiscard]] all_of_answer answer(std::uint64_t cost, time_point now, receipt_type& r) {
        r = {};
        auto first = look(cost, now);
        if (!first.admitted() || cost == 0) return first;
        return take<0>(cost, now, r);
    }
    [[nodiscard]] all_of_answer answer(std::uint64_t cost, time_point now) {
        receipt_type ignored;
        return answer(cost, now, ignored);
    }
    [[nodiscard]] all_of_answer answer(std::uint64_t cost = 1) { return answer(cost, clock().now()); }

    [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now) { return answer(cost, now).result; }
    [[nodiscard]] verdict try_acquire(std::uint64_t cost = 1) { return answer(cost).result; }
    [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now, receipt_type& r) {
        return answer(cost, now, r).result;
    }

    /// What try_acquire would answer, with what is there now as remaining.
    [[nodiscard]] verdict peek(std::uint64_t cost, time_point now) const { return look(cost, now).result; }
    [[nodiscard]] verdict peek(std::uint64_t cost = 1) const { return peek(cost, clock().now()); }

    /// Takes back an admission from every part; the least that one of them gave back.
    std::uint64_t undo(receipt_type const& r, time_point now = time_point::min()) noexcept {
        std::uint64_t least = UINT64_MAX;
        undo_before<count>(r, now, least);
        return least;
    }

    [[nodiscard]] auto const& clock() const noexcept { return std::get<0>(parts_).clock(); }

private:
    /// Adds one part's verdict to that of those before it.
    static void join(all_of_answer& all, verdict const& v, std::size_t part) noexcept {
        auto const remaining = std::min(all.result.remaining, v.remaining);
        bool const worse = v.kind != all.result.kind ? v.kind > all.result.kind : v.retry_after > all.result.retry_after;
        if (worse) all = {v, part};
        all.result.remaining = remaining;
    }
    static_assert(verdict_kind::admitted < verdict_kind::wait && verdict_kind::wait < verdict_kind::never);

    [[nodiscard]] all_of_answer look(std::uint64_t cost, time_point now) const {
        all_of_answer all{verdict::admit(UINT64_MAX)};
        std::size_t   i = 0;
        std::apply([&](auto const&... part) { (join(all, part.peek(cost, now), i++), ...); }, parts_);
        return all;
    }

    template <std::size_t I>
    [[nodiscard]] all_of_answer take(std::uint64_t cost, time_point now, receipt_type& r) {
        all_of_answer mine{verdict::admit(UINT64_MAX)};
        verdict       v;
        try {
            v = std::get<I>(parts_).try_acquire(cost, now, std::get<I>(r));
        } catch (...) {
            give_up<I>(r, now);
            throw;
        }
        join(mine, v, I);
        if (!v.admitted()) {
            give_up<I>(r, now);
            auto const others = look(cost, now);  // as far as they can be seen, too
            if (!others.admitted()) join(mine, others.result, others.part);
            return mine;
        }
        if constexpr (I + 1 < count) {
            auto const rest = take<I + 1>(cost, now, r);
            join(mine, rest.result, rest.part);
        }
        return mine;
    }

    template <std::size_t I>
    void give_up(receipt_type& r, time_point now) noexcept {
        std::uint64_t ignored = 0;
        undo_before<I>(r, now, ignored);
        r = {};
    }
    template <std::size_t I>
    void undo_before(receipt_type const& r, time_point now, std::uint64_t& least) noexcept {
        if constexpr (I > 0) {
            least = std::min(least, std::get<I - 1>(parts_).undo(std::get<I - 1>(r), now));
            undo_before<I - 1>(r, now, least);
        }
    }

    std::tuple<Part...> parts_;
};

template <class... Part>
all_of(Part&&...) -> all_of<Part...>;

}  // namespace sluice
