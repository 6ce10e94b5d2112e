// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// bounded_queue — items that wait for a server: bounded by number and by delay, in the order of a discipline, none lost.
///
/// Use it for     requests and tasks under overload: what cannot be served in time is refused at once, or dropped
///                unserved
/// Not for        handing values over as fast as possible (queue/mpmc_ring); waiting for a free place: push never waits
/// Thread-safety  every member from any thread, also from inside a drop handler; one mutex. Destruction: after everyone
///                has left
/// Progress       blocking. T's move, the destruction of what it leaves and the discipline run under the lock and must
///                not call the queue; drop handlers, level callbacks and the destructors of dropped items run without it
/// Complexity     that of the discipline; a pop also drops whatever has expired before its item. Places are allocated in
///                blocks as the queue first grows, up to the capacity, and used again: no allocation after that but a
///                discipline's for a tenant, and a change of level that somebody listens to
/// Errors         std::invalid_argument for impossible options. push: what T's move or copy, the allocation or the random
///                source throws; then nothing was taken, and the item is as T's move left it. pop: what T's move throws;
///                then the item is the next one. A drop handler's exception leaves push (nothing was taken) or pop; its
///                item counts as handed over, nothing else is lost; a sink's leaves drain, and what it did not get is
///                next. A level callback's exception leaves push with the item taken (a refused one calls none), pop with
///                the item still inside. A handler that throws in the destructor: std::terminate
/// Units          capacity in items, times in nanoseconds. An older `now` than one seen before counts as that one
/// Source         the choice of bounds: Maurer, Fail at Scale, 2015; Finagle's and folly's expiry of tasks
/// Example        examples/340_codel_overload.cpp
///
///     sluice::bounded_queue<request> queue({.capacity = 10'000, .max_delay = 50ms}, [](request&& r, auto const&) { … });
///     if (auto const r = queue.push(std::move(request), {.deadline = now + 100ms}); !r) reply(503, r.retry_after);
///     while (auto item = queue.pop_until(…)) { serve(item->value); queue.report_service(took); }
///
/// Recommended: fifo with max_delay at half of what clients wait for, each item with its deadline, and report_service
/// after each item. At 1.2 to 3 times the capacity 95 % or more of it stays useful, and the accepted work is in time.
///
/// The wait of an item is estimated as the cost ahead of it (the discipline tells) times the mean time between two pops
/// per unit of cost while items were waiting: however many servers there are, they are counted by what they take. Before
/// the first measurement, unless expected_drain is given, there is no estimate, and only the capacity bounds.
///
/// Every accepted item ends exactly once: delivered by a pop; given to the drop handler; without a handler, kept for
/// take_dropped() in its place, so that the queue fills up if nobody calls it; handed out by drain(); or, without a
/// handler, destroyed with the queue. Without a handler a full queue gives up nothing for an item that comes.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/flow/detail/clock_wait.hpp>
#include <sluice/flow/detail/item_store.hpp>
#include <sluice/flow/detail/queue_list.hpp>
#include <sluice/flow/detail/wait_estimate.hpp>
#include <sluice/flow/fifo.hpp>
#include <sluice/flow/load_level.hpp>
#include <sluice/flow/push_result.hpp>
#include <sluice/flow/queue_discipline.hpp>
#include <sluice/flow/reject_ramp.hpp>

#include <algorithm>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

struct bounded_queue_options {
    std::size_t         capacity = 0;                 ///< most items, with those being dropped; > 0
    duration            max_delay = duration::max();  ///< longest estimated wait that is accepted; > 0
    duration            expected_service{0};          ///< what serving takes, until report_service tells; >= 0
    duration            expected_drain{0};            ///< time from pop to pop per unit of cost, until measured; >= 0
    reject_ramp_options ramp{};                       ///< refuse some before it is full
    /// Of what waits: its number as a share of capacity, or its time as one of max_delay, whichever is more. Black, too,
    /// while dropped items that nobody takes leave no place.
    load_gauge_options levels{};
};

/// How many items went which way.
struct bounded_queue_counters {
    std::uint64_t accepted = 0;
    std::uint64_t rejected = 0;
    std::uint64_t delivered = 0;
    std::uint64_t expired = 0;
    std::uint64_t shed = 0;
    std::uint64_t displaced = 0;
    std::uint64_t drained = 0;
};

