// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// server_pool — servers that share one queue, in virtual time: start up, fail, get slow, are resized by a production autoscaler.
///
/// Use it for     the pool behind a policy under test: it is a resizable_executor (autoscale_step drives it) and a node for a
///                balancer (available, in_flight); its queue is any discipline of flow/
/// Not for        policies: who is served next, who is admitted, how many servers there are is decided by production code
/// Thread-safety  that of its simulation: one thread
/// Complexity     submit, the end of a job: O(1) beside the discipline and the simulation; request_size, fail, restart, provisioned,
///                ready, and available where nobody is: O(servers). No allocation once as many jobs have been inside before
/// Errors         std::invalid_argument: impossible options, a negative work, a speed of 0, no such server. on_end's exception leaves
///                the simulation's run with the pool in order; jobs that could begin then do so at the pool's next event. After
///                std::bad_alloc the model is to be given up
/// Units          work is what a server of speed 1000 needs, in nanoseconds
/// Example        examples/720_mm1_against_theory.cpp
///
/// Every job that submit takes ends once, and on_end is told: done; lost with the server that failed (or put back into the queue,
/// by option, to be done anew); expired: its deadline was over when its turn came; shed or displaced by the discipline.
///
/// request_size takes away servers that start first, then failed and idle ones; a busy one finishes its job. A larger request
/// keeps those that were about to leave before it starts others, which take start_delay.
///
/// little() holds Little's law to the nanosecond at any time: the integral of the jobs inside equals the sum of their sojourns,
/// those of jobs still inside taken up to now.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/flow/fifo.hpp>
#include <sluice/flow/queue_discipline.hpp>
#include <sluice/scaling/resizable_executor.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/time_integral.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sluice::sim {

enum class job_end : std::uint8_t { done, lost, expired, shed, displaced };

/// A job that has ended.
struct finished_job {
    std::uint64_t   tag;         ///< what submit was given
    item_attributes attributes;
    duration        work;
    time_point      arrived;
    time_point      began;       ///< of its last try; `ended` if it never began
    time_point      ended;
    std::uint32_t   server;      ///< done, lost: where
    job_end         end;

    [[nodiscard]] duration wait() const noexcept { return began - arrived; }
    [[nodiscard]] duration sojourn() const noexcept { return ended - arrived; }
};

enum class after_failure : std::uint8_t { lose, requeue };

struct server_pool_options {
    std::uint32_t servers = 1;              ///< ready from the beginning; <= max_servers
    std::uint32_t max_servers = 1'000'000;  ///< larger requests are cut to it; > 0
    std::size_t   capacity = SIZE_MAX;      ///< most jobs waiting, those in service not counted
    duration      start_delay{0};           ///< from the request, or a restart, until a server is ready; >= 0
    after_failure on_failure = after_failure::lose;
};

struct little_sums {
    time_integral::area inside;    ///< jobs inside · nanoseconds
    time_integral::area sojourns;  ///< nanoseconds of all jobs that ever were inside
};

template <queue_discipline Discipline = fifo>
class server_pool {
public:
    using observer = unique_function<void(finished_job const&)>;

    explicit server_pool(simulation& sim, server_pool_options options = {}, observer on_end = {}, Discipline discipline = Discipline{})
        : sim_(sim),
          options_(checked(options)),
          on_end_(std::move(on_end)),
          discipline_(std::move(discipline)),
          inside_(sim.now()),
          busy_(sim.now()) {
        servers_.resize(options.servers);
        for (auto i = options.servers; i > 0; --i) become_idle(i - 1);
    }
    server_pool(server_pool const&) = delete;
    server_pool& operator=(server_pool const&) = delete;
    ~server_pool() {
        for (auto const& s : servers_) sim_.cancel(s.event);
        while (discipline_.pop(sim_.now()).node != nullptr) {
        }
    }

