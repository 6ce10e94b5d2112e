// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::emptied — a number that goes back to its start when its object is moved from, as the vectors beside it do.
///
/// Use it for     counts and indices of a class whose moves are the compiler's: what is left is an empty object, and not one that
///                believes to have what it gave away
/// Thread-safety  that of the number

#include <utility>

namespace sluice::detail {

template <class T, T Start = T{}>
class emptied {
public:
    constexpr emptied() noexcept = default;
    explicit constexpr emptied(T value) noexcept : value_(value) {}
    constexpr emptied(emptied const&) noexcept = default;
    constexpr emptied(emptied&& other) noexcept : value_(std::exchange(other.value_, Start)) {}
    constexpr emptied& operator=(emptied const&) noexcept = default;
    constexpr emptied& operator=(emptied&& other) noexcept {
        value_ = other.value_;
        other.value_ = Start;  // moved to itself it is empty, as a vector is
        return *this;
    }
    ~emptied() = default;

    constexpr emptied& operator=(T value) noexcept {
        value_ = value;
        return *this;
    }
    constexpr operator T() const noexcept { return value_; }

    constexpr emptied& operator++() noexcept {
        ++value_;
        return *this;
    }
    constexpr emptied& operator--() noexcept {
        --value_;
        return *this;
    }
    constexpr T operator++(int) noexcept { return value_++; }

private:
    T value_ = Start;
};

}  // namespace sluice::detail
