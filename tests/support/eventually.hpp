// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::eventually — give other threads time to make something true, without a sleep and without hanging for ever.

#include <chrono>
#include <thread>

namespace test {

/// True as soon as `condition()` is; false after the deadline, which is far beyond what a loaded machine needs.
template <class Condition>
[[nodiscard]] bool eventually(Condition condition, std::chrono::seconds deadline = std::chrono::seconds(60)) {
    auto const end = std::chrono::steady_clock::now() + deadline;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::yield();
    }
    return true;
}

}  // namespace test