    /// A job that comes now. False if it is refused: the queue is full, or the discipline does not admit it.
    bool submit(duration work, item_attributes const& attributes = {}, std::uint64_t tag = 0) {
        sluice::detail::require_option(work.count() >= 0, "server_pool: work (>= 0 ns)", work.count());
        auto const now = sim_.now();
        auto const i = idle_server();
        bool const at_once = i != none && discipline_.size() == 0;
        job*       displaced = nullptr;
        if (!at_once) {
            if constexpr (requires { { discipline_.admits(attributes) } -> std::same_as<bool>; })
                if (!discipline_.admits(attributes)) return refused();
            if (discipline_.size() >= options_.capacity) {
                if constexpr (requires { discipline_.make_room(attributes, now); })
                    displaced = static_cast<job*>(discipline_.make_room(attributes, now));
                if (displaced == nullptr) return refused();
            }
            if constexpr (preparing_discipline<Discipline>) discipline_.prepare(attributes);
        }
        auto& j = new_job();
        j.attributes = attributes;
        j.enqueued = now;
        j.work = work;
        j.tag = tag;
        ++submitted_;
        inside_.add(1, now);
        if (at_once) {
            begin(j, i);
        } else {
            discipline_.push(j, now);
            dispatch();
        }
        if (displaced != nullptr) leave_queue(*displaced, job_end::displaced);
        return true;
    }

    // ---- a resizable_executor ----

    void request_size(std::uint32_t n) {
        n = std::min(n, options_.max_servers);
        auto const active = static_cast<std::uint32_t>(
            std::count_if(servers_.begin(), servers_.end(), [](server const& s) { return s.state != gone && !s.leaving; }));
        if (n < active) shrink(active - n);
        if (n > active) grow(n - active);
    }
    [[nodiscard]] std::uint32_t provisioned() const noexcept { return count([](server const& s) { return s.state != gone; }); }
    [[nodiscard]] std::uint32_t ready() const noexcept {
        return count([](server const& s) { return (s.state == idle || s.state == serving) && !s.leaving; });
    }
    [[nodiscard]] std::uint32_t busy() const noexcept { return static_cast<std::uint32_t>(busy_.level()); }
    [[nodiscard]] std::uint64_t queued() const noexcept { return discipline_.size(); }
    [[nodiscard]] std::uint64_t submitted() const noexcept { return submitted_; }
    [[nodiscard]] std::uint64_t completed() const noexcept { return completed_; }
    [[nodiscard]] std::uint64_t busy_nanoseconds() const noexcept { return busy_.total(sim_.now()).low; }

    // ---- a node of a balancer ----

    [[nodiscard]] bool available() const noexcept {
        return std::any_of(servers_.begin(), servers_.end(),
                           [](server const& s) { return (s.state == idle || s.state == serving) && !s.leaving; });
    }
    [[nodiscard]] std::uint32_t in_flight() const noexcept { return static_cast<std::uint32_t>(inside_.level()); }

    // ---- what happens to servers; they are numbered from 0, and a place is used again ----

    /// Server i breaks down, with the job in its hands. False if there is none at work or starting.
    bool fail(std::uint32_t i) {
        auto& s = server_at(i);
        if (s.state == gone || s.state == failed) return false;
        sim_.cancel(s.event);
        auto* const j = std::exchange(s.in_hand, nullptr);
        s.state = s.leaving ? gone : failed;
        s.leaving = false;
        if (j == nullptr) return true;
        busy_.add(-1, sim_.now());
        if (options_.on_failure == after_failure::requeue) {
            if constexpr (preparing_discipline<Discipline>) discipline_.prepare(j->attributes);
            discipline_.push(*j, sim_.now());
            dispatch();
        } else {
            end(*j, job_end::lost, i);
        }
        return true;
    }
    /// A failed server starts again. False if it has not failed.
    bool restart(std::uint32_t i) {
        auto& s = server_at(i);
        if (s.state != failed) return false;
        start(i);
        return true;
    }
    /// In thousandths: 500 takes twice as long. Jobs that have begun go on as they were.
    void set_speed(std::uint32_t i, std::uint32_t thousandths) {
        sluice::detail::require_option(thousandths > 0, "server_pool: speed (> 0)", thousandths);
        server_at(i).speed = thousandths;
    }
    /// Places for servers so far, those that are gone included.
    [[nodiscard]] std::uint32_t places() const noexcept { return static_cast<std::uint32_t>(servers_.size()); }

