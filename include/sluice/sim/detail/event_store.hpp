// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::event_store — the callables of events that wait, in places whose handles never come back to life.
///
/// Thread-safety  one thread at a time
/// Complexity     O(1); a block of 1024 places is allocated where none is free, and used again until the end
/// Errors         acquire: std::bad_alloc, or std::length_error beyond 2^32 places; no effect then. The rest is noexcept
///
/// A place is one cache line. Its generation changes whenever what lies in it has been used up; a place
/// whose generations are all used is not used again, so that an old handle never means a new event.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

namespace sluice::sim::detail {

/// The largest callable that an event holds.
inline constexpr std::size_t event_bytes = 48;

/// Runs what lies in `storage`, or does not, and destroys it in both cases.
using event_operation = void(void* storage, bool run);

/// Generation is smaller in tests.
template <class Generation>
struct alignas(64) event_place {
    alignas(std::max_align_t) std::byte storage[event_bytes];
    event_operation* operation = nullptr;
    Generation       generation = 0;
    std::uint32_t    kind = 0;  ///< of a free place: the next one. Of one in use: what its user wants
};

template <class Generation = std::uint32_t>
class event_store {
public:
    using place = event_place<Generation>;

    event_store() = default;
    event_store(event_store const&) = delete;
    event_store& operator=(event_store const&) = delete;

    [[nodiscard]] place& operator[](std::uint32_t index) noexcept { return blocks_[index / block][index % block]; }
    [[nodiscard]] place const& operator[](std::uint32_t index) const noexcept {
        return blocks_[index / block][index % block];
    }

    [[nodiscard]] std::uint32_t acquire() {
        if (free_ == none) grow();
        auto const index = free_;
        free_ = (*this)[index].kind;
        return index;
    }

    /// Handles of this generation mean nothing from now on. The place is still in use.
    void expire(std::uint32_t index) noexcept { ++(*this)[index].generation; }

    /// Free again, unless its generations are used up. Requires expire() before.
    void release(std::uint32_t index) noexcept {
        auto& p = (*this)[index];
        if (p.generation == static_cast<Generation>(-1)) return;
        p.kind = free_;
        free_ = index;
    }

    [[nodiscard]] bool is_current(std::uint32_t index, Generation generation) const noexcept {
        return index < size_ && (*this)[index].generation == generation;
    }

    /// Places that there are, free or not.
    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

private:
    static constexpr std::uint32_t block = 1024;
    static constexpr std::uint32_t none = UINT32_MAX;

    void grow() {
        if (size_ > none - block) throw std::length_error("sluice: simulation: more than 2^32 events wait");
        blocks_.push_back(nullptr);
        try {
            blocks_.back().reset(new place[block]);
        } catch (...) {
            blocks_.pop_back();
            throw;
        }
        for (std::uint32_t i = block; i > 0; --i) {
            blocks_.back()[i - 1].kind = free_;
            free_ = size_ + i - 1;
        }
        size_ += block;
    }

    std::vector<std::unique_ptr<place[]>> blocks_;
    std::uint32_t                         size_ = 0;
    std::uint32_t                         free_ = none;
};

}  // namespace sluice::sim::detail
