// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// batcher — many small items, few calls: collects until there are enough, or too many bytes, or one is too old.
///
/// Use it for     inserts, messages, log lines: whatever costs per call rather than per item
/// Not for        look-ups whose callers need the answers of one request together (data_loader)
/// Thread-safety  any thread. Destruction: after everyone has left
/// Progress       one mutex around a few steps, never held while the flush function or a callback runs. try_push, poll and
///                flush run the flush function when a batch is due; push_until, close and the destructor may block
/// Complexity     O(1) amortised; two allocations and the growth of a vector per batch, one more where a callback is large
/// Errors         try_push with std::bad_alloc has no effect, and the item stays with the caller. A flush function that
///                throws fails those items of its batch that it has not decided one by one. Nobody else sees the
///                exception: it goes to the items' callbacks. Callbacks are noexcept. Impossible options:
///                std::invalid_argument
/// Units          times in integer nanoseconds; a `now` from the past counts as the latest one seen
///
/// Every item that was accepted ends exactly once: its callback gets a result, the exception, or batch_cancelled. There is
/// no thread inside: the pusher that fills a batch flushes it, on its own thread, after its item has been accepted; batches
/// that are merely old wait for poll(), which next_due() says when to call (batcher_driver.hpp has a thread for it).
/// Batches are flushed in the order in which they were filled, at most max_concurrent_flushes at once. Whoever ends a flush
/// goes on with the next batch that waits; so a pusher may flush the items of others, and with one flush at a time the
/// flush function never runs on two threads. The flush function and the callbacks may push to the same batcher; push_until or
/// close from there may wait for itself. Once close or the destructor has begun, every push is refused, theirs too.
///
/// Give every call a `now`, or none: the two time lines are one to the batcher.
///
/// How large a batch should be: sqrt(2 · rate · cost per call / cost of holding an item for a second).

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/flow/batch.hpp>
#include <sluice/flow/detail/some_error.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

enum class batcher_at_end : std::uint8_t {
    flush,  ///< the destructor flushes what is left
    cancel  ///< the destructor gives each callback its item and batch_cancelled; items without a callback are dropped
};

struct batcher_options {
    std::size_t    max_items = 100;                        ///< a batch with this many is flushed; > 0
    std::size_t    max_bytes = SIZE_MAX;                   ///< no batch has more; > 0
    duration       max_age = std::chrono::milliseconds(10);  ///< a batch is due this long after its first item; >= 0
    std::size_t    max_pending = 10'000;                   ///< accepted and not ended, in a flush or not; >= max_items
    std::size_t    max_concurrent_flushes = 1;             ///< > 0
    batcher_at_end at_end = batcher_at_end::flush;
};

template <class T, class Result = void, clock_source Clock = steady_clock>
class batcher {
    static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                  "batcher: T must be movable without an exception, or an item could be lost halfway");