    // ---- what has happened ----

    [[nodiscard]] std::uint64_t refusals() const noexcept { return refusals_; }
    /// Jobs that ended so.
    [[nodiscard]] std::uint64_t ended(job_end how) const noexcept { return ended_[static_cast<std::size_t>(how)]; }
    [[nodiscard]] double mean_inside() const noexcept { return inside_.mean(sim_.now()); }
    [[nodiscard]] double mean_busy() const noexcept { return busy_.mean(sim_.now()); }

    /// O(jobs inside).
    [[nodiscard]] little_sums little() const noexcept {
        auto const now = sim_.now();
        auto       sum = sojourns_;
        for (auto const& j : jobs_)
            if (j.inside) add_to(sum, now - j.enqueued);
        return {inside_.total(now), sum};
    }

private:
    enum server_state : std::uint8_t { gone, starting, idle, serving, failed };

    struct job : queue_node {
        duration      work{0};
        std::uint64_t tag = 0;
        time_point    began{};
        job*          next_free = nullptr;
        bool          inside = false;
    };
    struct server {
        server_state  state = gone;
        bool          leaving = false;  // when its job is done
        bool          listed = false;   // in idle_, perhaps no longer idle
        std::uint32_t speed = 1000;
        job*          in_hand = nullptr;
        event_handle  event{};
    };

    static constexpr std::uint32_t none = UINT32_MAX;

    [[nodiscard]] static server_pool_options const& checked(server_pool_options const& o) {
        sluice::detail::require_option(o.max_servers > 0, "server_pool: max_servers (> 0)", o.max_servers);
        sluice::detail::require_option(o.servers <= o.max_servers, "server_pool: servers (<= max_servers)", o.servers);
        sluice::detail::require_option(o.start_delay.count() >= 0, "server_pool: start_delay (>= 0 ns)", o.start_delay.count());
        return o;
    }

    static void add_to(time_integral::area& sum, duration d) noexcept {
        auto const ns = static_cast<std::uint64_t>(d.count());
        sum.low += ns;
        if (sum.low < ns) ++sum.high;
    }

    template <class Is>
    [[nodiscard]] std::uint32_t count(Is is) const noexcept {
        return static_cast<std::uint32_t>(std::count_if(servers_.begin(), servers_.end(), is));
    }

    [[nodiscard]] server& server_at(std::uint32_t i) {
        if (i >= servers_.size())
            throw std::invalid_argument("sluice: server_pool: server (below " + std::to_string(servers_.size()) + ") is " +
                                        std::to_string(i));
        return servers_[i];
    }

    bool refused() noexcept {
        ++refusals_;
        return false;
    }

    [[nodiscard]] job& new_job() {
        if (free_ == nullptr) free_ = &jobs_.emplace_back();
        auto& j = *std::exchange(free_, free_->next_free);
        j.inside = true;
        return j;
    }

    /// The one that became idle last, or none.
    [[nodiscard]] std::uint32_t idle_server() noexcept {
        for (; !idle_.empty(); idle_.pop_back()) {
            auto const i = idle_.back();
            if (servers_[i].state == idle) return i;
            servers_[i].listed = false;
        }
        return none;
    }

    void become_idle(std::uint32_t i) {
        auto& s = servers_[i];
        if (!s.listed) idle_.push_back(i);
        s.listed = true;
        s.state = idle;
    }