template <class T, queue_discipline Discipline = fifo, clock_source Clock = steady_clock>
class bounded_queue {
public:
    static_assert(std::is_object_v<T> && std::move_constructible<T>, "bounded_queue: items must be movable values");
    static_assert(std::is_nothrow_destructible_v<T>, "bounded_queue: items must not throw when they are destroyed");
    using value_type = T;
    using discipline_type = Discipline;

    /// Gets every item that is dropped, on the thread whose call drops it; several may call it at once.
    using drop_handler = unique_function<void(T&&, drop_info const&)>;

    /// An item that is delivered.
    struct item {
        item(T&& v, item_attributes const& a, time_point t, duration s) noexcept(std::is_nothrow_move_constructible_v<T>)
            : value(std::move(v)), attributes(a), enqueued(t), sojourn(s) {}

        T               value;
        item_attributes attributes;
        time_point      enqueued;
        duration        sojourn;  ///< how long it waited
    };
    /// An item that is not.
    struct dropped_item {
        T         value;
        drop_info info;
    };

    explicit bounded_queue(bounded_queue_options options, Discipline discipline = Discipline{}, drop_handler on_drop = {},
                           Clock clock = {})
        : options_(checked(options)),
          ramp_(options.ramp),
          gauge_(options.levels, clock),
          on_drop_(std::move(on_drop)),
          clock_(std::move(clock)),
          discipline_(std::move(discipline)),
          store_(options.capacity),
          estimate_(options.max_delay, options.expected_service, options.expected_drain) {
        SLUICE_ASSERT(discipline_.size() == 0);
    }
    bounded_queue(bounded_queue_options options, drop_handler on_drop, Clock clock = {})
        requires std::default_initializable<Discipline>
        : bounded_queue(options, Discipline{}, std::move(on_drop), std::move(clock)) {}
    bounded_queue(bounded_queue_options options, Clock clock)
        requires std::default_initializable<Discipline>
        : bounded_queue(options, Discipline{}, drop_handler{}, std::move(clock)) {}

    bounded_queue(bounded_queue const&) = delete;
    bounded_queue& operator=(bounded_queue const&) = delete;

    /// What still waits goes to the drop handler, or is destroyed where there is none.
    ~bounded_queue() {
        auto const now = latest_;
        while (auto* const n = next_of_any()) {
            if (on_drop_) on_drop_(std::move(n->value()), n->info(drop_reason::destroyed, now));
            std::destroy_at(&n->value());
        }
        while (auto* const n = static_cast<node*>(dropped_.pop_front())) std::destroy_at(&n->value());
    }

    /// Offers an item. Never waits for a place.
    push_result push(T&& value, item_attributes const& attributes, time_point now) {
        return offer(attributes, now, [&](std::size_t n) { return ramp_.rejects(n); },
                     [&](void* place) { ::new (place) T(std::move(value)); });
    }
    push_result push(T&& value, item_attributes const& attributes = {}) {
        return push(std::move(value), attributes, clock_.now());
    }
    /// A copy of an item; made only if it is accepted.
    push_result push(T const& value, item_attributes const& attributes, time_point now)
        requires std::copy_constructible<T>
    {
        return offer(attributes, now, [&](std::size_t n) { return ramp_.rejects(n); },
                     [&](void* place) { ::new (place) T(value); });
    }
    push_result push(T const& value, item_attributes const& attributes = {})
        requires std::copy_constructible<T>
    {
        return push(value, attributes, clock_.now());
    }
    /// With chance, for the reject ramp; without it the ramp refuses only from its end on. The source is called under the
    /// lock.
    push_result push(T&& value, item_attributes const& attributes, time_point now, random_source auto& random) {
        return offer(attributes, now, [&](std::size_t n) { return ramp_.rejects(n, random); },
                     [&](void* place) { ::new (place) T(std::move(value)); });
    }

    push_result push(T const& value, item_attributes const& attributes, time_point now, random_source auto& random)
        requires std::copy_constructible<T>
    {
        return offer(attributes, now, [&](std::size_t n) { return ramp_.rejects(n, random); },
                     [&](void* place) { ::new (place) T(value); });
    }

