// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::timer_core — what a timer_queue and the handles of its timers share: the lock, the heap, each timer's state.
///
/// A timer is pending (in the heap), posted (handed to the executor), running, and pending again or ended. Whoever ends it
/// destroys its callable without the lock held, which is a state of its own: who waits for the timer waits for that too.
/// The core lives as long as anything refers to it, so a handle, and a task that the executor keeps, may outlive the queue.
///
/// Thread-safety  any thread, one lock for everything; callables are called and destroyed without it
/// Progress       a thread that is stopped inside the lock stops the others; what is done there is O(log n)
/// Errors         add may throw std::bad_alloc and then has no effect. Nothing else allocates: there is room for every timer
///                that has not ended, in the heap and among those that are away

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <sluice/core/clock.hpp>
#include <sluice/executor/detail/timer_heap.hpp>
#include <sluice/queue/event_count.hpp>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

/// How the time of a periodic timer's next run follows from the last one.
enum class timer_mode : std::uint8_t {
    fixed_rate,   ///< one period after the last run was due: the runs keep to a grid
    fixed_delay,  ///< one period after the last run ended
};

/// What becomes of the runs of a fixed_rate timer whose time passed while an earlier run had not ended.
enum class missed_runs : std::uint8_t {
    skip,      ///< they are dropped; the next run is the next on the grid
    burst,     ///< each is made up for, one after the other, at once
    coalesce,  ///< one run at once stands for all of them
};

namespace detail {

class timer_core;

// Ordering
//   (A) refs  relaxed to add: the adder's own reference keeps the object. fetch_sub acq_rel: the last one frees it

struct timer_entry {
    enum phase : std::uint8_t { pending, posted, running, dropping, ended };
    struct operations {
        void (*call)(timer_entry&);
        void (*drop)(timer_entry&) noexcept;     // destroys the callable; null if there is nothing to do
        void (*destroy)(timer_entry*) noexcept;  // frees the entry
    };

    explicit timer_entry(operations const* o) noexcept : ops(o) {}

    operations const*          ops;
    timer_core*                core = nullptr;  // one reference
    std::atomic<std::uint32_t> refs{2};         // of the core until it has ended, and of the handle
    // The rest: under the lock.
    std::uint32_t   posting = 0;                // number of the last posting
    phase           now = pending;
    bool            unconfirmed = false;        // post() has not returned yet
    bool            unrun = false;              // meanwhile the executor has destroyed the task
    bool            again = false;              // running: rescheduled
    bool            last = false;               // running: cancelled
    timer_mode      mode = timer_mode::fixed_rate;
    missed_runs     missed = missed_runs::skip;
    std::size_t     place = 0;                  // in the heap, or among those that are away
    time_point      deadline{};
    std::uint64_t   sequence = 0;
    duration        period{0};                  // 0: runs once
    std::thread::id runner;
};

class timer_core {
public:
    timer_core() = default;
    timer_core(timer_core const&) = delete;
    timer_core& operator=(timer_core const&) = delete;

    virtual time_point now() const noexcept = 0;

