// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::receiver — a receiver written by hand, movable only, and what it was told.

#include <sluice/executor/pool_scheduler.hpp>
#include <sluice/executor/thread_pool.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <stop_token>
#include <utility>

namespace test {

struct outcome {
    std::atomic<int>     values{0}, errors{0}, stops{0}, on_pool{0};
    sluice::thread_pool* pool = nullptr;  ///< whose workers are counted in on_pool
    std::stop_token      token;
    std::exception_ptr   error;
    void (*then)(void*) = nullptr;  ///< called with `with` in set_value, before it is counted
    void*             with = nullptr;
    [[nodiscard]] int all() const { return values.load() + errors.load() + stops.load(); }
};

struct receiver {
    using vocabulary = sluice::own_vocabulary;
    struct env {
        outcome*        o;
        std::stop_token query(vocabulary::get_stop_token_t) const noexcept { return o->token; }
    };
    explicit receiver(outcome& o) : out(&o) {}
    receiver(receiver&&) = default;

    void set_value() && noexcept {
        outcome& o = *out;
        if (o.pool != nullptr && o.pool->on_worker()) o.on_pool.fetch_add(1);
        if (o.then != nullptr) o.then(o.with);  // we may be gone
        o.values.fetch_add(1);
    }
    void set_error(std::exception_ptr e) && noexcept {
        out->error = std::move(e);
        out->errors.fetch_add(1);
    }
    void set_stopped() && noexcept { out->stops.fetch_add(1); }
    env  get_env() const noexcept { return {out}; }

    outcome*             out;
    std::unique_ptr<int> owned = nullptr;
};

}  // namespace test