    /// The next item, or nothing. Drops what the discipline gives up, and what cannot be finished before its deadline.
    [[nodiscard]] std::optional<item> try_pop(time_point now) {
        return try_pop_at([now] { return now; });
    }
    [[nodiscard]] std::optional<item> try_pop() {
        return try_pop_at([this] { return clock_.now(); });
    }

    /// As try_pop, but waits for an item until the deadline, a stop, or the end: closed and empty. An item that is there
    /// comes first. Only a steady_clock lets a thread sleep; see detail/clock_wait.hpp for others.
    [[nodiscard]] std::optional<item> pop_until(time_point deadline, std::stop_token stop = {}) {
        std::unique_lock lock(mutex_);
        for (;;) {
            auto* const n = next_to_deliver(lock, [this] { return clock_.now(); });
            if (n != nullptr) return deliver(*n);
            if (pending_ > 0) continue;  // came while a handler ran
            if (closed_ || !wait(lock, deadline, stop)) return std::nullopt;
        }
    }
    [[nodiscard]] std::optional<item> pop(std::stop_token stop = {}) {
        return pop_until(time_point::max(), std::move(stop));
    }

    /// Refuses every further push; pops go on until nothing waits.
    void close() {
        {
            std::lock_guard const lock(mutex_);
            closed_ = true;
        }
        available_.notify_all();
    }
    [[nodiscard]] bool closed() const {
        std::lock_guard const lock(mutex_);
        return closed_;
    }

    /// Takes out everything that waits now, due or not: sink(T&&, drop_info const&) for each, without the lock. Returns
    /// how many. The sink may push again; that item stays.
    template <class Sink>
        requires std::invocable<Sink&, T&&, drop_info const&>
    std::size_t drain(Sink&& sink) {
        struct rest {  // what the sink did not get is next
            bounded_queue&     queue;
            detail::queue_list items{};
            ~rest() {
                while (auto* const n = static_cast<node*>(items.pop_back())) queue.take_back(*n);
            }
        };
        std::size_t      count = 0;
        std::unique_lock lock(mutex_);
        rest             taken{*this};
        while (auto* const n = next_of_any()) {
            leave(*n);
            taken.items.push_back(*n);
        }
        estimate_.emptied();
        while (auto* const n = static_cast<node*>(taken.items.pop_front())) {
            ++counters_.drained;
            ++count;
            hand_over(lock, *n, n->info(drop_reason::drained, latest_), sink);
        }
        change_level(lock, nullptr);
        return count;
    }
    /// The same as a list. Throws only std::bad_alloc, and then nothing was taken: what a level callback throws here leaves
    /// the next pop, or push of an item that is taken.
    [[nodiscard]] std::vector<item> drain()
        requires std::is_nothrow_move_constructible_v<T>
    {
        std::unique_lock  lock(mutex_);
        std::vector<item> all;
        all.reserve(pending_);
        while (auto* const n = next_of_any()) {
            ++counters_.drained;
            leave(*n);
            all.emplace_back(std::move(n->value()), n->attributes, n->enqueued, n->sojourn(latest_));
            store_.destroy(*n);
        }
        estimate_.emptied();
        change_level_later(lock);
        return all;
    }

    /// Without a drop handler: the items dropped since the last call. Throws as drain() does.
    [[nodiscard]] std::vector<dropped_item> take_dropped()
        requires std::is_nothrow_move_constructible_v<T>
    {
        std::unique_lock          lock(mutex_);
        std::vector<dropped_item> all;
        all.reserve(dropped_.size());
        while (auto* const n = static_cast<node*>(dropped_.pop_front())) {
            all.push_back(dropped_item{std::move(n->value()), n->info(n->reason, n->dropped_at)});
            store_.destroy(*n);
        }
        change_level_later(lock);
        return all;
    }

