// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// leased — a hot limiter shared by many threads, each of which takes a batch of tokens at once and spends it alone.
///
/// Use it for     one limit over all threads that is asked many millions of times a second: the shared word is touched once
///                for each batch
/// Not for        small bursts, where batches would be of one token: use the limiter itself
/// Thread-safety  leased: any thread. A handle: one thread at a time. The limiter outlives leased, leased its handles
/// Progress       as the limiter's; an acquire from the batch touches nothing that is shared
/// Complexity     O(1), no allocation; from the batch a comparison and a subtraction
/// Errors         std::invalid_argument from the constructor: threads 0, max_age <= 0, a batch above
///                max(1, burst / (4 · threads)). The rest is noexcept
/// Units          tokens; integer nanoseconds
///
/// Counting what lies in batches as spent when it was leased, any window W admits what the limiter does: burst + rate · W.
/// A token is spent at most max_age after that, and at most threads · batch of them wait; so, counting when they are spent,
/// any window W admits at most burst + rate · W + min(threads · batch, rate · max_age).
/// With the rule for the batch at most a quarter of the burst is stranded: one thread may be refused while others hold that.
/// A batch older than max_age goes back to the limiter as far as it is not spent, as by undo(); so does one whose handle is
/// destroyed. A cost above the batch goes to the limiter directly, as does everything of handles beyond `threads`.

#include <sluice/core/cacheline.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <utility>

namespace sluice {

struct leased_options {
    std::uint32_t threads;                              ///< handles that may lease at a time; > 0
    std::uint64_t batch = 0;                            ///< tokens for each lease; 0: burst / (4 · threads), at least 1
    duration      max_age = std::chrono::milliseconds(10);  ///< a batch is spent by then or goes back; > 0
};

/// A limiter from which batches can be leased: what is left of them can be returned.
template <class L>
concept leasable_limiter = reversible_limiter<L> && requires(L const& l, receipt const& r, std::uint64_t spent) {
    { l.unspent(r, spent) } noexcept -> std::same_as<receipt>;
    { l.burst() } noexcept -> std::same_as<std::uint64_t>;
    { l.clock().now() } noexcept -> std::same_as<time_point>;
};

// Ordering
//   (stat) handles  how many lease: orders nothing, the count alone decides who may

template <leasable_limiter L, template <class> class Atom = std::atomic>
class leased {
public:
    leased(L& shared, leased_options options)
        : shared_(shared), batch_(checked_batch(shared, options)), max_age_(options.max_age), threads_(options.threads) {
        detail::require_option(options.max_age.count() > 0, "leased: max_age in ns (> 0)", options.max_age.count());
    }
    leased(leased const&) = delete;
    leased& operator=(leased const&) = delete;

    /// One thread's end of it.
    class alignas(cache_line_size) handle {
    public:
        explicit handle(leased& from) noexcept : from_(from), batch_(from.enter()), max_age_(word(from.max_age_.count())) {}
        handle(handle const&) = delete;
        handle& operator=(handle const&) = delete;
        ~handle() {
            release(nullptr);
            from_.leave();
        }

        /// The whole cost at once or nothing. `remaining` is what is left in the batch, or of the limiter if it answered.
        [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now) noexcept {
            if (!serves(cost, now)) return ask(cost, now);
            left_ -= cost;
            return verdict::admit(left_);
        }
        [[nodiscard]] verdict try_acquire(std::uint64_t cost = 1) noexcept {
            return try_acquire(cost, from_.shared_.clock().now());
        }

        /// What try_acquire would answer, but for a batch that it might lease.
        [[nodiscard]] verdict peek(std::uint64_t cost, time_point now) const noexcept {
            return serves(cost, now) ? verdict::admit(left_ - cost) : from_.shared_.peek(cost, now);
        }

        /// Returns what is not spent, say before a long sleep.
        void release(time_point now) noexcept { release(&now); }

        /// Tokens leased and not spent.
        [[nodiscard]] std::uint64_t held() const noexcept { return left_; }

    private:
        [[nodiscard]] static std::uint64_t word(std::int64_t n) noexcept { return static_cast<std::uint64_t>(n); }

        /// From the batch, neither before it was leased nor when it is too old. (One comparison: earlier wraps around.)
        [[nodiscard]] bool serves(std::uint64_t cost, time_point now) const noexcept {
            return cost <= left_ && word(now.time_since_epoch().count()) - word(at_.time_since_epoch().count()) < max_age_;
        }
        // Out of line, so that the two lines above stay small enough for a loop.
        [[nodiscard, gnu::noinline]] verdict ask(std::uint64_t cost, time_point now) noexcept {
            auto& shared = from_.shared_;
            if (left_ > 0) {
                if (now < at_) return shared.try_acquire(cost, now);  // before the lease: its tokens are not of that time
                release(now);
            }
            if (cost > batch_ || cost == 0) return shared.try_acquire(cost, now);
            if (!shared.try_acquire(batch_, now, lease_)) return shared.try_acquire(cost, now);
            at_ = now;
            left_ = batch_ - cost;
            return verdict::admit(left_);
        }
        void release(time_point const* now) noexcept {
            if (left_ == 0) return;
            auto const rest = from_.shared_.unspent(lease_, batch_ - left_);
            left_ = 0;
            from_.shared_.undo(rest, now != nullptr ? *now : time_point::min());
        }

        std::uint64_t left_ = 0;
        time_point    at_{};       ///< when it was leased
        leased&       from_;
        std::uint64_t batch_;      ///< 0: this handle does not lease
        std::uint64_t max_age_;
        receipt       lease_{};
    };

    [[nodiscard]] std::uint64_t batch() const noexcept { return batch_; }
    [[nodiscard]] L&            shared() const noexcept { return shared_; }

private:
    [[nodiscard]] static std::uint64_t checked_batch(L const& shared, leased_options const& o) {
        detail::require_option(o.threads > 0, "leased: threads (> 0)", o.threads);
        auto const most = std::max<std::uint64_t>(1, shared.burst() / 4 / o.threads);
        detail::require_option(o.batch <= most, "leased: batch (<= burst / (4 * threads), or 1)", o.batch);
        return o.batch == 0 ? most : o.batch;
    }
    [[nodiscard]] std::uint64_t enter() noexcept {
        return handles_.fetch_add(1, std::memory_order_relaxed) < threads_ ? batch_ : 0;  // (stat)
    }
    void leave() noexcept { handles_.fetch_sub(1, std::memory_order_relaxed); }           // (stat)

    L&                  shared_;
    std::uint64_t       batch_;
    duration            max_age_;
    std::uint64_t       threads_;
    Atom<std::uint64_t> handles_{0};
};

}  // namespace sluice