    void begin(job& j, std::uint32_t i) {
        auto& s = servers_[i];
        auto const time = sluice::detail::multiply_divide(static_cast<std::uint64_t>(j.work.count()), 1000, s.speed,
                                                          sluice::detail::round_to::ceiling);
        auto const most = static_cast<std::uint64_t>(duration::max().count());
        s.event = sim_.after(duration(static_cast<std::int64_t>(std::min(time, most))), [this, i] { finish(i); });
        s.state = serving;
        s.in_hand = &j;
        j.began = sim_.now();
        busy_.add(1, sim_.now());
    }

    void finish(std::uint32_t i) {
        auto&       s = servers_[i];
        auto* const j = std::exchange(s.in_hand, nullptr);
        busy_.add(-1, sim_.now());
        ++completed_;
        if (s.leaving) {
            s.leaving = false;
            s.state = gone;
        } else {
            become_idle(i);
        }
        end(*j, job_end::done, i);
    }

    /// The observer comes last, so that it finds the pool in order and may submit to it.
    void end(job& j, job_end how, std::uint32_t i) {
        auto const         now = sim_.now();
        bool const         began = how == job_end::done || how == job_end::lost;
        finished_job const told{j.tag, j.attributes, j.work, j.enqueued, began ? j.began : now, now, i, how};
        inside_.add(-1, now);
        add_to(sojourns_, told.sojourn());
        ++ended_[static_cast<std::size_t>(how)];
        j.inside = false;
        j.next_free = std::exchange(free_, &j);
        if (began) dispatch();
        if (on_end_) on_end_(told);
    }
    void leave_queue(job& j, job_end how) { end(j, how, none); }

    void dispatch() {
        while (discipline_.size() > 0) {
            auto const i = idle_server();
            if (i == none) return;
            auto const  popped = discipline_.pop(sim_.now());
            auto* const j = static_cast<job*>(popped.node);
            if (j == nullptr) return;
            if (popped.shed)
                leave_queue(*j, job_end::shed);
            else if (j->attributes.deadline < sim_.now())
                leave_queue(*j, job_end::expired);
            else
                begin(*j, i);
        }
    }

    void start(std::uint32_t i) {
        auto& s = servers_[i];
        s.state = starting;
        s.event = sim_.after(options_.start_delay, [this, i] {
            become_idle(i);
            dispatch();
        });
    }

    void grow(std::uint32_t n) {
        for (auto& s : servers_) {
            if (n == 0) return;
            if (s.leaving) s.leaving = false, --n;
        }
        for (std::uint32_t i = 0; n > 0; ++i) {
            if (i == servers_.size()) servers_.emplace_back();
            if (servers_[i].state != gone) continue;
            servers_[i].speed = 1000;
            start(i);
            --n;
        }
    }

    void shrink(std::uint32_t n) noexcept {
        for (auto const state : {starting, failed, idle, serving})
            for (auto i = servers_.size(); i > 0 && n > 0; --i) {
                auto& s = servers_[i - 1];
                if (s.state != state || s.leaving) continue;
                --n;
                if (state == serving) {
                    s.leaving = true;
                    continue;
                }
                sim_.cancel(s.event);
                s.state = gone;
            }
    }

    simulation&                sim_;
    server_pool_options        options_;
    observer                   on_end_;
    Discipline                 discipline_;
    std::vector<server>        servers_;
    std::vector<std::uint32_t> idle_;
    std::deque<job>            jobs_;
    job*                       free_ = nullptr;
    std::uint64_t              submitted_ = 0;
    std::uint64_t              completed_ = 0;
    std::uint64_t              refusals_ = 0;
    std::uint64_t              ended_[5]{};
    time_integral              inside_;
    time_integral              busy_;
    time_integral::area        sojourns_{};
};

static_assert(resizable_executor<server_pool<>>);

}  // namespace sluice::sim
