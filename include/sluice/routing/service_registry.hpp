// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// service_registry — instances announce themselves, keep saying that they live, and are found by the name of their service.
///
/// Use it for     the list of nodes behind a balancer or placement that keeps itself up to date
/// Not for        agreement between several registries: this is one process's view (put its watch events on a wire for more)
/// Thread-safety  any thread, also from inside a callback. A reader belongs to one thread at a time. Destruction: after
///                everyone has left, readers too
/// Progress       readers: wait-free, no lock, no allocation. Everything else: one mutex, never held while a callback runs
/// Complexity     heartbeat: O(log instances), no allocation while the instance is healthy. A change: O(services) and a copy of
///                the service's list. expire: O(log instances) for each change, and a copy of each list that changes
/// Errors         std::invalid_argument for options that cannot work, an instance without service or id, and incarnation
///                2^64 - 1. std::bad_alloc has no effect; expire keeps what it has done by then, and says so. What callbacks
///                throw: the change is made, all callbacks due have run, then the first exception leaves the call
/// Units          times in integer nanoseconds; a `now` from the past counts as the latest one seen. Limits in multiples of ttl
///
///     sluice::service_registry registry({.ttl = 10s});
///     auto const mine = registry.register_instance({.service = "db", .id = "db-1", .address = "10.0.0.1:5432"});
///     registry.heartbeat("db", "db-1", mine.incarnation);                         // several times per ttl
///     auto reader = registry.reader();                                            // once per thread
///     for (auto const& e : reader.discover("db")) use(e.instance->address);       // the healthy ones
///
/// Health. An instance is unhealthy from unhealthy_after × ttl after its last sign of life (a registration or heartbeat), and
/// removed from remove_after × ttl on: at exactly that time it is. It is healthy again with the next heartbeat. All this happens
/// in expire(), which somebody calls when it says so (service_registry_driver): health is as of the last call.
///
/// Old messages. An id's lives are numbered. A registration, heartbeat or deregistration with a number smaller than the one
/// that is known is stale and changes nothing. A life that was removed is remembered for forget_after × ttl, so that its own
/// late messages cannot revive it: it registers anew, with a larger number, when its heartbeat is answered with unknown.
/// A registration that says something else needs a larger number too; the same one again is a heartbeat.
///
/// Self-preservation (most_expiring < 1, off by default). If many instances fall silent at once it is probably the registry
/// that hears nothing. So no more than this share of the instances, but at least one, is removed within a ttl (counted from
/// the first removal), those that have been silent longest first; the others stay, unhealthy, until it is their turn. It ends by
/// itself: each ttl takes its share of what is left, or they speak again. Deregistration is not limited.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/snapshot.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/routing/service_directory.hpp>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace sluice {

struct service_registry_options {
    duration ttl = std::chrono::seconds(30);  ///< > 0
    double   unhealthy_after = 1;             ///< × ttl without a sign of life; > 0
    double   remove_after = 3;                ///< × ttl without a sign of life; >= unhealthy_after
    double   forget_after = 10;               ///< × ttl after its removal an instance is forgotten; >= 0
    double   most_expiring = 1;               ///< share of the instances that may expire within a ttl; 0 < share <= 1; 1: all
};

/// What became of a message.
enum class registry_answer : std::uint8_t {
    registered,  ///< a new instance
    updated,     ///< a known instance in a new incarnation
    renewed,     ///< heard: it lives
    removed,     ///< it is gone, at its own wish
    stale,       ///< the message is older than what is known, or contradicts it; nothing changed
    unknown      ///< there is no such instance, or only an older life of it: register
};

struct registration {
    registry_answer answer = registry_answer::stale;
    std::uint64_t   incarnation = 0;  ///< of the instance as it is known now; for heartbeat and deregister

    [[nodiscard]] explicit operator bool() const noexcept { return answer != registry_answer::stale; }
};

enum class service_change : std::uint8_t { registered, updated, healthy, unhealthy, deregistered, expired };

