// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::once_table — one caller does it, the others wait for what comes out: the rules of single_flight and dedup_table.
///
/// Thread-safety  any thread; of one part: one thread at a time
/// Progress       one mutex, never held while a function of the user runs, except the key's copy and equality, which
///                must not call back. wait blocks; nothing else does
/// Complexity     O(1) expected, O(log n) for entries with a time limit; one allocation per key in flight, one per
///                waiting part, one per result
/// Errors         std::bad_alloc and what hash, equality or copy of the key throw leave no trace. Callbacks are noexcept
/// Units          times in integer nanoseconds. A `now` from the past counts as the latest one seen; time_point::min()
///                therefore means the latest one seen
///
/// Whoever is first for a key ends it by finish, fail or leave. After leave the one who has waited longest is first: nobody
/// fails because another gave up. An attempt has a time limit by choice: after it another may take over, and each new first
/// has a new generation, so that a late end moves nothing. As long as nobody has taken over, an end counts, late or not:
/// the work has been done, and refusing its result would have it done again.
///
/// The table outlives its parts.

#include <sluice/core/clock.hpp>
#include <sluice/flow/detail/entry_table.hpp>
#include <sluice/flow/detail/once_entry.hpp>
#include <sluice/flow/detail/some_error.hpp>
#include <sluice/flow/once_result.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>

namespace sluice::detail {

struct once_table_options {
    duration    attempt_ttl = duration::max();  ///< after this long another may take over; max: never
    duration    keep{0};                        ///< how long a result stays for those who come later; 0: not at all
    std::size_t capacity = SIZE_MAX;            ///< most keys at once
    std::size_t max_kept = SIZE_MAX;            ///< most results that stay; the oldest goes first
    bool        forget_when_full = false;       ///< when full, the oldest result goes before its time
    bool        share_failure = true;           ///< once_run: an exception is for all who waited; or the next one tries
};

template <class Key, class Value, clock_source Clock, class Hash, class Equal>
class once_table {
public:
    using stored = typename once_result<Value>::stored;
    using entry = once_entry<Key, stored>;
    using part = once_part<Key, stored>;

    once_table(once_table_options const& options, Clock clock, Hash hash, Equal equal)
        : options_(options), clock_(std::move(clock)), hash_(std::move(hash)), equal_(std::move(equal)) {}

    once_table(once_table const&) = delete;
    once_table& operator=(once_table const&) = delete;
    ~once_table() {
        chains_.release_all([](entry* e) { auto const last = std::move(e->self); });
    }

    /// A part in this key. `runner`: the thread that would wait, which must not be the one that does the work.
    [[nodiscard]] part enter(Key const& key, time_point now, std::thread::id runner = {}) {
        auto const       hash = entry_hash(hash_, key);
        graveyard        dead;
        std::unique_lock lock(mutex_);
        now = advance(now);
        for (duration retry_after{0};;) {
            if (entry* const found = chains_.find(hash, key, equal_)) {
                if (!expired(*found, now)) return join(*found, runner);
                if (found->now_is == once_state::done) {
                    unlist(*found, dead);
                } else if (found->first == nullptr) {  // nobody waits: this caller takes over
                    begin_attempt(*found, now);
                    return {.entry = found->self, .generation = ++found->generation, .status = once_status::first};
                } else {
                    hand_over(lock, *found, now, dead);  // the lock may have been open: look again
                    continue;
                }
            }
            auto const room = make_room(lock, now, dead, retry_after);
            if (room == room_is::there) break;
            if (room == room_is::full) return {.retry_after = retry_after, .status = once_status::full};
        }
        auto e = std::make_shared<entry>(key, hash);
        chains_.prepare();
        running_.prepare(chains_.size() + 1);
        done_.prepare(chains_.size() + 1);
        chains_.insert(e.get());
        running_.insert(e.get(), saturating_add(now, options_.attempt_ttl));
        e->self = e;
        e->listed = true;
        return {.entry = std::move(e), .generation = 1, .status = once_status::first};
    }

    /// Looks whether the result has come, or the turn to be first.
    void poll(part& mine, time_point now) {
        if (mine.status != once_status::waiting) return;
        graveyard        dead;
        std::unique_lock lock(mutex_);
        look(lock, mine, advance(now), dead);
    }

    /// Polls until the status is another than `waiting`, or for as long as the limits say. If `timed` is false the clock
    /// counts for the deadline alone.
    void wait(part& mine, once_limits const& limits, bool timed) {
        if (mine.status != once_status::waiting) return;
        auto&      w = *mine.waiter;
        auto const wake_up = [this, &w] {
            std::lock_guard const lock(mutex_);
            w.cv.notify_one();
        };
        std::stop_callback const on_stop(limits.stop, wake_up);  // outside the lock, at both ends: it takes the lock
        graveyard        dead;
        std::unique_lock lock(mutex_);
        for (;;) {
            auto const now = clock_.now();
            look(lock, mine, timed ? advance(now) : latest_, dead);
            if (mine.status != once_status::waiting || limits.stop.stop_requested() || now >= limits.deadline) return;
            auto const until = timed ? std::min(mine.entry->due, limits.deadline) : limits.deadline;
            if (until == time_point::max())
                w.cv.wait(lock);
            else if constexpr (std::same_as<Clock, steady_clock>)
                w.cv.wait_until(lock, std::min(until, saturating_add(now, std::chrono::hours(1))));
            else
                w.cv.wait_for(lock, std::chrono::milliseconds(1));  // another clock's time: look at it now and then
        }
    }

