// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// trace_recorder, trace_event, trace_log — an observer that writes down what happened when, thread by thread.
///
/// Use it for     a picture of a run (export_trace); events of your own between the tasks, by record
/// Not for        numbers over long times (queue_wait_histogram, pool_metrics)
/// Thread-safety  any thread
/// Progress       record: wait-free, each thread has a ring of its own; its first event allocates it. take: one at a time, by a
///                mutex that recording does not know
/// Complexity     record: O(1), about 100 bytes written. Memory: at most threads × events × 96 bytes or so
/// Errors         options of 0 throw std::invalid_argument. What finds no room, ring or memory is dropped and counted. record never
///                throws
/// Units          times on the observed executor's clock; threads are numbered from 1 in the order of their first event anywhere

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/executor/detail/per_thread_table.hpp>
#include <sluice/executor/detail/thread_number.hpp>
#include <sluice/executor/detail/trace_ring.hpp>
#include <sluice/executor/observer.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

/// Something that took a while, or, without a length, that happened. The texts outlive the recorder: literals.
struct trace_event {
    enum class kind : std::uint8_t { span, instant };

    std::string_view name{};
    std::string_view category{};
    kind             what = kind::instant;
    time_point       at{};
    duration         length{0};
    std::string_view key[2] = {};    ///< names of the two numbers; empty: there is none
    std::uint64_t    value[2] = {};
};

struct trace_log {
    struct entry {
        std::uint64_t thread;
        trace_event   event;
    };
    std::vector<entry>                   entries;      ///< by time; of one time, longer spans first
    std::map<std::uint64_t, std::string> thread_names;
    std::uint64_t                        dropped = 0;  ///< since the recorder was made
};

struct trace_options {
    std::size_t threads = 256;  ///< that ever record
    std::size_t events = 4096;  ///< of one thread between two takes; rounded up to a power of two
};

class trace_recorder {
public:
    explicit trace_recorder(trace_options options = {})
        : events_(checked(options).events), rings_(options.threads) {}

    void record(trace_event const& e) noexcept { record(detail::thread_number(), e); }

    void on_submit(task_info const&) noexcept {}
    void on_start(task_info const&) noexcept {}
    void on_exception(task_info const&, std::exception_ptr const&) noexcept {}
    /// A span from start to end, with the number of the task and how long it had waited; of one that never ran, an instant.
    void on_finish(task_info const& t, task_status s) noexcept {
        trace_event e{.name = t.name.empty() ? std::string_view("task") : t.name, .category = to_string(s), .key = {"id", "waited_ns"}};
        e.value[0] = t.id;
        if (s == task_status::dropped) {
            e.at = t.submitted;
            e.key[1] = {};
        } else {
            e.what = trace_event::kind::span;
            e.at = t.started;
            e.length = std::max(duration(0), saturating_sub(t.finished, t.started));
            e.value[1] = static_cast<std::uint64_t>(std::max(duration(0), saturating_sub(t.started, t.submitted)).count());
        }
        record(e);
    }

    /// For the picture; of the calling thread. Takes the mutex.
    void name_this_thread(std::string name) {
        std::lock_guard const lock(mutex_);
        names_[detail::thread_number()] = std::move(name);
    }

    /// What has been recorded and not been taken, in order of time. What is recorded meanwhile may be in it. If memory
    /// runs out what had been taken out is lost and counted.
    [[nodiscard]] trace_log take() {
        std::lock_guard const lock(mutex_);
        trace_log             log;
        log.thread_names = names_;
        std::vector<trace_log::entry> found;
        try {
            rings_.for_each([&](std::uint64_t thread, ring& r) {
                r.drain([&](trace_event const& e) { found.push_back({thread, e}); });
            });
            std::vector<std::size_t> order(found.size());
            for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
            std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t k) {
                auto const& a = found[i].event;
                auto const& b = found[k].event;
                return a.at != b.at ? a.at < b.at : a.length != b.length ? a.length > b.length : i < k;
            });
            log.entries.reserve(found.size());
            for (std::size_t const i : order) log.entries.push_back(found[i]);
        } catch (...) {
            lost_.fetch_add(found.size(), std::memory_order_relaxed);                                // (stat)
            throw;
        }
        log.dropped = dropped();
        return log;
    }

    [[nodiscard]] std::uint64_t dropped() const noexcept {
        std::uint64_t n = lost_.load(std::memory_order_relaxed);                                     // (stat)
        rings_.for_each([&](std::uint64_t, ring const& r) { n += r.dropped(); });
        return n;
    }

private:
    using ring = detail::trace_ring<trace_event>;

    static trace_options const& checked(trace_options const& o) {
        detail::require_option(o.threads >= 1 && o.threads <= (std::size_t{1} << 24), "trace_options::threads (1 to 2^24)", o.threads);
        detail::require_option(o.events >= 1 && o.events <= (std::size_t{1} << 24), "trace_options::events (1 to 2^24)", o.events);
        return o;
    }

    void record(std::uint64_t thread, trace_event const& e) noexcept {
        ring* const r = rings_.mine(thread, [this]() noexcept -> ring* {
            try {
                return new ring(events_);
            } catch (std::bad_alloc const&) {
                return nullptr;
            }
        });
        if (r == nullptr)
            lost_.fetch_add(1, std::memory_order_relaxed);                                           // (stat)
        else
            static_cast<void>(r->push(e));
    }

    std::size_t const                    events_;
    detail::per_thread_table<ring>       rings_;
    std::atomic<std::uint64_t>           lost_{0};
    mutable std::mutex                   mutex_;
    std::map<std::uint64_t, std::string> names_;
};

static_assert(task_observer<trace_recorder>);

}  // namespace sluice