/// One change. An updated instance is healthy. One that goes is told as it was.
struct service_event {
    service_change                          change = service_change::registered;
    std::shared_ptr<service_instance const> instance;
    std::uint64_t                           version = 0;  ///< of the directory that shows it
    time_point                              at{};
};

struct expiry_report {
    std::vector<service_event> changes;      ///< in the order in which they are told to callbacks
    time_point                 next{};       ///< nothing comes due before; call again then
    std::size_t                delayed = 0;  ///< instances that self-preservation keeps
};

/// A thread's way into the registry; see service_registry::reader.
class service_registry_reader {
public:
    explicit service_registry_reader(snapshot<service_directory>& versions) : reader_(versions) {}

    /// The instances of a service in the order of their ids: good until the next call of this reader, unless a view keeps them.
    [[nodiscard]] std::span<service_entry const> discover(std::string_view service,
                                                          health_filter    filter = health_filter::healthy_only) noexcept {
        return reader_.get().discover(service, filter);
    }
    [[nodiscard]] service_directory const&         directory() noexcept { return reader_.get(); }
    [[nodiscard]] snapshot_view<service_directory, std::atomic> view() noexcept { return reader_.view(); }
    [[nodiscard]] std::uint64_t                    version() noexcept { return reader_.version(); }
    /// Lets go of the version: for a thread that pauses.
    void release() noexcept { reader_.release(); }

private:
    snapshot_reader<service_directory> reader_;
};

template <clock_source Clock = steady_clock>
class service_registry {
public:
    using callback = unique_function<void(service_event const&)>;
    using clock_type = Clock;

    explicit service_registry(service_registry_options options = {}, Clock clock = {})
        : options_(options), clock_(std::move(clock)), own_(directory_) {
        using detail::require_option;
        auto const finite = [](double d) { return std::isfinite(d); };
        require_option(options.ttl.count() > 0, "service_registry: ttl in ns (> 0)", options.ttl.count());
        require_option(options.unhealthy_after > 0 && finite(options.unhealthy_after),
                       "service_registry: unhealthy_after (> 0, finite)", options.unhealthy_after);
        require_option(options.remove_after >= options.unhealthy_after && finite(options.remove_after),
                       "service_registry: remove_after (>= unhealthy_after, finite)", options.remove_after);
        require_option(options.forget_after >= 0 && finite(options.forget_after),
                       "service_registry: forget_after (>= 0, finite)", options.forget_after);
        require_option(options.most_expiring > 0 && options.most_expiring <= 1,
                       "service_registry: most_expiring (0 < share <= 1)", options.most_expiring);
        unhealthy_after_ = std::max(times(options.unhealthy_after), duration(1));
        remove_after_ = std::max(times(options.remove_after), unhealthy_after_);
        forget_after_ = times(options.forget_after);
    }
    service_registry(service_registry const&) = delete;
    service_registry& operator=(service_registry const&) = delete;

    /// An instance is there, or is there again, or says something new about itself.
    registration register_instance(service_instance instance, time_point now) {
        detail::require_option(!instance.service.empty(), "service_registry: length of the service's name (> 0)", 0);
        detail::require_option(!instance.id.empty(), "service_registry: length of the instance's id (> 0)", 0);
        detail::require_option(instance.incarnation < UINT64_MAX, "service_registry: incarnation (< 2^64 - 1)",
                               instance.incarnation);
        registration result;
        deliver_if([&] {
            now = advance(now);
            record* const       r = find(instance.service, instance.id);
            std::uint64_t const known = r != nullptr ? r->second.incarnation : 0;
            bool const          lives = r != nullptr && r->second.state != life::gone;
            if (instance.incarnation == 0) {  // the next one, unless it says what is known
                instance.incarnation = known;
                if (!lives || instance != *r->second.instance) {
                    if (known == UINT64_MAX) return result = {registry_answer::stale, known}, false;
                    instance.incarnation = std::max(known + 1, ++assigned_);  // assigned_: also after known was forgotten
                }
            }
            if (instance.incarnation == known && lives && instance == *r->second.instance) {
                result = {registry_answer::renewed, known};
                return renew(*r, now);
            }
            if (r != nullptr && instance.incarnation <= known) return result = {registry_answer::stale, known}, false;
            result = {lives ? registry_answer::updated : registry_answer::registered, instance.incarnation};
            auto const made = std::make_shared<service_instance const>(std::move(instance));
            return admit(r, made, lives ? service_change::updated : service_change::registered, now);
        });
        return result;
    }
    registration register_instance(service_instance instance) { return register_instance(std::move(instance), clock_.now()); }

