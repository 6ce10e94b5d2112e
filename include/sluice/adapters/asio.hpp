// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// asio_context, asio_executor — a thread_pool as an executor of Boost.Asio.
///
/// Use it for     Asio's handlers and coroutines (post, dispatch, co_spawn), and its timers and sockets, with completions on
///                our threads
/// Not for        programs without Asio: this header needs Boost.Asio 1.74 or later, and sluice.hpp does not include it
/// Thread-safety  executors are values, usable from any thread. The context: as boost::asio::execution_context
/// Progress       blocking.possibly (as made; dispatch): on one of the pool's workers the function runs at once.
///                blocking.never (post): always through the pool's queue. Asio waits for timers and sockets on a thread of its own,
///                which it starts for this context when the first one is made
/// Complexity     as thread_pool::post
/// Errors         execute throws what thread_pool::post throws. What a handler throws goes to the pool's on_error
/// Differs        outstanding work is not tracked: the pool does not end by itself. The context, and what uses it, must end
///                before the pool; its destructor drops handlers that still wait for something of Asio's, not those that are queued
///
///     sluice::asio_context context(pool);
///     boost::asio::co_spawn(context.get_executor(), session(), boost::asio::detached);

#include <sluice/executor/thread_pool.hpp>

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>

#include <type_traits>
#include <utility>

namespace sluice {

class asio_executor;

/// Where Asio keeps its services; one for each pool will do.
class asio_context : public boost::asio::execution_context {
public:
    using executor_type = asio_executor;

    explicit asio_context(thread_pool& pool) noexcept : pool_(pool) {}
    ~asio_context() {
        shutdown();
        destroy();
    }
    [[nodiscard]] thread_pool&  pool() const noexcept { return pool_; }
    [[nodiscard]] asio_executor get_executor() noexcept;

private:
    thread_pool& pool_;
};

class asio_executor {
    using blocking_t = boost::asio::execution::blocking_t;

public:
    explicit asio_executor(asio_context& c) noexcept : context_(&c) {}

    template <class F>
    void execute(F&& f) const {
        if (inline_ && context_->pool().on_worker()) {
            std::decay_t<F> here(std::forward<F>(f));
            std::move(here)();
        } else {
            context_->pool().post(std::forward<F>(f));
        }
    }

    [[nodiscard]] asio_context& query(boost::asio::execution::context_t) const noexcept { return *context_; }
    [[nodiscard]] blocking_t    query(blocking_t) const noexcept {
        return inline_ ? blocking_t(blocking_t::possibly) : blocking_t(blocking_t::never);
    }
    [[nodiscard]] static constexpr boost::asio::execution::mapping_t query(boost::asio::execution::mapping_t) noexcept {
        return boost::asio::execution::mapping_t::thread;
    }
    [[nodiscard]] static constexpr boost::asio::execution::relationship_t query(boost::asio::execution::relationship_t) noexcept {
        return boost::asio::execution::relationship_t::fork;
    }
    [[nodiscard]] asio_executor require(blocking_t::never_t) const noexcept { return {*context_, false}; }
    [[nodiscard]] asio_executor require(blocking_t::possibly_t) const noexcept { return {*context_, true}; }

    [[nodiscard]] friend bool operator==(asio_executor const&, asio_executor const&) noexcept = default;

private:
    asio_executor(asio_context& c, bool possibly) noexcept : context_(&c), inline_(possibly) {}

    asio_context* context_;
    bool          inline_ = true;
};

inline asio_executor asio_context::get_executor() noexcept { return asio_executor(*this); }

}  // namespace sluice
