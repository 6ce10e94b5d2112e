// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// get_scheduler, pool_scheduler — a thread_pool as a scheduler in the shape of std::execution (P2300).
///
/// Use it for     code written in senders and receivers; with a library of them see adapters/std_execution.hpp
/// Not for        coroutines of ours (schedule.hpp), or tasks that nobody composes (thread_pool::post)
/// Thread-safety  schedulers and senders are values; an operation state is started by one thread and is then the pool's until
///                it completes
/// Progress       forward_progress_guarantee::parallel: a queued operation is run by some worker. start never blocks and never
///                completes inline, but for a stop or an error
/// Complexity     O(1); the operation state is the pool's task node, so nothing is allocated
/// Errors         set_error gets an exception_ptr with pool_closed, or what the pool's submit throws. set_stopped: a stop was
///                requested before the start or while it was queued, or the pool dropped it (shutdown by discard). The receiver
///                is completed exactly once, by one of set_value, set_error, set_stopped, all of which must not throw
/// Source         P2300R10, std::execution; std::inplace_stop_token and std::stop_token both serve

#include <concepts>
#include <cstdint>
#include <exception>
#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/detail/task.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <type_traits>
#include <utility>

namespace sluice {

/// The words of P2300 that a scheduler is made of, as types of ours. An adapter puts those of a library in their place.
struct own_vocabulary {
    struct sender_t {};
    struct scheduler_t {};
    struct operation_state_t {};
    struct set_value_t {};
    struct set_error_t {};
    struct set_stopped_t {};
    struct get_stop_token_t {};
    struct get_forward_progress_guarantee_t {};
    template <class Tag>
    struct get_completion_scheduler_t {};
    template <class...>
    struct completion_signatures {};
    enum class forward_progress_guarantee : std::uint8_t { concurrent, parallel, weakly_parallel };
};

template <class Vocabulary>
class basic_pool_scheduler;

namespace detail {

/// Whether the receiver's environment has a stop token, and a stop was requested.
template <class Vocabulary, class Receiver>
[[nodiscard]] bool receiver_stopped(Receiver const& r) noexcept {
    using query = typename Vocabulary::get_stop_token_t;
    if constexpr (requires { r.get_env().query(query{}).stop_requested(); })
        return r.get_env().query(query{}).stop_requested();
    else
        return false;
}

template <class Vocabulary, class Receiver>
class pool_operation : detail::task {
public:
    using operation_state_concept = typename Vocabulary::operation_state_t;

    pool_operation(scheduler& pool, Receiver r) noexcept(std::is_nothrow_move_constructible_v<Receiver>)
        : task(&act_on), pool_(pool), receiver_(std::move(r)) {}
    pool_operation(pool_operation&&) = delete;

    void start() & noexcept {
        if (receiver_stopped<Vocabulary>(receiver_)) return std::move(receiver_).set_stopped();
        std::exception_ptr error;
        try {
            if (pool_.submit(this)) return;  // from here on we may be gone
            throw pool_closed();
        } catch (...) {
            error = std::current_exception();
        }
        std::move(receiver_).set_error(std::move(error));
    }

private:
    static void act_on(detail::task* t, scheduler& pool, task_action a) noexcept {
        auto& r = static_cast<pool_operation*>(t)->receiver_;
        if (a != task_action::run) pool.count_discarded(1);
        if (a != task_action::run || receiver_stopped<Vocabulary>(r))
            std::move(r).set_stopped();
        else
            std::move(r).set_value();
    }

    scheduler& pool_;
    Receiver   receiver_;
};

template <class Vocabulary>
class pool_sender {
public:
    using sender_concept = typename Vocabulary::sender_t;
    using completion_signatures =
        typename Vocabulary::template completion_signatures<typename Vocabulary::set_value_t(),
                                                            typename Vocabulary::set_error_t(std::exception_ptr),
                                                            typename Vocabulary::set_stopped_t()>;

    /// How the sender completes: on the pool.
    class env {
    public:
        explicit env(thread_pool& p) noexcept : pool_(&p) {}
        [[nodiscard]] basic_pool_scheduler<Vocabulary> query(
            typename Vocabulary::template get_completion_scheduler_t<typename Vocabulary::set_value_t>) const noexcept {
            return basic_pool_scheduler<Vocabulary>(*pool_);
        }

    private:
        thread_pool* pool_;
    };

    explicit pool_sender(thread_pool& p) noexcept : pool_(&p) {}

    template <class Receiver>
    [[nodiscard]] pool_operation<Vocabulary, std::decay_t<Receiver>> connect(Receiver&& r) const {
        return {pool_->internals(), std::forward<Receiver>(r)};
    }
    /// For libraries that ask for the signatures with an environment.
    template <class... Env>
    [[nodiscard]] static constexpr completion_signatures get_completion_signatures(Env&&...) noexcept {
        return {};
    }
    [[nodiscard]] env get_env() const noexcept { return env(*pool_); }

private:
    thread_pool* pool_;
};

}  // namespace detail

template <class Vocabulary>
class basic_pool_scheduler {
public:
    using scheduler_concept = typename Vocabulary::scheduler_t;

    explicit basic_pool_scheduler(thread_pool& pool) noexcept : pool_(&pool) {}

    /// A sender that completes on one of the pool's workers.
    [[nodiscard]] detail::pool_sender<Vocabulary> schedule() const noexcept { return detail::pool_sender<Vocabulary>(*pool_); }

    [[nodiscard]] auto query(typename Vocabulary::get_forward_progress_guarantee_t) const noexcept {
        return Vocabulary::forward_progress_guarantee::parallel;
    }
    /// Equal: the same pool.
    [[nodiscard]] friend bool operator==(basic_pool_scheduler, basic_pool_scheduler) = default;

    [[nodiscard]] thread_pool& pool() const noexcept { return *pool_; }

private:
    thread_pool* pool_;
};

using pool_scheduler = basic_pool_scheduler<own_vocabulary>;

/// The pool has to live as long as the scheduler, its senders and their operations.
[[nodiscard]] inline pool_scheduler get_scheduler(thread_pool& pool) noexcept { return pool_scheduler(pool); }

}  // namespace sluice
