// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// dedup_window — has this sequence number come before? One bit for each of the last W numbers.
///
/// Use it for     numbered messages of one sender that arrive twice, late or out of order
/// Not for        ids that are not consecutive (dedup_table); several senders in one window: each has its own
/// Thread-safety  one thread at a time
/// Complexity     O(1); a jump ahead clears at most W / 64 words. W / 8 bytes, allocated once
/// Errors         constructor: std::invalid_argument for a size of 0 or above 2^31, std::bad_alloc; the rest is noexcept
/// Units          size in numbers, exactly: with the highest number h seen, h - size + 1 … h are inside
/// Source         RFC 4303, 3.4.3 (the window), RFC 6479 (a ring of words that is not shifted)
/// Differs        0 is a number like any other; the order is that of 64-bit integers and does not wrap: after 2^64 - 1 comes
///                nothing, and a smaller number is only ever late. Any size, not only multiples of 64
///
/// Where a number must first be proved genuine: peek, verify, then accept. What is not accepted leaves no mark.

#include <sluice/core/detail/invalid.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

enum class sequence_status : std::uint8_t {
    fresh,      ///< not seen before
    duplicate,  ///< seen before
    too_old     ///< before the window: nobody knows any more; to be treated as seen
};

struct dedup_window_options {
    std::size_t size = 1024;  ///< how many numbers are remembered; > 0
};

class dedup_window {
public:
    explicit dedup_window(dedup_window_options options = {})
        : size_(checked(options.size)), words_(words_for(options.size)) {}

    /// What accept would say. Changes nothing.
    [[nodiscard]] sequence_status peek(std::uint64_t number) const noexcept {
        if (!any_ || number > highest_) return sequence_status::fresh;
        if (highest_ - number >= size_) return sequence_status::too_old;
        return (word(number) & bit(number)) != 0 ? sequence_status::duplicate : sequence_status::fresh;
    }

    /// The same, and a fresh number is seen from now on; above the highest one, it moves the window.
    [[nodiscard]] sequence_status accept(std::uint64_t number) noexcept {
        auto const status = peek(number);
        if (status != sequence_status::fresh) return status;
        if (!any_ || number > highest_) {
            // Words the window enters: from the one after the highest number's to the new one's, all of them at most.
            auto const steps = any_ ? number / 64 - highest_ / 64 : words_.size();
            if (steps >= words_.size())
                for (auto& w : words_) w = 0;
            else
                for (std::uint64_t i = 1; i <= steps; ++i) words_[place(highest_ / 64 + i)] = 0;
            highest_ = number;
            any_ = true;
        }
        words_[place(number / 64)] |= bit(number);
        return status;
    }

    /// The highest number seen; 0 if none was.
    [[nodiscard]] std::uint64_t highest() const noexcept { return highest_; }
    [[nodiscard]] std::size_t   size() const noexcept { return static_cast<std::size_t>(size_); }

    void clear() noexcept {
        any_ = false;
        highest_ = 0;
    }

private:
    static std::uint64_t checked(std::size_t size) {
        detail::require_option(size > 0 && size <= (std::size_t{1} << 31), "dedup_window: size (1 … 2^31)", size);
        return size;
    }
    // A window of W numbers touches at most (W + 62) / 64 + 1 words.
    static std::size_t words_for(std::size_t size) { return std::bit_ceil((size - 1 + 63) / 64 + 1); }

    [[nodiscard]] std::size_t place(std::uint64_t word_number) const noexcept {
        return static_cast<std::size_t>(word_number & (words_.size() - 1));
    }
    [[nodiscard]] std::uint64_t word(std::uint64_t number) const noexcept { return words_[place(number / 64)]; }
    [[nodiscard]] static std::uint64_t bit(std::uint64_t number) noexcept { return std::uint64_t{1} << (number % 64); }

    std::uint64_t              size_;
    std::vector<std::uint64_t> words_;
    std::uint64_t              highest_ = 0;
    bool                       any_ = false;
};

}  // namespace sluice
