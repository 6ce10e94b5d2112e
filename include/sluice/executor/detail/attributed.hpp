// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::attributed_post, attributed_submit — a callable that looks at its stop_token and expiry before it begins.
///
/// Thread-safety  as the callable
/// Complexity     a load for a stop_token that has a source, a look at the clock for an expiry

#include <cstdint>
#include <sluice/core/clock.hpp>
#include <sluice/executor/future.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice::detail {

enum class fate : std::uint8_t { begins, stopped, expired };

[[nodiscard]] inline fate fate_of(std::stop_token const& stop, time_point expiry) noexcept {
    if (stop.stop_requested()) return fate::stopped;
    return expiry != time_point::max() && steady_clock().now() >= expiry ? fate::expired : fate::begins;
}

template <class F, class Expiry>
struct attributed_post {
    F                            f;
    [[no_unique_address]] Expiry on_expiry;
    std::stop_token              stop;
    time_point                   expiry;

    void operator()() {
        switch (fate_of(stop, expiry)) {
            case fate::begins: static_cast<void>(std::move(f)()); break;
            case fate::expired: static_cast<void>(std::move(on_expiry)()); break;
            case fate::stopped: break;
        }
    }
};

/// Its future has broken_task if it did not begin.
template <class F>
struct attributed_submit {
    F               f;
    std::stop_token stop;
    time_point      expiry;

    std::invoke_result_t<F> operator()() {
        if (fate_of(stop, expiry) != fate::begins) throw broken_task();
        return std::move(f)();
    }
};

}  // namespace sluice::detail