    /// Calls f once, as soon as poll would tell something new.
    void on_change(part& mine, unique_function<void() noexcept> f) {
        {
            std::lock_guard const lock(mutex_);
            if (mine.status == once_status::waiting && mine.waiter->linked) {
                std::swap(mine.waiter->on_change, f);
                return;
            }
        }
        if (f) f();
    }

    /// The first one's end: the result for all. False if another has taken over: the result was not taken.
    bool finish(part& mine, std::shared_ptr<stored const> value, time_point now) {
        graveyard        dead;
        std::unique_lock lock(mutex_);
        now = advance(now);
        if (!end_attempt(mine)) return false;
        auto& e = *mine.entry;
        e.value = std::move(value);
        mine.status = once_status::done;
        if (e.listed) {
            if (options_.keep.count() > 0 && options_.max_kept > 0) {
                running_.erase(&e);
                e.now_is = once_state::done;
                done_.insert(&e, saturating_add(now, options_.keep));
                while (done_.size() > options_.max_kept) unlist(*done_.first(), dead);
            } else {
                unlist(e, dead);
            }
        }
        e.now_is = once_state::done;
        wake_all(lock, e);
        return true;
    }

    /// The first one's end: those who wait get this exception, who comes later begins anew. False as for finish.
    bool fail(part& mine, std::exception_ptr error, time_point now) {
        graveyard        dead;
        std::unique_lock lock(mutex_);
        static_cast<void>(advance(now));
        if (!end_attempt(mine)) return false;
        auto& e = *mine.entry;
        e.error = some_error(std::move(error), "sluice::once_ticket: failed without an exception");
        mine.status = once_status::failed;
        if (e.listed) unlist(e, dead);
        e.now_is = once_state::failed;
        wake_all(lock, e);
        return true;
    }

    /// The first one's end without a result: the one who has waited longest is first now. Another just leaves.
    void leave(part& mine, time_point now) noexcept {
        auto const was = std::exchange(mine.status, once_status::ended);
        if (was != once_status::first && was != once_status::waiting) return;
        graveyard        dead;
        std::unique_lock lock(mutex_);
        now = advance(now);
        auto& e = *mine.entry;
        if (was == once_status::waiting) {
            if (mine.waiter->linked) e.unlink(*mine.waiter);
            mine.generation = mine.waiter->elected;
        }
        if (e.now_is == once_state::running && e.generation == mine.generation) hand_over(lock, e, now, dead);
    }

    /// The thread that calls does the work of the first one: it must not wait for itself.
    void runs_here(part const& mine) {
        if (mine.status != once_status::first) return;
        std::lock_guard const lock(mutex_);
        if (mine.entry->generation == mine.generation) mine.entry->runner = std::this_thread::get_id();
    }

    bool forget(Key const& key) {
        auto const            hash = entry_hash(hash_, key);
        graveyard             dead;
        std::lock_guard const lock(mutex_);
        entry* const          e = chains_.find(hash, key, equal_);
        if (e == nullptr) return false;
        unlist(*e, dead);
        return true;
    }

    /// Removes the results whose time is over, and the attempts, unless somebody waits to take over. How many went.
    std::size_t sweep(time_point now) {
        graveyard        dead;
        std::unique_lock lock(mutex_);
        now = advance(now);
        std::size_t n = 0;
        while (entry* const e = done_.first()) {
            if (now < e->due) break;
            unlist(*e, dead);
            ++n;
        }
        while (entry* const e = running_.first()) {
            if (!expired(*e, now)) break;
            if (e->first == nullptr) ++n;
            auto const alive = e->self;
            hand_over(lock, *e, now, dead);
        }
        return n;
    }

    [[nodiscard]] std::size_t in_flight() const {
        std::lock_guard const lock(mutex_);
        return running_.size();
    }
    [[nodiscard]] std::size_t kept() const {
        std::lock_guard const lock(mutex_);
        return done_.size();
    }
    [[nodiscard]] std::size_t size() const {
        std::lock_guard const lock(mutex_);
        return chains_.size();
    }

    [[nodiscard]] Clock const&              clock() const noexcept { return clock_; }
    [[nodiscard]] once_table_options const& options() const noexcept { return options_; }

private:
    using graveyard = once_graveyard<Key, stored>;
    enum class room_is : std::uint8_t { there, full, look_again };