    /// A consumer tells how long an item took to serve. The mean of the last ones is the margin that an item must have
    /// before its deadline. After 32 items that were refused or dropped for this margin alone, each further one lowers the
    /// mean by 1/32 until one is served and reported. A negative time tells nothing.
    void report_service(duration took) {
        std::lock_guard const lock(mutex_);
        estimate_.served(took);
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return options_.capacity; }
    /// Items that wait.
    [[nodiscard]] std::size_t size_approx() const {
        std::lock_guard const lock(mutex_);
        return pending_;
    }
    /// What serving an item takes, as far as is known.
    [[nodiscard]] duration expected_service() const {
        std::lock_guard const lock(mutex_);
        return estimate_.service();
    }
    /// How long an item with these attributes would wait, as far as is known.
    [[nodiscard]] duration estimated_wait(item_attributes const& attributes = {}) const {
        std::lock_guard const lock(mutex_);
        return estimate_.wait_for(cost_ahead(attributes, latest_));
    }
    [[nodiscard]] bounded_queue_counters counters() const {
        std::lock_guard const lock(mutex_);
        return counters_;
    }

    [[nodiscard]] load_level level() const noexcept { return gauge_.level(); }
    /// For listeners: on_edge, when_below, wait_below. Its measurements come from the queue.
    [[nodiscard]] load_gauge<Clock>& gauge() noexcept { return gauge_; }

    /// f(discipline) under the lock.
    template <class F>
    decltype(auto) inspect(F&& f) const {
        std::lock_guard const lock(mutex_);
        return std::forward<F>(f)(discipline_);
    }

private:
    using node = detail::item_node<T>;

    static bounded_queue_options const& checked(bounded_queue_options const& o) {
        detail::require_option(o.capacity > 0, "bounded_queue: capacity (> 0)", o.capacity);
        detail::require_option(o.max_delay.count() > 0, "bounded_queue: max_delay (> 0 ns)", o.max_delay.count());
        detail::require_option(o.expected_service.count() >= 0, "bounded_queue: expected_service (>= 0 ns)",
                               o.expected_service.count());
        detail::require_option(o.expected_drain.count() >= 0, "bounded_queue: expected_drain (>= 0 ns)",
                               o.expected_drain.count());
        return o;
    }

    // ---- all below: under the lock ----

    time_point advance(time_point now) noexcept { return latest_ = std::max(latest_, now); }

    template <class Ramp, class Make>
    push_result offer(item_attributes const& attributes, time_point time, Ramp&& ramp, Make&& make) {
        std::unique_lock lock(mutex_);
        push_result      result;
        bool             chance_taken = false;
        for (;;) {
            auto const now = advance(time);
            result = judge(attributes, now);
            if (result.accepted() && !chance_taken && ramp(pending_)) result = refusal(reject_reason::ramp);
            chance_taken = true;
            if (!result.accepted() || store_.has_place()) break;
            // A handler takes what is given up for the item. It runs without the lock: look at everything again.
            auto* const given_up = on_drop_ ? make_room(attributes, now) : nullptr;
            if (given_up == nullptr) {
                result = refusal(dropped_.size() > 0 ? reject_reason::dropped_not_taken : reject_reason::full);
                break;
            }
            bool const late = given_up->attributes.deadline < estimate_.earliest_useful(now);
            drop(lock, *given_up, late ? drop_reason::expired : drop_reason::displaced, now);
        }
        auto const before = gauge_.level();
        if (!result.accepted()) {
            ++counters_.rejected;
            result.level = note_level();
            untold_ = untold_ || result.level != before;
            return result;
        }
        admit(attributes, latest_, make);
        ++counters_.accepted;
        result.level = note_level();
        bool const wake = waiting_ > 0;
        if (result.level == before && !untold_) {
            lock.unlock();
            if (wake) available_.notify_one();
        } else {
            if (wake) available_.notify_one();
            tell_level(lock);
        }
        return result;
    }

    [[nodiscard]] push_result refusal(reject_reason why) const noexcept { return {why, estimate_.wait_for(1), {}}; }

    /// Every reason but a lack of places.
    [[nodiscard]] push_result judge(item_attributes const& attributes, time_point now) noexcept {
        if (closed_) return {reject_reason::closed, duration::max(), {}};
        auto const wait = estimate_.wait_for(cost_ahead(attributes, now));
        if (!estimate_.in_time(attributes.deadline, wait, now)) return {reject_reason::deadline, duration::max(), {}};
        if constexpr (requires { { discipline_.admits(attributes) } -> std::same_as<bool>; }) {
            if (!discipline_.admits(attributes)) return refusal(reject_reason::tenant_quota);
        }
        auto const excess = estimate_.excess(wait);
        if (excess.count() > 0) return {reject_reason::delay, excess, {}};
        return {};
    }

