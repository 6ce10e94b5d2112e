// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::detached, detail::bulk, detail::broadcast_state — what thread_pool's posts put into the queues.
///
/// Thread-safety  a node belongs to whoever took it out of a queue; a bulk and a broadcast are shared by their tickets
/// Errors         what a closure throws goes to the pool's error sink, of a broadcast the first to its future

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/detail/task.hpp>
#include <sluice/executor/detail/task_memory.hpp>
#include <sluice/executor/future.hpp>
#include <utility>

namespace sluice::detail {

template <class F>
struct detached final : task, slab_allocated<detached<F>> {
    template <class G>
    explicit detached(G&& g) : task(&act), f(std::forward<G>(g)) {}
    static void act(task* t, scheduler& pool, task_action a) noexcept {
        auto* const self = static_cast<detached*>(t);
        if (a == task_action::run) {
            try {
                std::move(self->f)();
            } catch (...) {
                pool.errors().handle(std::current_exception());
            }
        } else {
            pool.count_discarded(1);
        }
        try {
            delete self;
        } catch (...) {  // a destructor may throw, too
            pool.errors().handle(std::current_exception());
        }
    }
    F f;
};

/// One callable, one counter, and a ticket for each worker that takes part.
template <class F>
class bulk {
public:
    template <class G>
    bulk(G&& g, std::size_t n, std::size_t tickets)
        : f_(std::forward<G>(g)), n_(n), tickets_(tickets), left_(tickets),
          ticket_(std::make_unique<ticket_task[]>(tickets)) {
        for (std::size_t i = 0; i < tickets; ++i) ticket_[i].all = this;
    }
    task* ticket(std::size_t i) noexcept { return &ticket_[i]; }
    void  give_up(scheduler& pool, std::size_t tickets) noexcept { leave(pool, tickets); }

private:
    struct ticket_task final : task {
        ticket_task() noexcept : task(&take_part) {}
        bulk* all = nullptr;
    };
    // Ordering
    //   (A) claim  next_ fetch_add relaxed: it only decides who runs which index; f_ came with the ticket
    //   (B) leave  left_ fetch_sub acq_rel: the last one frees, after everybody's last call
    static void take_part(task* t, scheduler& pool, task_action a) noexcept {
        bulk&      all = *static_cast<ticket_task*>(t)->all;
        std::uint64_t dropped = 0;
        auto const grain = all.n_ / (all.tickets_ * 8) + 1;
        for (;;) {
            std::size_t i = all.next_.fetch_add(grain, std::memory_order_relaxed);      // (A)
            if (i >= all.n_) break;
            std::size_t const items = all.n_ - i < grain ? all.n_ - i : grain;
            std::size_t const end = i + items;
            if (a == task_action::run) {
                for (; i < end; ++i) try {
                        all.f_(i);
                    } catch (...) {
                        pool.errors().handle(std::current_exception());
                    }
                pool.count_ran(items);
            } else {
                dropped += items;
            }
        }
        if (a == task_action::run)
            pool.count_ran(~std::uint64_t{0});  // less one: the ticket is no task
        else
            pool.count_discarded_ticket(dropped);
        all.leave(pool, 1);
    }
    void leave(scheduler& pool, std::size_t n) noexcept {
        if (left_.fetch_sub(n, std::memory_order_acq_rel) != n) return;                 // (B)
        try {
            delete this;
        } catch (...) {  // the callable's destructor
            pool.errors().handle(std::current_exception());
        }
    }

    F                              f_;
    std::size_t const              n_;
    std::size_t const              tickets_;
    std::atomic<std::size_t>       next_{0};
    std::atomic<std::size_t>       left_;
    std::unique_ptr<ticket_task[]> ticket_;
};

/// One callable and a letter for each worker; ready when the last letter has been read or dropped.
template <class F>
class broadcast_state final : public future_state<std::size_t> {
public:
    using base = future_state<std::size_t>;

    template <class G>
    broadcast_state(G&& g, std::size_t most)
        : base(&never, &finish, &finish_unrun, &destroy), f_(std::forward<G>(g)), letters_(std::make_unique<letter[]>(most)) {
        for (std::size_t i = 0; i < most; ++i) letters_[i].all = this;
        this->pin(true);
        static_cast<void>(this->claim());
    }

    /// Sends the letters, each by send(worker, task), which says whether it was taken; then no more will follow.
    template <class Workers, class Send>
    void send(scheduler& pool, Workers each_worker, Send send_one) {
        each_worker([&](std::size_t i) {
            left_.fetch_add(1, std::memory_order_relaxed);                                  // (B)
            if (!send_one(i, &letters_[i])) left_.fetch_sub(1, std::memory_order_relaxed);  // (B) ours is still there
        });
        leave(pool);
    }
    /// The caller's own worker, at once.
    void call(std::size_t i) noexcept {
        try {
            (*f_)(i);
            called_.fetch_add(1, std::memory_order_relaxed);                                // (A)
        } catch (...) {
            if (!failed_.exchange(true, std::memory_order_relaxed)) first_ = std::current_exception();  // (A)
        }
    }

private:
    // Ordering
    //   (A) result  relaxed, before (B)
    //   (B) leave   left_ fetch_sub acq_rel: the last one makes it ready, after everybody's call; the sender has one itself
    struct letter final : task {
        letter() noexcept : task(&read) {}
        broadcast_state* all = nullptr;
    };
    static void never(task*, scheduler&, task_action) noexcept {}
    static void read(task* t, scheduler& pool, task_action a) noexcept {
        auto* const    l = static_cast<letter*>(t);
        broadcast_state& all = *l->all;
        if (a == task_action::run) {
            worker const* const me = pool.here();
            all.call(me != nullptr ? me->index : pool.most());
        } else {
            pool.count_discarded(1);
            all.dropped_.store(true, std::memory_order_relaxed);                            // (A)
        }
        all.leave(pool);
    }
    void leave(scheduler& pool) noexcept {
        if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;                     // (B)
        this->execute(pool, false);
        this->release();
    }
    static void finish(base* b) noexcept {
        auto* const self = static_cast<broadcast_state*>(b);
        try {
            self->f_.reset();
        } catch (...) {
            self->first_ = std::current_exception();
        }
        if (self->first_)
            self->set_error(std::move(self->first_));
        else if (self->dropped_.load(std::memory_order_relaxed))                            // (A)
            self->set_error(std::make_exception_ptr(broken_task()));
        else
            self->set_from([self] { return self->called_.load(std::memory_order_relaxed); });  // (A)
    }
    static void finish_unrun(base*) noexcept {}
    static void destroy(base* b) noexcept { delete static_cast<broadcast_state*>(b); }

    std::optional<F>          f_;
    std::unique_ptr<letter[]> letters_;
    std::atomic<std::size_t>  left_{1}, called_{0};
    std::atomic<bool>         failed_{false}, dropped_{false};
    std::exception_ptr        first_;
};

}  // namespace sluice::detail