public:
    using batch_type = batch<T, Result>;
    using outcome_type = batch_outcome<T, Result>;
    using entry = batch_entry<T, Result>;

    /// `flush` is called with a batch_type&; or, where there are no results, it may take a std::span<T>. With more than one
    /// flush at once it is called from several threads at a time.
    template <class Flush>
        requires std::invocable<std::decay_t<Flush>&, batch_type&> ||
                 (std::is_void_v<Result> && std::invocable<std::decay_t<Flush>&, std::span<T>>)
    explicit batcher(batcher_options options, Flush&& flush, Clock clock = {})
        : options_(options), flush_(adapted(std::forward<Flush>(flush))), clock_(std::move(clock)) {
        detail::require_option(options.max_items > 0, "batcher: max_items (> 0)", options.max_items);
        detail::require_option(options.max_bytes > 0, "batcher: max_bytes (> 0)", options.max_bytes);
        detail::require_option(options.max_age.count() >= 0, "batcher: max_age in ns (>= 0)", options.max_age.count());
        detail::require_option(options.max_pending >= options.max_items, "batcher: max_pending (>= max_items)",
                               options.max_pending);
        detail::require_option(options.max_concurrent_flushes > 0, "batcher: max_concurrent_flushes (> 0)",
                               options.max_concurrent_flushes);
    }
    batcher(batcher const&) = delete;
    batcher& operator=(batcher const&) = delete;

    ~batcher() {
        refuse_more();  // what a callback pushes from here on would be lost, or keep us for ever
        if (options_.at_end == batcher_at_end::flush)
            finish();
        else
            cancel(detach(), [](T&) noexcept {});
    }

    verdict try_push(T&& item, entry about = {}) { return try_push(std::move(item), std::move(about), clock_.now()); }
    verdict try_push(T&& item, time_point now) { return try_push(std::move(item), entry{}, now); }

    /// Takes the item, or says why not and leaves it alone: `wait`, as max_pending items have not ended; `never`, as it has
    /// more than max_bytes or the batcher is closed. Flushes what is full. After `wait` there is room as soon as a flush
    /// ends, which nobody can foretell: retry_after is when the batch that fills is due, as good a time to ask as any.
    verdict try_push(T&& item, entry about, time_point now) {
        std::unique_lock lock(mutex_);
        auto const answer = take(item, about, advance(now));
        if (answer.admitted()) run_ready(lock);
        return answer;
    }

    verdict try_push(T const& item, entry about = {})
        requires std::copy_constructible<T>
    {
        return try_push(T(item), std::move(about));
    }
    verdict try_push(T const& item, time_point now)
        requires std::copy_constructible<T>
    {
        return try_push(T(item), now);
    }

    /// The same, and waits for room until the deadline or a stop: then the last denial.
    verdict push_until(T&& item, time_point deadline, std::stop_token stop = {}, entry about = {}) {
        auto const wake_up = [this] {
            std::lock_guard const lock(mutex_);
            changed_.notify_all();
        };
        std::stop_callback const on_stop(stop, wake_up);  // outside the lock, at both ends: it takes the lock
        std::unique_lock         lock(mutex_);
        for (;;) {
            auto const now = clock_.now();
            auto const answer = take(item, about, advance(now));
            if (answer.admitted()) run_ready(lock);
            if (answer.kind != verdict_kind::wait || stop.stop_requested() || now >= deadline) return answer;
            wait(lock, deadline, now);
        }
    }

    verdict push_until(T const& item, time_point deadline, std::stop_token stop = {}, entry about = {})
        requires std::copy_constructible<T>
    {
        return push_until(T(item), deadline, std::move(stop), std::move(about));
    }

    /// Flushes what is due. How many items this call has flushed, those of others included.
    std::size_t poll() { return poll(clock_.now()); }
    std::size_t poll(time_point now) {
        std::unique_lock lock(mutex_);
        now = advance(now);
        if (open_ != nullptr && now >= open_->due_) seal();
        return run_ready(lock);
    }

    /// Flushes all that is there, due or not; what others are flushing already is left to them.
    std::size_t flush() {
        std::unique_lock lock(mutex_);
        if (open_ != nullptr) seal();
        return run_ready(lock);
    }

    /// When poll has something to do; time_point::max() if nothing waits.
    [[nodiscard]] time_point next_due() const {
        std::lock_guard const lock(mutex_);
        return open_ == nullptr ? time_point::max() : open_->due_;
    }

    /// Polls when due, until a stop is requested: for a thread of the user's.
    void run(std::stop_token stop) {
        auto const wake_up = [this] {
            std::lock_guard const lock(mutex_);
            changed_.notify_all();
        };
        std::stop_callback const on_stop(stop, wake_up);
        std::unique_lock         lock(mutex_);
        ++drivers_;
        while (!stop.stop_requested()) {
            auto const now = clock_.now();
            advance(now);
            if (open_ != nullptr && latest_ >= open_->due_) {
                seal();
                run_ready(lock);
            } else {
                wait(lock, open_ == nullptr ? time_point::max() : open_->due_, now);
            }
        }
        --drivers_;
    }

    /// No more items; flushes what is left and waits until all flushes have ended.
    void close() {
        refuse_more();
        finish();
    }

    /// No more items; gives back those that no flush has begun with, oldest first, after their callbacks got
    /// batch_cancelled. Does not wait for flushes that run. With std::bad_alloc nothing is closed or lost.
    [[nodiscard]] std::vector<T> close_and_return() {
        std::vector<T> left;
        {
            std::unique_lock lock(mutex_);
            while (left.capacity() < waiting_) {  // room for them all, before anything is changed
                auto const n = waiting_;
                lock.unlock();
                left.reserve(n);
                lock.lock();
            }
            closed_ = true;
            changed_.notify_all();
        }
        cancel(detach(), [&left](T& item) noexcept { left.push_back(std::move(item)); });
        return left;
    }

    /// Items that were accepted and have not ended; of those, the ones no flush has begun with; batches flushed so far.
    [[nodiscard]] std::size_t pending() const {
        std::lock_guard const lock(mutex_);
        return pending_;
    }
    [[nodiscard]] std::size_t waiting() const {
        std::lock_guard const lock(mutex_);
        return waiting_;
    }
    [[nodiscard]] std::uint64_t flushes() const {
        std::lock_guard const lock(mutex_);
        return flushes_;
    }
    [[nodiscard]] std::uint64_t failed() const {  ///< items that ended with an exception, cancelled ones included
        std::lock_guard const lock(mutex_);
        return failed_;
    }