    [[nodiscard]] std::uint64_t cost_ahead(item_attributes const& attributes, time_point now) const noexcept {
        if constexpr (requires { discipline_.cost_ahead(attributes, now); })
            return std::min(pending_cost_, discipline_.cost_ahead(attributes, now));
        return pending_cost_;
    }

    [[nodiscard]] node* make_room(item_attributes const& attributes, time_point now) noexcept {
        if constexpr (requires { discipline_.make_room(attributes, now); }) {
            auto* const n = static_cast<node*>(discipline_.make_room(attributes, estimate_.earliest_useful(now)));
            if (n != nullptr) leave(*n);
            return n;
        } else {
            return nullptr;
        }
    }

    template <class Make>
    void admit(item_attributes const& attributes, time_point now, Make&& make) {
        store_.prepare();
        if constexpr (preparing_discipline<Discipline>) discipline_.prepare(attributes);
        node& n = store_.put(make);  // the last thing that may throw
        n.attributes = attributes;
        n.enqueued = now;
        discipline_.push(n, now);
        ++pending_;
        pending_cost_ += work_of(attributes);
    }

    /// The node is no longer among those that wait.
    void leave(node const& n) noexcept {
        --pending_;
        pending_cost_ -= work_of(n.attributes);
    }

    /// Whatever is next, due or not. The destructor's too.
    [[nodiscard]] node* next_of_any() noexcept {
        if (auto* const n = returned_.pop_front(); n != nullptr) return static_cast<node*>(n);
        return static_cast<node*>(discipline_.pop(latest_).node);
    }

    /// Calls f with the item without the lock; afterwards, also after an exception, the place is free.
    template <class F>
    void hand_over(std::unique_lock<std::mutex>& lock, node& n, drop_info const& info, F& f) {
        struct place {
            bounded_queue&                queue;
            std::unique_lock<std::mutex>& lock;
            node&                         n;
            ~place() {
                std::destroy_at(&n.value());
                lock.lock();
                queue.store_.give_back(n);
            }
        };
        lock.unlock();
        place const after{*this, lock, n};
        f(std::move(n.value()), info);
    }

    /// Gives up a node that has left.
    void drop(std::unique_lock<std::mutex>& lock, node& n, drop_reason why, time_point now) {
        if (pending_ == 0) estimate_.emptied();
        auto& c = counters_;
        ++(why == drop_reason::shed ? c.shed : why == drop_reason::expired ? c.expired : c.displaced);
        if (on_drop_) {
            waking guard{*this};  // an exception must not leave another consumer asleep beside an item
            hand_over(lock, n, n.info(why, now), on_drop_);
            guard.armed = false;
        } else {
            n.reason = why;
            n.dropped_at = now;
            dropped_.push_back(n);
        }
    }

    struct waking {
        bounded_queue& queue;
        bool           armed = true;
        ~waking() {
            if (armed && queue.pending_ > 0 && queue.waiting_ > 0) queue.available_.notify_one();
        }
    };

    template <class Time>
    [[nodiscard]] std::optional<item> try_pop_at(Time&& time) {
        std::unique_lock lock(mutex_);
        auto* const      n = next_to_deliver(lock, time);
        if (n == nullptr) return std::nullopt;
        return deliver(*n);
    }

    /// Takes out the node to be delivered; null when nothing waits. The time is asked for anew after a handler has run.
    template <class Time>
    [[nodiscard]] node* next_to_deliver(std::unique_lock<std::mutex>& lock, Time&& time) {
        for (;;) {
            auto const  now = advance(time());
            popped_node popped{returned_.pop_front(), false};
            if (popped.node == nullptr) popped = discipline_.pop(now);
            auto* const n = static_cast<node*>(popped.node);
            if (n == nullptr) {
                change_level(lock, nullptr);
                return nullptr;
            }
            leave(*n);
            if (popped.shed || n->attributes.deadline < estimate_.earliest_useful(now)) {
                if (!popped.shed) estimate_.expired(n->attributes.deadline, now);
                drop(lock, *n, popped.shed ? drop_reason::shed : drop_reason::expired, now);
                continue;
            }
            change_level(lock, n);
            estimate_.delivered(latest_, n->enqueued, work_of(n->attributes), pending_ > 0);
            return n;
        }
    }

