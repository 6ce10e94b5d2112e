// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// reject_ramp — refuses more and more of what comes as a queue grows, rather than all of it at one length.
///
/// Use it for     admission before a queue is full: many senders are refused a little, none is shut out
/// Not for        a bound on delay (max_delay of bounded_queue)
/// Thread-safety  a value; any thread
/// Complexity     O(1); one random number where the answer is open
/// Errors         std::invalid_argument for end < begin
/// Units          items that wait. For a concurrency limit L usual values are 2 L and 3 L
/// Source         failsafe-go's adaptive limiter

#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>

#include <cstddef>
#include <cstdint>

namespace sluice {

struct reject_ramp_options {
    std::size_t begin = SIZE_MAX;  ///< up to so many waiting items nothing is refused
    std::size_t end = SIZE_MAX;    ///< from so many on everything is, if it is more than begin; >= begin
};

class reject_ramp {
public:
    explicit reject_ramp(reject_ramp_options options = {}) : begin_(options.begin), end_(options.end) {
        detail::require_option(options.end >= options.begin, "reject_ramp: end (>= begin)", options.end);
    }

    /// How likely an item is refused when so many wait already.
    [[nodiscard]] double probability(std::size_t waiting) const noexcept {
        if (waiting <= begin_) return 0.0;
        if (waiting >= end_) return 1.0;
        return static_cast<double>(waiting - begin_) / static_cast<double>(end_ - begin_);
    }

    /// Decides. Takes a number from the source only between begin and end.
    [[nodiscard]] bool rejects(std::size_t waiting, random_source auto& random) const {
        if (waiting <= begin_) return false;
        if (waiting >= end_) return true;
        return uniform_below(random, end_ - begin_) < waiting - begin_;
    }

    /// Without a random number: only from the end on.
    [[nodiscard]] bool rejects(std::size_t waiting) const noexcept { return waiting > begin_ && waiting >= end_; }

private:
    std::size_t begin_;
    std::size_t end_;
};

}  // namespace sluice
