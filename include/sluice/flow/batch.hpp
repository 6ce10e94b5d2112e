// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// batch, batch_outcome, batch_entry, batch_cancelled — items that are flushed together, and how each one ends.
///
/// Use it for     the flush function of a batcher, and the callbacks of its items
/// Thread-safety  one thread at a time
/// Complexity     O(1)
/// Errors         succeed passes on what the result's constructor throws, and then says nothing new; the rest is noexcept. A
///                failure without an exception counts as a std::logic_error. Indices: required to be below size()

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/flow/detail/some_error.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

template <class T, class Result, clock_source Clock>
class batcher;

/// What the callback of an item gets when the batcher was closed before the item was flushed.
class batch_cancelled : public std::exception {
public:
    [[nodiscard]] char const* what() const noexcept override {
        return "sluice::batcher: closed before the item was flushed";
    }
};

/// How one item ended. `item` may be moved from.
template <class T, class Result = void>
struct batch_outcome {
    using stored = std::conditional_t<std::is_void_v<Result>, std::true_type, Result>;

    T&                 item;
    stored*            result;  ///< null for a failure
    std::exception_ptr error;   ///< null for a success

    [[nodiscard]] explicit operator bool() const noexcept { return result != nullptr; }
};

/// What the flush function gets: the items, and where to say how each one ended. What it leaves undecided has succeeded if
/// there is no result to give (Result is void), and failed with std::logic_error otherwise.
template <class T, class Result = void>
class batch {
public:
    using stored = typename batch_outcome<T, Result>::stored;

    [[nodiscard]] std::size_t  size() const noexcept { return items_.size(); }
    [[nodiscard]] std::span<T> items() noexcept { return items_; }
    [[nodiscard]] T&           operator[](std::size_t i) noexcept {
        SLUICE_ASSERT(i < size());
        return items_[i];
    }
    [[nodiscard]] auto         begin() noexcept { return items_.begin(); }
    [[nodiscard]] auto         end() noexcept { return items_.end(); }

    /// Item i ended well. The last word counts.
    template <class... R>
        requires(sizeof...(R) == (std::is_void_v<Result> ? 0 : 1)) && std::constructible_from<stored, R...>
    void succeed(std::size_t i, R&&... result) {
        SLUICE_ASSERT(i < size());
        about_[i].result.emplace(std::forward<R>(result)...);
        about_[i].error = nullptr;
    }
    /// Item i failed.
    void fail(std::size_t i, std::exception_ptr error) noexcept {
        SLUICE_ASSERT(i < size());
        about_[i].error = detail::some_error(std::move(error), "sluice::batch: failed without an exception");
        about_[i].result.reset();
    }

private:
    template <class, class, clock_source>
    friend class batcher;

    struct about {
        unique_function<void(batch_outcome<T, Result>) noexcept> done;
        std::optional<stored>                                   result;
        std::exception_ptr                                      error;
    };

    std::vector<T>         items_;
    std::vector<about>     about_;
    std::size_t            bytes_ = 0;
    time_point             due_{};
    std::unique_ptr<batch> next_;
};

/// Where an item's callback and size are told.
template <class T, class Result = void>
struct batch_entry {
    unique_function<void(batch_outcome<T, Result>) noexcept> done = {};
    std::size_t                                             bytes = 0;
};

}  // namespace sluice