    /// A sign of life of this incarnation. renewed, stale or unknown.
    registry_answer heartbeat(std::string_view service, std::string_view id, std::uint64_t incarnation, time_point now) {
        registry_answer result = registry_answer::unknown;
        deliver_if([&] {
            now = advance(now);
            record* const r = find(service, id);
            if (r == nullptr || incarnation > r->second.incarnation) return false;
            if (incarnation < r->second.incarnation) return result = registry_answer::stale, false;
            if (r->second.state == life::gone) return false;
            result = registry_answer::renewed;
            return renew(*r, now);
        });
        return result;
    }
    registry_answer heartbeat(std::string_view service, std::string_view id, std::uint64_t incarnation) {
        return heartbeat(service, id, incarnation, clock_.now());
    }

    /// This incarnation is going. removed, stale or unknown; also one that was unknown cannot register later.
    registry_answer deregister(std::string_view service, std::string_view id, std::uint64_t incarnation, time_point now) {
        registry_answer result = registry_answer::unknown;
        deliver_if([&] {
            now = advance(now);
            record* const r = find(service, id);
            if (r == nullptr) {
                remember(service, id, incarnation, now);
                return false;
            }
            if (incarnation < r->second.incarnation) return result = registry_answer::stale, false;
            if (r->second.state == life::gone) {
                r->second.incarnation = incarnation;
                return false;
            }
            result = registry_answer::removed;
            change_list changes{{{r->second.instance, false}, false}};
            event_list  told;
            if (!watchers_.empty()) told.push_back({service_change::deregistered, r->second.instance, next_version(), now});
            commit(changes, told);
            bury(*r, incarnation, now);
            return true;
        });
        return result;
    }
    registry_answer deregister(std::string_view service, std::string_view id, std::uint64_t incarnation) {
        return deregister(service, id, incarnation, clock_.now());
    }

    /// Does what is due at `now`: marks the silent unhealthy, removes those that have been silent for too long, forgets. Where
    /// memory ends on the way, the report tells what has been done, and `next` is now.
    expiry_report expire(time_point now) {
        expiry_report report;
        deliver_if([&] {
            now = advance(now);
            bool told = false;
            try {
                told = expire_healthy(now, report);
                told = expire_unhealthy(now, report) || told;
            } catch (std::bad_alloc const&) {
                if (report.changes.empty()) throw;
                report.next = now;
                return told;
            }
            forget(now);
            report.next = next_due(now);
            return told;
        });
        return report;
    }
    expiry_report expire() { return expire(clock_.now()); }

    /// For one thread: looks that wait for nobody. Allocates; may throw, and then nothing has changed.
    [[nodiscard]] service_registry_reader reader() { return service_registry_reader(directory_); }

    /// A copy of what a reader would find, under the lock.
    [[nodiscard]] std::vector<service_entry> discover(std::string_view service,
                                                      health_filter    filter = health_filter::healthy_only) const {
        std::lock_guard const      lock(mutex_);
        auto const                 found = own_.get().discover(service, filter);
        std::vector<service_entry> all(found.begin(), found.end());
        own_.release();
        return all;
    }

    /// Counts the changes: a directory with another number is another one. The first is 1, and empty.
    [[nodiscard]] std::uint64_t version() const noexcept { return directory_.version(); }

