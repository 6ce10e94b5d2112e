// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// A task with its level and its number: what a priority queue of tasks holds where the library has none.

#include <cstdint>
#include <functional>

namespace bench::priority {

struct queued {
    unsigned              level = 0;
    std::uint64_t         number = 0;
    std::function<void()> call;
    bool operator<(queued const& other) const noexcept {
        return level != other.level ? level > other.level : number > other.number;
    }
};

}  // namespace bench::priority
