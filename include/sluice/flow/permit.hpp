// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// permit, permits, outcome — leave to have one piece of work in flight, given back exactly once with how it ended.
///
/// Use it for     what concurrency_limiter, circuit_breaker, bulkhead and credit_pool hand out; one type over all of them
/// Not for        rates: a token that is spent does not come back (verdict)
/// Thread-safety  an object belongs to one thread at a time; it may end on another thread than it began
/// Progress       that of the issuer's own bookkeeping; noexcept, as the destructor ends a permit too
/// Complexity     O(1), no allocation; one indirect call when it ends
/// Errors         none. Ending twice is impossible: the first end empties the object, an empty permit does nothing
/// Units          start in the issuer's time; generation counts the issuer's states, so that a late outcome moves no
///                newer one
///
///     if (auto p = limiter.try_acquire()) {      // an empty permit is a denial, and says why
///         p.start() …; if (call()) p.success(); else p.drop();
///     } else reply(429, p.why().retry_after);
///
/// The issuer must outlive its permits.

#include <sluice/core/clock.hpp>
#include <sluice/flow/verdict.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace sluice {

/// How the work under a permit ended.
enum class outcome : std::uint8_t {
    success,  ///< done, and the time it took is worth learning from
    ignored,  ///< says nothing about the load: cancelled, refused for another reason, never begun
    dropped   ///< failed for lack of capacity: timed out, rejected downstream
};

/// What an issuer wrote on a permit and reads again when it ends.
struct permit_ticket {
    time_point    start{};         ///< when it was given
    std::uint64_t generation = 0;  ///< the issuer's state at that time
    std::uint64_t cost = 1;        ///< how much of the limit it holds, or what the issuer noted
};

class [[nodiscard]] permit {
public:
    /// `now` is null when the caller gave no time: the issuer asks its clock, if it needs the time at all.
    using finish_function = void (*)(void* issuer, permit_ticket const&, outcome, time_point const* now) noexcept;

    permit() noexcept = default;
    permit(void* issuer, finish_function ender, permit_ticket const& ticket) noexcept
        : issuer_(issuer), finish_(ender), ticket_(ticket) {}

    /// An empty permit with the reason for it.
    [[nodiscard]] static permit denied(verdict const& why) noexcept {
        permit p;
        p.ticket_ = {time_point(why.retry_after), static_cast<std::uint64_t>(why.kind), why.remaining};
        return p;
    }

    permit(permit&& other) noexcept : issuer_(other.issuer_), finish_(other.finish_), ticket_(other.ticket_) {
        other.forget();
    }
    permit& operator=(permit&& other) noexcept {
        if (this != &other) {
            ignore();
            issuer_ = other.issuer_;
            finish_ = other.finish_;
            ticket_ = other.ticket_;
            other.forget();
        }
        return *this;
    }
    ~permit() { ignore(); }

    /// Whether it was given and has not ended.
    [[nodiscard]] explicit operator bool() const noexcept { return finish_ != nullptr; }

    /// For a denial, the reason; otherwise admitted.
    [[nodiscard]] verdict why() const noexcept {
        if (finish_ != nullptr) return verdict::admit(0);
        return {static_cast<verdict_kind>(ticket_.generation), ticket_.start.time_since_epoch(), ticket_.cost};
    }

    /// When it was given. Requires a permit that is not empty.
    [[nodiscard]] time_point start() const noexcept { return ticket_.start; }

    void success() noexcept { end(outcome::success, nullptr); }
    void success(time_point now) noexcept { end(outcome::success, &now); }
    void ignore() noexcept { end(outcome::ignored, nullptr); }
    void ignore(time_point now) noexcept { end(outcome::ignored, &now); }
    void drop() noexcept { end(outcome::dropped, nullptr); }
    void drop(time_point now) noexcept { end(outcome::dropped, &now); }

    void finish(outcome how) noexcept { end(how, nullptr); }
    void finish(outcome how, time_point now) noexcept { end(how, &now); }

private:
    void end(outcome how, time_point const* now) noexcept {
        if (finish_ == nullptr) return;
        auto const ender = std::exchange(finish_, nullptr);
        auto const ticket = std::exchange(ticket_, empty_ticket());
        ender(std::exchange(issuer_, nullptr), ticket, how, now);
    }
    void forget() noexcept {
        issuer_ = nullptr;
        finish_ = nullptr;
        ticket_ = empty_ticket();
    }
    [[nodiscard]] static permit_ticket empty_ticket() noexcept {
        return {time_point(duration::max()), static_cast<std::uint64_t>(verdict_kind::never), 0};
    }

    void*           issuer_ = nullptr;
    finish_function finish_ = nullptr;
    permit_ticket   ticket_ = empty_ticket();
};

/// Several permits that end together, say of a limiter and of a breaker; all of them or none.
template <std::size_t N>
class [[nodiscard]] permits {
public:
    permits() noexcept = default;
    explicit permits(std::array<permit, N>&& all) noexcept : all_(std::move(all)) {}

    /// None, with the reason.
    explicit permits(verdict const& why) noexcept : why_(why) {}

    [[nodiscard]] explicit operator bool() const noexcept { return N > 0 && static_cast<bool>(all_[0]); }
    [[nodiscard]] verdict why() const noexcept { return *this ? verdict::admit(0) : why_; }

    void success() noexcept { finish(outcome::success); }
    void success(time_point now) noexcept { finish(outcome::success, now); }
    void ignore() noexcept { finish(outcome::ignored); }
    void ignore(time_point now) noexcept { finish(outcome::ignored, now); }
    void drop() noexcept { finish(outcome::dropped); }
    void drop(time_point now) noexcept { finish(outcome::dropped, now); }

    void finish(outcome how) noexcept {
        for (std::size_t i = N; i > 0; --i) all_[i - 1].finish(how);
    }
    void finish(outcome how, time_point now) noexcept {
        for (std::size_t i = N; i > 0; --i) all_[i - 1].finish(how, now);
    }

private:
    std::array<permit, N> all_{};
    verdict               why_ = verdict::refuse(0);
};

/// Something that hands out permits.
template <class L>
concept permit_source = requires(L& l, time_point now) {
    { l.try_acquire(now) } -> std::same_as<permit>;
};

/// One permit of each source, asked in this order, or none: what was had already is given back as ignored.
template <permit_source... Source>
[[nodiscard]] permits<sizeof...(Source)> try_acquire_all(time_point now, Source&... sources) {
    std::array<permit, sizeof...(Source)> all{};
    std::size_t                           n = 0;
    bool const complete = ((all[n] = sources.try_acquire(now), static_cast<bool>(all[n++])) && ...);
    if (complete) return permits<sizeof...(Source)>(std::move(all));
    auto const why = all[n - 1].why();
    while (n > 0) all[--n].ignore(now);
    return permits<sizeof...(Source)>(why);
}

}  // namespace sluice