    /// Calls f at every change from now on, of the service with this name or, if it is empty, of all: each change once, in
    /// their order, one at a time, on the thread that made the change or on one that is delivering an earlier one. While a
    /// callback takes its time, changes wait for it, any number of them. Returns a number for unwatch.
    std::uint64_t watch(std::string service, callback f) {
        SLUICE_ASSERT(static_cast<bool>(f));
        auto                  made = std::make_shared<watcher>(std::move(service), std::move(f));
        std::lock_guard const lock(mutex_);
        made->after = told_;
        watchers_.emplace_hint(watchers_.end(), next_watch_, std::move(made));
        return next_watch_++;
    }

    /// The callback is not called any more, and has returned (but for the one that this is called from). False: there is none
    /// with this number.
    bool unwatch(std::uint64_t number) {
        std::shared_ptr<watcher> gone;  // destroyed without the lock
        std::unique_lock         lock(mutex_);
        auto const               at = watchers_.find(number);
        if (at == watchers_.end()) return false;
        gone = std::move(at->second);
        watchers_.erase(at);
        if (calling_ == number && caller_ != std::this_thread::get_id()) returned_.wait(lock, [&] { return calling_ != number; });
        return true;
    }

    [[nodiscard]] service_registry_options const& options() const noexcept { return options_; }
    [[nodiscard]] Clock const&                    clock() const noexcept { return clock_; }

private:
    enum class life : std::uint8_t { healthy, unhealthy, gone };
    struct knowledge;
    using key = std::pair<std::string, std::string>;  // service, id
    using key_view = std::pair<std::string_view, std::string_view>;
    struct key_less {
        using is_transparent = void;
        static key_view view(key const& k) noexcept { return {k.first, k.second}; }
        static key_view view(key_view k) noexcept { return k; }
        bool operator()(auto const& a, auto const& b) const noexcept { return view(a) < view(b); }
    };
    using record_map = std::map<key, knowledge, key_less>;
    using record = typename record_map::value_type;
    using due_map = std::multimap<time_point, record*>;
    /// What is known of an id. Its turn in one of the three queues is a node that goes from one to the other.
    struct knowledge {
        std::shared_ptr<service_instance const> instance;  // null: gone
        std::uint64_t                           incarnation = 0;
        time_point                              last{};     // sign of life
        life                                    state = life::healthy;
        typename due_map::iterator              due{};
    };
    struct watcher {
        watcher(std::string s, callback f) : service(std::move(s)), call(std::move(f)) {}
        std::string   service;
        callback      call;
        std::uint64_t after = 0;
    };
    using change_list = std::vector<service_directory::change>;
    using event_list = std::list<service_event>;

    [[nodiscard]] duration times(double factor) const noexcept {
        double const whole = std::floor(factor);
        auto const   ttl = options_.ttl.count();
        if (whole >= 9e18 || static_cast<std::int64_t>(whole) > duration::max().count() / ttl) return duration::max();
        return saturating_add(duration(static_cast<std::int64_t>(whole) * ttl),
                              duration(static_cast<std::int64_t>(std::floor((factor - whole) * static_cast<double>(ttl) + 0.5))));
    }

    time_point advance(time_point now) noexcept { return latest_ = std::max(latest_, now); }

    [[nodiscard]] record* find(std::string_view service, std::string_view id) noexcept {
        auto const at = records_.find(key_view(service, id));
        return at == records_.end() ? nullptr : &*at;
    }
    [[nodiscard]] due_map& queue(life s) noexcept { return queues_[static_cast<std::size_t>(s)]; }
    [[nodiscard]] std::size_t population() noexcept { return queue(life::healthy).size() + queue(life::unhealthy).size(); }
    [[nodiscard]] std::uint64_t next_version() const noexcept { return directory_.version() + 1; }

    /// The last step that may throw of every change: publishes them, and lets the callbacks be told.
    void commit(change_list const& changes, event_list& told) {
        directory_.update([&](service_directory& d) { d.apply(changes); });
        told_ += told.size();
        pending_.splice(pending_.end(), told);
    }

    void move(record& r, life to, time_point due) noexcept {
        auto node = queue(r.second.state).extract(r.second.due);
        node.key() = due;
        r.second.state = to;
        due_map& q = queue(to);
        r.second.due = q.insert(q.end(), std::move(node));  // usually the last: all wait equally long
    }