    /// Notes the level and tells its listeners, without the lock. If one throws, the node goes back to be the next one.
    void change_level(std::unique_lock<std::mutex>& lock, node* n) {
        auto const before = gauge_.level();
        if (note_level() == before && !untold_) return;
        try {
            tell_level(lock);
        } catch (...) {
            lock.lock();
            if (n != nullptr) take_back(*n);
            throw;
        }
        lock.lock();
    }

    /// The same for a call whose result must not be lost to an exception: a later call throws it.
    void change_level_later(std::unique_lock<std::mutex>& lock) noexcept {
        try {
            change_level(lock, nullptr);
        } catch (...) {  // locked again
            thrown_ = std::current_exception();
            untold_ = true;
        }
    }

    /// Tells the listeners what they do not know yet. Returns, or throws, unlocked.
    void tell_level(std::unique_lock<std::mutex>& lock) {
        untold_ = false;
        auto const thrown = std::exchange(thrown_, nullptr);
        lock.unlock();
        gauge_.deliver();
        if (thrown) std::rethrow_exception(thrown);
    }

    [[nodiscard]] std::optional<item> deliver(node& n) {
        struct result {
            bounded_queue& queue;
            node&          n;
            int            exceptions = std::uncaught_exceptions();
            ~result() {  // after the value has been moved to where the caller wants it
                if (std::uncaught_exceptions() > exceptions) {
                    queue.take_back(n);
                } else {
                    ++queue.counters_.delivered;
                    queue.store_.destroy(n);
                }
            }
        };
        result const after{*this, n};
        return std::optional<item>(std::in_place, std::move(n.value()), n.attributes, n.enqueued, n.sojourn(latest_));
    }

    void take_back(node& n) noexcept {
        returned_.push_front(n);
        ++pending_;
        pending_cost_ += work_of(n.attributes);
        if (waiting_ > 0) available_.notify_one();
    }

    /// Measures the queue for the load level. Without memory for a change of level the level stays.
    load_level note_level() noexcept {
        auto const share = static_cast<double>(pending_) / static_cast<double>(options_.capacity);
        auto const forgotten = !store_.has_place() && dropped_.size() > 0 ? 1.0 : 0.0;
        try {
            return gauge_.note(std::max({share, estimate_.fill(pending_cost_), forgotten}), latest_);
        } catch (...) {
            return gauge_.level();
        }
    }

    [[nodiscard]] bool wait(std::unique_lock<std::mutex>& lock, time_point deadline, std::stop_token const& stop) {
        struct sleeping {
            std::size_t& count;
            explicit sleeping(std::size_t& n) noexcept : count(n) { ++count; }
            ~sleeping() { --count; }
        } const one_more(waiting_);
        return detail::clock_wait(available_, lock, clock_, deadline, stop, [&] { return pending_ > 0 || closed_; });
    }

    bounded_queue_options const options_;
    reject_ramp const           ramp_;
    load_gauge<Clock>           gauge_;
    drop_handler                on_drop_;
    [[no_unique_address]] Clock clock_;
    mutable std::mutex          mutex_;
    std::condition_variable_any available_;
    Discipline                  discipline_;
    detail::queue_list          returned_;  // items whose move threw, or which a sink left: they are next
    detail::queue_list          dropped_;   // for take_dropped
    detail::item_store<T>       store_;
    detail::wait_estimate       estimate_;
    std::size_t                 pending_ = 0;
    std::uint64_t               pending_cost_ = 0;
    std::size_t                 waiting_ = 0;  // consumers asleep
    time_point                  latest_ = time_point::min();
    bounded_queue_counters      counters_;
    bool                        closed_ = false;
    bool                        untold_ = false;  // a change of level, or thrown_
    std::exception_ptr          thrown_;          // by a level callback while drain made a list
};

}  // namespace sluice