private:
    template <class Flush>
    static unique_function<void(batch_type&)> adapted(Flush&& flush) {
        if constexpr (std::invocable<std::decay_t<Flush>&, batch_type&>)
            return std::forward<Flush>(flush);
        else
            return [f = std::forward<Flush>(flush)](batch_type& b) mutable { f(b.items()); };
    }

    void refuse_more() noexcept {
        std::lock_guard const lock(mutex_);
        closed_ = true;
        changed_.notify_all();
    }

    time_point advance(time_point now) noexcept {
        if (latest_ < now) latest_ = now;
        return latest_;
    }

    verdict take(T& item, entry& about, time_point now) {
        auto const bytes = about.bytes;
        auto const room = options_.max_pending - pending_;
        if (closed_ || bytes > options_.max_bytes) return verdict::refuse(closed_ ? 0 : room);
        if (room == 0) {
            auto const due = open_ == nullptr ? saturating_add(now, options_.max_age) : open_->due_;
            auto const left = saturating_sub(due, now);
            return verdict::later(left.count() < 1 ? duration(1) : left, 0);
        }
        bool const fits = open_ != nullptr && bytes <= options_.max_bytes - open_->bytes_;
        if (fits) {
            make_room(*open_);
        } else {
            auto fresh = std::make_unique<batch_type>();
            make_room(*fresh);
            fresh->due_ = saturating_add(now, options_.max_age);
            if (open_ != nullptr) seal();
            open_ = std::move(fresh);
            if (drivers_ != 0) changed_.notify_all();
        }
        open_->items_.push_back(std::move(item));  // there is room: nothing from here on throws
        open_->about_.emplace_back();
        open_->about_.back().done = std::move(about.done);
        open_->bytes_ += bytes;
        ++pending_;
        ++waiting_;
        if (open_->items_.size() >= options_.max_items || open_->bytes_ >= options_.max_bytes) seal();
        return verdict::admit(options_.max_pending - pending_);
    }

    static void make_room(batch_type& b) {
        auto const grow = [](auto& v) {
            if (v.size() == v.capacity()) v.reserve(v.size() < 8 ? 8 : v.size() * 2);
        };
        grow(b.items_);
        grow(b.about_);
    }

    void seal() noexcept {
        auto* const sealed = open_.get();
        (last_ready_ == nullptr ? ready_ : last_ready_->next_) = std::move(open_);
        last_ready_ = sealed;
    }
    std::unique_ptr<batch_type> take_ready() noexcept {
        auto first = std::move(ready_);
        ready_ = std::move(first->next_);
        if (ready_ == nullptr) last_ready_ = nullptr;
        waiting_ -= first->size();
        return first;
    }

    /// Flushes what is ready, as long as there may be one more flush. Requires the lock and leaves it taken.
    std::size_t run_ready(std::unique_lock<std::mutex>& lock) noexcept {
        std::size_t n = 0;
        while (ready_ != nullptr && flushing_ < options_.max_concurrent_flushes) {
            auto mine = take_ready();
            ++flushing_;
            lock.unlock();
            auto const size = mine->size();
            auto const failed = flush_one(*mine);
            mine.reset();
            lock.lock();
            --flushing_;
            ++flushes_;
            failed_ += failed;
            pending_ -= size;
            n += size;
            changed_.notify_all();
        }
        return n;
    }

    std::size_t flush_one(batch_type& b) noexcept {
        std::exception_ptr thrown;
        try {
            flush_(b);
        } catch (...) {
            thrown = std::current_exception();
        }
        std::size_t failed = 0;
        for (std::size_t i = 0; i < b.size(); ++i) {
            auto& about = b.about_[i];
            if (!about.result && !about.error) {
                if (thrown)
                    about.error = thrown;
                else if constexpr (std::is_void_v<Result>)
                    about.result.emplace();
                else
                    about.error = detail::some_error(nullptr, "sluice::batcher: no result for this item");
            }
            failed += about.error ? 1 : 0;
            tell(b, i);
        }
        return failed;
    }

    static void tell(batch_type& b, std::size_t i) noexcept {
        auto& about = b.about_[i];
        if (about.done) about.done(outcome_type{b.items_[i], about.result ? &*about.result : nullptr, about.error});
    }

    /// Takes out the batches that no flush has begun with.
    std::unique_ptr<batch_type> detach() noexcept {
        std::lock_guard const lock(mutex_);
        if (open_ != nullptr) seal();
        last_ready_ = nullptr;
        waiting_ = 0;
        return std::move(ready_);
    }

    template <class Keep>
    void cancel(std::unique_ptr<batch_type> first, Keep keep) noexcept {
        if (first == nullptr) return;
        auto const why = std::make_exception_ptr(batch_cancelled());
        while (first != nullptr) {
            for (std::size_t i = 0; i < first->size(); ++i) {
                first->fail(i, why);
                tell(*first, i);
                keep((*first)[i]);
            }
            {
                std::lock_guard const lock(mutex_);
                pending_ -= first->size();
                failed_ += first->size();
                changed_.notify_all();
            }
            auto next = std::move(first->next_);
            first = std::move(next);  // items have destructors: after the lock
        }
    }

    /// Requires that no more is taken.
    void finish() noexcept {
        std::unique_lock lock(mutex_);
        if (open_ != nullptr) seal();
        for (;;) {
            run_ready(lock);
            if (ready_ == nullptr && flushing_ == 0) return;
            changed_.wait(lock);
        }
    }

    void wait(std::unique_lock<std::mutex>& lock, time_point until, time_point now) {
        if (until == time_point::max())
            changed_.wait(lock);
        else if constexpr (std::same_as<Clock, steady_clock>)
            changed_.wait_until(lock, std::min(until, saturating_add(now, std::chrono::hours(1))));
        else
            changed_.wait_for(lock, std::chrono::milliseconds(1));  // another clock's time: look at it now and then
    }

    batcher_options const              options_;
    unique_function<void(batch_type&)> flush_;
    Clock                              clock_;
    mutable std::mutex                 mutex_;
    std::condition_variable            changed_;
    std::unique_ptr<batch_type>        open_;         ///< the one that is being filled
    std::unique_ptr<batch_type>        ready_;        ///< those that are full or due, oldest first
    batch_type*                        last_ready_ = nullptr;
    time_point                         latest_ = time_point::min();
    std::size_t                        pending_ = 0;
    std::size_t                        waiting_ = 0;
    std::size_t                        flushing_ = 0;
    std::size_t                        drivers_ = 0;
    std::uint64_t                      flushes_ = 0;
    std::uint64_t                      failed_ = 0;
    bool                               closed_ = false;
};

}  // namespace sluice