    /// True: there is something to tell.
    bool renew(record& r, time_point now) {
        bool const better = r.second.state == life::unhealthy;
        if (better) {
            change_list changes{{{r.second.instance, true}, true}};
            event_list  told;
            if (!watchers_.empty()) told.push_back({service_change::healthy, r.second.instance, next_version(), now});
            commit(changes, told);
        }
        r.second.last = now;
        move(r, life::healthy, saturating_add(now, unhealthy_after_));
        return better;
    }

    bool admit(record* r, std::shared_ptr<service_instance const> const& instance, service_change what, time_point now) {
        record_map fresh;  // a new record is made beside, and joins when nothing can fail any more
        due_map    turn;
        if (r == nullptr) {
            r = &*fresh.try_emplace(key(instance->service, instance->id)).first;
            r->second.due = turn.emplace(time_point{}, r);
        }
        change_list changes{{{instance, true}, true}};
        event_list  told;
        if (!watchers_.empty()) told.push_back({what, instance, next_version(), now});
        commit(changes, told);
        join(fresh, turn, life::healthy);
        r->second.instance = instance;
        r->second.incarnation = instance->incarnation;
        r->second.last = now;
        move(*r, life::healthy, saturating_add(now, unhealthy_after_));
        return true;
    }

    void remember(std::string_view service, std::string_view id, std::uint64_t incarnation, time_point now) {
        if (service.empty() || id.empty()) return;
        record_map    fresh;
        due_map       turn;
        record* const r = &*fresh.try_emplace(key(service, id)).first;
        r->second.due = turn.emplace(saturating_add(now, forget_after_), r);
        r->second.incarnation = incarnation;
        join(fresh, turn, life::gone);
    }

    void join(record_map& fresh, due_map& turn, life s) noexcept {
        if (fresh.empty()) return;
        record& r = *fresh.begin();
        r.second.state = s;
        r.second.due = queue(s).insert(turn.extract(turn.begin()));
        records_.insert(fresh.extract(fresh.begin()));
    }

    void bury(record& r, std::uint64_t incarnation, time_point now) noexcept {
        r.second.instance.reset();
        r.second.incarnation = incarnation;
        move(r, life::gone, saturating_add(now, forget_after_));
    }

    static void sort(change_list& changes) noexcept {
        std::sort(changes.begin(), changes.end(), [](auto const& a, auto const& b) {
            auto const &x = *a.entry.instance, &y = *b.entry.instance;
            return key_view(x.service, x.id) < key_view(y.service, y.id);
        });
    }

    /// The first n of a queue change in the same way.
    bool change_first(life from, std::size_t n, service_change what, time_point now, expiry_report& report) {
        if (n == 0) return false;
        bool const  present = what == service_change::unhealthy;
        change_list changes;
        event_list  told;
        changes.reserve(n);
        report.changes.reserve(report.changes.size() + n);
        auto it = queue(from).begin();
        for (std::size_t i = 0; i < n; ++i, ++it) {
            auto const& instance = it->second->second.instance;
            changes.push_back({{instance, false}, present});
            if (!watchers_.empty()) told.push_back({what, instance, next_version(), now});
        }
        auto const version = next_version();
        sort(changes);
        commit(changes, told);
        for (std::size_t i = 0; i < n; ++i) {
            record& r = *queue(from).begin()->second;
            report.changes.push_back({what, r.second.instance, version, now});
            if (present) move(r, life::unhealthy, saturating_add(r.second.last, remove_after_));
            else bury(r, r.second.incarnation, now);
        }
        return !watchers_.empty();
    }

    [[nodiscard]] std::size_t count_due(life s, time_point now) noexcept {
        auto const& q = queue(s);
        return static_cast<std::size_t>(std::distance(q.begin(), q.upper_bound(now)));
    }

    bool expire_healthy(time_point now, expiry_report& report) {
        return change_first(life::healthy, count_due(life::healthy, now), service_change::unhealthy, now, report);
    }