    time_point advance(time_point now) noexcept {
        if (latest_ < now) latest_ = now;
        return latest_;
    }
    [[nodiscard]] bool expired(entry const& e, time_point now) const noexcept {
        return e.due != time_point::max() && now >= e.due;
    }

    [[nodiscard]] part join(entry& e, std::thread::id runner) {
        if (e.now_is == once_state::done) return {.entry = e.self, .status = once_status::done};
        if (runner != std::thread::id() && e.runner == runner)
            throw std::logic_error("sluice: the function that runs for a key waits for that key: for itself");
        auto w = std::make_unique<once_waiter>();
        e.link(*w);
        return {.entry = e.self, .waiter = std::move(w), .status = once_status::waiting};
    }

    void unlist(entry& e, graveyard& dead) noexcept {
        (e.now_is == once_state::done ? done_ : running_).erase(&e);
        chains_.erase(&e);
        e.listed = false;
        dead.add(&e);
    }

    /// Wakes the waiter that was just unlinked. Nothing else of it is touched once the lock is open.
    static void wake(std::unique_lock<std::mutex>& lock, once_waiter& w) noexcept {
        w.cv.notify_one();
        if (!w.on_change) return;
        auto call = std::move(w.on_change);
        lock.unlock();
        call();
        call = nullptr;
        lock.lock();
    }
    static void wake_all(std::unique_lock<std::mutex>& lock, entry& e) noexcept {
        while (once_waiter* const w = e.first) {
            e.unlink(*w);
            wake(lock, *w);
        }
    }

    void begin_attempt(entry& e, time_point now) noexcept {
        auto const due = saturating_add(now, options_.attempt_ttl);
        e.runner = std::thread::id();
        if (e.listed)
            running_.move(&e, due);
        else
            e.due = due;
    }

    /// Makes the one who waits longest the first one; without anybody, the entry goes.
    void hand_over(std::unique_lock<std::mutex>& lock, entry& e, time_point now, graveyard& dead) noexcept {
        ++e.generation;
        if (once_waiter* const w = e.first) {
            e.unlink(*w);
            w->elected = e.generation;
            begin_attempt(e, now);
            wake(lock, *w);
            return;
        }
        if (e.listed) unlist(e, dead);
        e.now_is = once_state::vacant;
    }

    /// Whether one more key fits, after one that is due has gone. Otherwise the time until the next one goes.
    [[nodiscard]] room_is make_room(std::unique_lock<std::mutex>& lock, time_point now, graveyard& dead,
                                    duration& retry_after) noexcept {
        if (chains_.size() < options_.capacity) return room_is::there;
        entry* const kept = done_.first();
        entry* const tried = running_.first();
        bool const   due = kept != nullptr && now >= kept->due;
        if (!due && tried != nullptr && expired(*tried, now)) {  // goes, or to who waits for it, then behind the others
            auto const alive = tried->self;
            hand_over(lock, *tried, now, dead);
            return room_is::look_again;
        }
        if (due || (kept != nullptr && options_.forget_when_full)) {
            unlist(*kept, dead);
            return room_is::there;
        }
        auto const first = kept == nullptr || (tried != nullptr && tried->due < kept->due) ? tried : kept;
        retry_after = first == nullptr ? duration::max() : saturating_sub(first->due, now);
        return room_is::full;
    }

    void look(std::unique_lock<std::mutex>& lock, part& mine, time_point now, graveyard& dead) {
        auto& e = *mine.entry;
        auto& w = *mine.waiter;
        if (e.now_is == once_state::running && w.linked && expired(e, now)) hand_over(lock, e, now, dead);
        if (w.elected != 0 && e.now_is == once_state::running && e.generation == w.elected) {
            if (expired(e, now)) begin_attempt(e, now);  // nobody took over: its time counts from now
            mine.generation = w.elected;
            mine.status = once_status::first;
        } else if (e.now_is == once_state::done || e.now_is == once_state::failed) {
            if (w.linked) e.unlink(w);
            mine.status = e.now_is == once_state::done ? once_status::done : once_status::failed;
        } else if (e.now_is == once_state::vacant) {
            mine.status = once_status::ended;
        } else if (w.elected != 0) {  // its turn came and passed: it waits again
            w.elected = 0;
            e.link(w);
        }
    }

    /// Whether this is the first one still. If not, its part has ended.
    static bool end_attempt(part& mine) noexcept {
        if (mine.entry->now_is == once_state::running && mine.entry->generation == mine.generation) return true;
        mine.status = once_status::ended;
        return false;
    }

    once_table_options const options_;
    Clock                    clock_;
    Hash                     hash_;
    Equal                    equal_;
    mutable std::mutex       mutex_;
    time_point               latest_ = time_point::min();
    entry_chains<entry>      chains_;
    due_heap<entry>          running_;
    due_heap<entry>          done_;
};

}  // namespace sluice::detail
