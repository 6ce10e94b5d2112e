// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// bulk — a sender that calls f(i) for each i below n on the workers of a pool, and then completes.
///
/// Use it for     a loop over indices in code written in senders and receivers
/// Not for        loops of a caller that waits (parallel/), or that nobody waits for (thread_pool::post_bulk)
/// Thread-safety  senders are values; f is shared and called by several workers at once. An operation state is started by one
///                thread and is then the pool's until it completes; it may be destroyed in the completion
/// Progress       start queues one ticket, never blocks, and never completes inline, but for a stop or an error. Each ticket
///                that begins queues up to two more, as many in all as the pool had workers at the connect; refused ones
///                are not missed. The last to leave completes the receiver, on a worker, with n == 0 too
/// Complexity     about eight claims a worker, a look at the stop token for each index. connect allocates one array if there are
///                more than four tickets, else nothing; the rest allocates nothing
/// Errors         the first exception of f goes to set_error as exception_ptr. Further indices then do not begin, but those that
///                other workers are just beginning. set_stopped: a stop was requested while indices were left to begin, or the
///                pool drops its work (shutdown by discard): what a worker has claimed it still runs. A closed pool: set_error
///                with pool_closed. connect throws std::bad_alloc or what copying f throws

#include <array>
#include <cstddef>
#include <exception>
#include <memory>
#include <sluice/executor/detail/bulk_count.hpp>
#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/detail/task.hpp>
#include <sluice/executor/pool_scheduler.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

template <class Vocabulary, class F, class Receiver>
class bulk_operation {
public:
    using operation_state_concept = typename Vocabulary::operation_state_t;

    template <class G, class R>
    bulk_operation(scheduler& pool, std::size_t n, G&& f, R&& r)
        : pool_(pool), f_(std::forward<G>(f)), receiver_(std::forward<R>(r)), tickets_(wanted(pool, n)),
          count_(n, n / tickets_ / 8 + 1) {
        if (tickets_ > few_.size()) many_ = std::make_unique<ticket[]>(tickets_);
        for (std::size_t i = 0; i < tickets_; ++i) at(i).all = this;
    }
    bulk_operation(bulk_operation&&) = delete;

    void start() & noexcept {
        if (receiver_stopped<Vocabulary>(receiver_)) return std::move(receiver_).set_stopped();
        std::exception_ptr error;
        try {
            if (pool_.submit(&at(0))) return;  // from here on we may be gone
            throw pool_closed();
        } catch (...) {
            error = std::current_exception();
        }
        std::move(receiver_).set_error(std::move(error));
    }

private:
    struct ticket final : task {
        ticket() noexcept : task(&act_on) {}
        bulk_operation* all = nullptr;
    };
    [[nodiscard]] static std::size_t wanted(scheduler& pool, std::size_t n) noexcept {
        std::size_t const most = pool.size(), some = n < most ? n : most;
        return some == 0 ? 1 : some;
    }
    [[nodiscard]] ticket& at(std::size_t i) noexcept { return many_ ? many_[i] : few_[i]; }

    static void act_on(task* t, scheduler& pool, task_action a) noexcept {
        auto* const     mine = static_cast<ticket*>(t);
        bulk_operation& all = *mine->all;
        std::size_t const i = static_cast<std::size_t>(mine - &all.at(0));
        if (a == task_action::run) {
            if (i == 0) (void)all.stopped();
            if (2 * i + 1 < all.tickets_) all.invite(2 * i + 1);
            if (2 * i + 2 < all.tickets_) all.invite(2 * i + 2);
            all.take_part();
        } else {
            pool.count_discarded(1);
            if (i == 0) (void)all.count_.end(bulk_end::stopped);  // the first one stays until no index is left
        }
        if (all.count_.leave()) all.complete();
    }
    void invite(std::size_t i) noexcept {
        count_.invite();
        bool accepted = false;
        try {
            accepted = pool_.submit(&at(i));
        } catch (...) {  // fewer take part; the inviter does it
        }
        if (!accepted) count_.take_back();
    }
    /// No further index is to begin.
    [[nodiscard]] bool stopped() noexcept {
        if (receiver_stopped<Vocabulary>(receiver_)) (void)count_.end(bulk_end::stopped);
        return count_.ended();
    }
    void take_part() noexcept {
        for (auto r = count_.claim(); r.begin != r.end; r = count_.claim()) {
            if (pool_.discards()) [[unlikely]] return static_cast<void>(count_.end(bulk_end::stopped));
            for (std::size_t i = r.begin; i != r.end; ++i) {
                if (stopped()) return;
                try {
                    f_(i);
                } catch (...) {
                    if (count_.end(bulk_end::failed)) error_ = std::current_exception();
                    return;
                }
            }
        }
    }
    void complete() noexcept {
        switch (count_.how()) {
            case bulk_end::none: return std::move(receiver_).set_value();
            case bulk_end::stopped: return std::move(receiver_).set_stopped();
            case bulk_end::failed: break;
        }
        std::exception_ptr e = std::move(error_);
        std::move(receiver_).set_error(std::move(e));
    }

    scheduler&                pool_;
    F                         f_;
    Receiver                  receiver_;
    std::size_t const         tickets_;
    bulk_count<>              count_;
    std::exception_ptr        error_;
    std::array<ticket, 4>     few_;
    std::unique_ptr<ticket[]> many_;
};

template <class Vocabulary, class F>
class bulk_sender {
public:
    using sender_concept = typename Vocabulary::sender_t;
    using completion_signatures = typename pool_sender<Vocabulary>::completion_signatures;

    template <class G>
    bulk_sender(thread_pool& p, std::size_t n, G&& f) : pool_(&p), n_(n), f_(std::forward<G>(f)) {}

    template <class Receiver>
    [[nodiscard]] bulk_operation<Vocabulary, F, std::decay_t<Receiver>> connect(Receiver&& r) const& {
        return {pool_->internals(), n_, f_, std::forward<Receiver>(r)};
    }
    template <class Receiver>
    [[nodiscard]] bulk_operation<Vocabulary, F, std::decay_t<Receiver>> connect(Receiver&& r) && {
        return {pool_->internals(), n_, std::move(f_), std::forward<Receiver>(r)};
    }
    /// For libraries that ask for the signatures with an environment.
    template <class... Env>
    [[nodiscard]] static constexpr completion_signatures get_completion_signatures(Env&&...) noexcept {
        return {};
    }
    [[nodiscard]] auto get_env() const noexcept { return typename pool_sender<Vocabulary>::env(*pool_); }

private:
    thread_pool* pool_;
    std::size_t  n_;
    F            f_;
};

}  // namespace detail

/// Each f(i), i below n, once. The pool has to live as long as the sender and its operations.
template <class Vocabulary, class F>
[[nodiscard]] detail::bulk_sender<Vocabulary, std::decay_t<F>> bulk(basic_pool_scheduler<Vocabulary> s, std::size_t n, F&& f) {
    static_assert(std::is_invocable_v<std::decay_t<F>&, std::size_t>, "bulk needs a callable with an index");
    return {s.pool(), n, std::forward<F>(f)};
}

}  // namespace sluice