    void retain() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }               // (A)
    void release() noexcept {
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;                // (A)
    }
    static void retain(timer_entry& e) noexcept { e.refs.fetch_add(1, std::memory_order_relaxed); }  // (A)
    static void release(timer_entry& e) noexcept {
        if (e.refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;                    // (A)
        timer_core* const core = e.core;
        e.ops->destroy(&e);
        if (core != nullptr) core->release();
    }

    /// Takes the entry over, and the core's one of its references; if this throws it is the caller's as before.
    void add(timer_entry& e) {
        std::unique_lock lock(mutex_);
        heap_.reserve(live_ + 1);
        if (away_.capacity() <= live_) away_.reserve(2 * live_ + 1);
        ++live_;
        e.core = this;
        retain();
        if (!closed_) return insert(lock, e);
        enter(e);  // a callback made it, while the destructor waits for that callback
        end(lock, e);
    }

    /// True: no run of it is in progress, and none will begin.
    bool cancel(timer_entry& e, bool wait) noexcept {
        std::unique_lock lock(mutex_);
        auto const       me = std::this_thread::get_id();
        switch (e.now) {
            case timer_entry::pending: take(e); return end(lock, e), true;
            case timer_entry::posted: return end(lock, e), true;
            case timer_entry::running:
                e.last = true;
                if (!wait || e.runner == me) return false;
                break;
            case timer_entry::dropping:
                if (!wait || e.runner == me) return true;
                break;
            case timer_entry::ended: return true;
        }
        ++waiting_;
        changed_.wait(lock, [&] { return e.now == timer_entry::ended; });
        --waiting_;
        return true;
    }

    /// The next run is to be at t; false if there will be none.
    bool reschedule(timer_entry& e, time_point t) noexcept {
        std::unique_lock lock(mutex_);
        switch (e.now) {
            case timer_entry::pending: heap_.erase(e); break;
            case timer_entry::posted:
                leave(e);
                ++e.posting;  // what was posted will find that it is not wanted
                break;
            case timer_entry::running:
                if (e.last || closed_) return false;
                e.again = true;
                e.deadline = t;
                return true;
            default: return false;
        }
        e.deadline = t;
        insert(lock, e);
        return true;
    }

    /// Whether another run is to begin.
    [[nodiscard]] bool active(timer_entry const& e) const noexcept {
        std::lock_guard const lock(mutex_);
        if (e.now == timer_entry::running) return !e.last && !closed_ && (e.again || e.period.count() > 0);
        return e.now == timer_entry::pending || e.now == timer_entry::posted;
    }

    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept {
        std::lock_guard const lock(mutex_);
        return heap_.empty() ? std::nullopt : std::optional(heap_.first().deadline);
    }
    [[nodiscard]] std::size_t pending() const noexcept {
        std::lock_guard const lock(mutex_);
        return heap_.size();
    }

    /// A posting: whoever has it has a reference to the entry.
    struct posting {
        timer_entry*  entry = nullptr;
        std::uint32_t number = 0;
    };

    /// Takes at most n of the due ones out of the heap, earliest first, to be posted, then confirmed or put back.
    std::size_t take_due(time_point t, posting* to, std::size_t n) noexcept {
        std::lock_guard const lock(mutex_);
        std::size_t           taken = 0;
        for (; taken < n && !heap_.empty() && heap_.first().deadline <= t; ++taken) {
            timer_entry& e = heap_.first();
            take(e);
            if (e.period.count() > 0 && e.mode == timer_mode::fixed_rate && e.missed == missed_runs::coalesce)
                e.deadline = t - saturating_sub(t, e.deadline) % e.period;
            e.now = timer_entry::posted;
            e.unconfirmed = true;
            e.unrun = false;
            retain(e);
            to[taken] = {&e, ++e.posting};
        }
        return taken;
    }
    /// The executor has accepted them.
    void confirm(posting const* p, std::size_t n) noexcept {
        std::unique_lock lock(mutex_);
        for (std::size_t i = 0; i < n; ++i) {
            timer_entry& e = *p[i].entry;
            if (e.posting != p[i].number) continue;
            e.unconfirmed = false;
            if (e.now != timer_entry::posted || !e.unrun) continue;
            end(lock, e);
            lock.lock();
        }
        lock.unlock();
        for (std::size_t i = 0; i < n; ++i) release(*p[i].entry);
    }
    /// It has not: they are due as before.
    void put_back(posting const* p, std::size_t n) noexcept {
        for (std::size_t i = 0; i < n; ++i) {
            timer_entry& e = *p[i].entry;
            {
                std::lock_guard const lock(mutex_);
                if (e.posting == p[i].number && e.now == timer_entry::posted) {
                    leave(e);
                    e.now = timer_entry::pending;
                    heap_.push(e);  // with the sequence it had
                }
            }
            release(e);
        }
    }

    /// The executor runs it.
    void run(posting p) {
        timer_entry& e = *p.entry;
        {
            std::lock_guard const lock(mutex_);
            if (e.posting != p.number || e.now != timer_entry::posted) return;
            e.now = timer_entry::running;
            e.runner = std::this_thread::get_id();
            e.again = false;
        }
        struct finish_after {
            timer_core&  core;
            timer_entry& entry;
            ~finish_after() { core.finish(entry); }
        } const guard{*this, e};
        e.ops->call(e);
    }
    /// The executor has destroyed it unrun.
    void abandon(posting p) noexcept {
        timer_entry&     e = *p.entry;
        std::unique_lock lock(mutex_);
        if (e.posting != p.number || e.now != timer_entry::posted) return;
        if (e.unconfirmed) {
            e.unrun = true;
            return;
        }
        end(lock, e);
    }

    /// Cancels everything and, if told, waits for what runs on other threads.
    void close(bool waits = true) noexcept {
        std::unique_lock lock(mutex_);
        closed_ = true;
        while (!heap_.empty()) {
            timer_entry& e = heap_.first();
            take(e);
            end(lock, e);
            lock.lock();
        }
        for (std::size_t i = away_.size(); i-- > 0;) {
            timer_entry& e = *away_[i];
            if (e.now != timer_entry::posted) continue;
            end(lock, e);
            lock.lock();
            i = away_.size();
        }
        if (!waits) return;
        auto const me = std::this_thread::get_id();
        ++waiting_;
        changed_.wait(lock, [&] {
            for (timer_entry const* e : away_)
                if (e->runner != me) return false;
            return true;
        });
        --waiting_;
    }

    // ---- for one thread that sleeps until something is due ----

    /// From now on `earlier()` is notified when the first deadline comes to lie before the one that was last asked for.
    [[nodiscard]] std::optional<time_point> watch() noexcept {
        std::lock_guard const lock(mutex_);
        watched_ = heap_.empty() ? time_point::max() : heap_.first().deadline;
        is_watched_ = true;
        return heap_.empty() ? std::nullopt : std::optional(watched_);
    }
    [[nodiscard]] event_count& earlier() noexcept { return earlier_; }

protected:
    virtual ~timer_core() = default;

private:
    using unique_lock = std::unique_lock<std::mutex>;

    void insert(unique_lock& lock, timer_entry& e) noexcept {
        e.now = timer_entry::pending;
        e.sequence = sequence_++;
        time_point const t = e.deadline;
        heap_.push(e);
        // The sleeper may have to get up before it is told so by somebody else: once for each look.
        bool const notify = is_watched_ && (t < watched_ || heap_.size() == 1);
        if (notify) is_watched_ = false;
        lock.unlock();
        if (notify) earlier_.notify_all();
    }

    void take(timer_entry& e) noexcept {
        heap_.erase(e);
        enter(e);
    }
    void enter(timer_entry& e) noexcept {
        e.place = away_.size();
        away_.push_back(&e);
    }
    void leave(timer_entry& e) noexcept {
        away_.back()->place = e.place;
        away_[e.place] = away_.back();
        away_.pop_back();
    }

    /// Of a timer that is away. Unlocks; destroys the callable; the core's reference goes.
    void end(unique_lock& lock, timer_entry& e) noexcept {
        if (e.ops->drop != nullptr) {
            e.now = timer_entry::dropping;
            e.runner = std::this_thread::get_id();
            lock.unlock();
            e.ops->drop(e);
            lock.lock();
        }
        e.now = timer_entry::ended;
        leave(e);
        --live_;
        bool const notify = waiting_ != 0;
        lock.unlock();
        if (notify) changed_.notify_all();
        release(e);
    }

    void finish(timer_entry& e) noexcept {
        time_point const t = e.period.count() > 0 ? now() : time_point{};
        std::unique_lock lock(mutex_);
        std::optional<time_point> next;
        if (!e.last && !closed_) next = e.again ? e.deadline : following(e, t);
        if (!next) return end(lock, e);
        leave(e);
        e.deadline = *next;
        insert(lock, e);
    }

    /// When a run that ends at t is followed by another. At the end of the time line there is none.
    static std::optional<time_point> following(timer_entry const& e, time_point t) noexcept {
        if (e.period.count() == 0) return std::nullopt;
        time_point from = e.deadline;
        if (e.mode == timer_mode::fixed_delay) {
            from = t;
        } else if (e.missed != missed_runs::burst && t > e.deadline) {
            from = t - saturating_sub(t, e.deadline) % e.period;  // the last of the grid that has passed
            if (e.missed == missed_runs::coalesce && from != e.deadline) return from;
        }
        time_point const next = saturating_add(from, e.period);
        return next == from ? std::nullopt : std::optional(next);
    }

    std::mutex mutable        mutex_;
    timer_heap<timer_entry>   heap_;
    std::vector<timer_entry*> away_;  // posted, running or dropping
    std::size_t               live_ = 0;
    std::uint64_t             sequence_ = 0;
    std::size_t               waiting_ = 0;
    bool                      closed_ = false;
    bool                      is_watched_ = false;
    time_point                watched_{};
    std::condition_variable   changed_;
    event_count               earlier_;
    std::atomic<std::uint32_t> refs_{1};
};

template <class Clock>
class timer_core_on final : public timer_core {
public:
    explicit timer_core_on(Clock clock) : clock_(std::move(clock)) {}
    time_point now() const noexcept override { return clock_.now(); }

private:
    Clock clock_;
};

template <class F>
class timer_entry_of final : public timer_entry {
public:
    template <class G>
    explicit timer_entry_of(G&& g) : timer_entry(&operations_of) {
        ::new (static_cast<void*>(closure_)) F(std::forward<G>(g));
    }
    /// It was never added.
    void discard() noexcept {
        drop(*this);
        delete this;
    }

private:
    static F&   closure(timer_entry& e) noexcept { return *std::launder(reinterpret_cast<F*>(static_cast<timer_entry_of&>(e).closure_)); }
    static void call(timer_entry& e) { static_cast<void>(closure(e)()); }
    static void drop(timer_entry& e) noexcept { std::destroy_at(&closure(e)); }
    static void destroy(timer_entry* e) noexcept { delete static_cast<timer_entry_of*>(e); }

    static constexpr operations operations_of{&call, std::is_trivially_destructible_v<F> ? nullptr : &drop, &destroy};

    alignas(F) unsigned char closure_[sizeof(F)];
};

/// What the executor gets: runs its posting once.
class timer_task {
public:
    explicit timer_task(timer_core::posting p) noexcept : posting_(p) { timer_core::retain(*p.entry); }
    timer_task(timer_task&& other) noexcept : posting_(std::exchange(other.posting_, {})) {}
    timer_task& operator=(timer_task&&) = delete;
    ~timer_task() {
        if (posting_.entry == nullptr) return;
        posting_.entry->core->abandon(posting_);
        timer_core::release(*posting_.entry);
    }
    void operator()() {
        auto const p = std::exchange(posting_, {});
        struct release_after {
            timer_entry& entry;
            ~release_after() { timer_core::release(entry); }
        } const guard{*p.entry};
        p.entry->core->run(p);
    }

private:
    timer_core::posting posting_;
};

}  // namespace detail

}  // namespace sluice