    bool expire_unhealthy(time_point now, expiry_report& report) {
        std::size_t const due = count_due(life::unhealthy, now);
        if (due == 0) return false;
        bool const  limited = options_.most_expiring < 1;
        bool const  opens = limited && now >= window_end_;
        std::size_t left = due;
        if (limited) {
            // 0.29 of 100 is 29, though a product of doubles may be a little less.
            auto const share = static_cast<std::size_t>(options_.most_expiring * static_cast<double>(population()) * (1 + 1e-12));
            left = opens ? std::max<std::size_t>(share, 1) : window_left_;
        }
        std::size_t const n = std::min(due, left);
        bool const        told = change_first(life::unhealthy, n, service_change::expired, now, report);
        if (opens) window_end_ = saturating_add(now, options_.ttl);
        if (limited) window_left_ = left - n;
        report.delayed = due - n;
        return told;
    }

    void forget(time_point now) noexcept {
        due_map& q = queue(life::gone);
        while (!q.empty() && q.begin()->first <= now) {
            records_.erase(records_.find(q.begin()->second->first));
            q.erase(q.begin());
        }
    }

    /// Nothing that is known comes due before, and nothing that comes later either.
    [[nodiscard]] time_point next_due(time_point now) noexcept {
        time_point next = saturating_add(now, unhealthy_after_);
        for (life const s : {life::healthy, life::gone})
            if (!queue(s).empty()) next = std::min(next, queue(s).begin()->first);
        if (auto const& q = queue(life::unhealthy); !q.empty())
            next = std::min(next, q.begin()->first > now ? q.begin()->first : window_end_);
        return next;
    }

    /// Runs f under the lock, and then the callbacks if it says that there is something to tell.
    template <class F>
    void deliver_if(F f) {
        {
            std::lock_guard const lock(mutex_);
            if (!f() || pending_.empty()) return;
        }
        deliver();
    }

    void deliver() {
        std::exception_ptr first;
        for (std::unique_lock lock(mutex_); !delivering_ && !pending_.empty();) {
            delivering_ = true;
            event_list now;
            now.splice(now.end(), pending_, pending_.begin());
            std::uint64_t const number = ++delivered_;
            for (std::uint64_t last = 0;;) {
                auto const at = watchers_.upper_bound(last);
                if (at == watchers_.end()) break;
                last = at->first;
                std::shared_ptr<watcher> w = at->second;
                if (w->after >= number || (!w->service.empty() && w->service != now.front().instance->service)) continue;
                calling_ = last;
                caller_ = std::this_thread::get_id();
                lock.unlock();
                try {
                    w->call(now.front());
                } catch (...) {
                    if (!first) first = std::current_exception();
                }
                w.reset();  // perhaps the last: its destructor may look at us
                lock.lock();
                calling_ = 0;
                returned_.notify_all();
            }
            delivering_ = false;
        }
        if (first) std::rethrow_exception(first);
    }

    service_registry_options    options_;
    [[no_unique_address]] Clock clock_;
    duration                    unhealthy_after_{}, remove_after_{}, forget_after_{};
    snapshot<service_directory> directory_;

    mutable std::mutex                         mutex_;  // all that follows, and every change of directory_
    mutable snapshot_reader<service_directory> own_;
    record_map                                 records_;
    due_map                                    queues_[3];  // by life
    time_point                                 latest_ = time_point::min();
    time_point                                 window_end_ = time_point::min();
    std::size_t                                window_left_ = 0;
    std::uint64_t                              assigned_ = 0;
    std::map<std::uint64_t, std::shared_ptr<watcher>> watchers_;
    event_list                                 pending_;
    std::uint64_t                              told_ = 0, delivered_ = 0;  // events that were put into pending_, taken out
    std::uint64_t                              next_watch_ = 1, calling_ = 0;
    std::thread::id                            caller_;
    std::condition_variable                    returned_;
    bool                                       delivering_ = false;
};

}  // namespace sluice
