// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// unique_function — a callable of any type behind one signature, movable, never copied.
///
/// Use it for     tasks and callbacks that own what they need: move-only captures, no allocation for small ones
/// Not for        a callable that is only passed down (take a template parameter), or one that must be copied
/// Thread-safety  as any value: const access from any thread, everything else from one. A call counts as a change
/// Complexity     a call is one indirect call. A callable of at most Capacity bytes, aligned like std::max_align_t or
///                less and with a noexcept move, lies inside; any other takes one allocation. A move never allocates
/// Errors         construction passes on what the callable's constructor or the allocation throws and then has no
///                effect; moves are noexcept. A call requires a callable inside (SLUICE_ASSERT)
/// Units          Capacity in bytes, 48 by default: the object then has 64 on usual 64-bit targets
/// Differs        from std::move_only_function (C++23): no const or reference-qualified signatures, no pointers to
///                members; a null function pointer is refused by SLUICE_ASSERT, not taken for empty

#include <sluice/core/assert.hpp>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace sluice {

/// Signature is R(Args...) or R(Args...) noexcept; the latter accepts only callables that are noexcept.
template <class Signature, std::size_t Capacity = 48>
class unique_function;

namespace detail {

/// Whether a result of type From can be returned as R, and not as a reference to something that is gone by then.
template <class From, class R>
concept returnable_as =
    std::is_void_v<R> || std::same_as<From, R> ||
    (std::is_convertible_v<From, R> && !std::is_reference_v<R>) ||
    (std::is_convertible_v<From, R> && std::is_reference_v<From> &&
     std::is_convertible_v<std::remove_reference_t<From>*, std::remove_reference_t<R>*>);

template <class F, class R, class... Args>
concept callable_as = requires(F& f, Args&&... args) {
    { f(std::forward<Args>(args)...) } -> returnable_as<R>;
};

template <class F, class R, class... Args>
concept nothrow_callable_as = callable_as<F, R, Args...> && requires(F& f, Args&&... args) {
    { f(std::forward<Args>(args)...) } noexcept;
};

}  // namespace detail

template <class R, class... Args, bool Noexcept, std::size_t Capacity>
class unique_function<R(Args...) noexcept(Noexcept), Capacity> {
    static_assert(Capacity >= sizeof(void*), "unique_function: Capacity must hold at least a pointer");

public:
    using result_type = R;

    /// Whether an F lies inside the object, without an allocation.
    template <class F>
    static constexpr bool stored_inside =
        sizeof(F) <= Capacity && alignof(F) <= alignof(std::max_align_t) && std::is_nothrow_move_constructible_v<F>;

    constexpr unique_function() noexcept = default;
    constexpr unique_function(std::nullptr_t) noexcept {}

    template <class F>
        requires(!std::same_as<std::remove_cvref_t<F>, unique_function>) &&
                (Noexcept ? detail::nothrow_callable_as<std::decay_t<F>, R, Args...>
                          : detail::callable_as<std::decay_t<F>, R, Args...>) &&
                std::constructible_from<std::decay_t<F>, F>  // last: a wrapper of ours may ask back
    unique_function(F&& f) noexcept(stored_inside<std::decay_t<F>> &&
                                    std::is_nothrow_constructible_v<std::decay_t<F>, F>) {
        using callable = std::decay_t<F>;
        if constexpr (std::is_pointer_v<std::remove_cvref_t<F>>) SLUICE_ASSERT(f != nullptr);
        if constexpr (stored_inside<callable>) {
            ::new (static_cast<void*>(storage_)) callable(std::forward<F>(f));
            call_ = &call_inside<callable>;
            manage_ = &manage_inside<callable>;
        } else {
            callable* const address = new callable(std::forward<F>(f));
            std::memcpy(storage_, &address, sizeof address);
            call_ = &call_outside<callable>;
            manage_ = &manage_outside<callable>;
        }
    }

    unique_function(unique_function&& other) noexcept { take(other); }

    unique_function& operator=(unique_function&& other) noexcept {
        if (this != &other) {
            reset();
            take(other);
        }
        return *this;
    }

    /// Empties the object: the callable is destroyed.
    unique_function& operator=(std::nullptr_t) noexcept {
        reset();
        return *this;
    }

    unique_function(unique_function const&) = delete;
    unique_function& operator=(unique_function const&) = delete;

    ~unique_function() { reset(); }

    /// Calls the callable. Requires one inside.
    R operator()(Args... args) noexcept(Noexcept) {
        SLUICE_ASSERT(call_ != nullptr);
        return call_(storage_, std::forward<Args>(args)...);
    }

    [[nodiscard]] explicit operator bool() const noexcept { return call_ != nullptr; }

    friend bool operator==(unique_function const& f, std::nullptr_t) noexcept { return f.call_ == nullptr; }

    friend void swap(unique_function& a, unique_function& b) noexcept {
        unique_function kept(std::move(a));
        a = std::move(b);
        b = std::move(kept);
    }

private:
    using call_type = R(void*, Args&&...);  // without noexcept, which clang before 17 cannot match here
    using manage_type = void(void* from, void* to) noexcept;  // moves to `to` and destroys; null: only destroys

    template <class F>
    static R invoke(F& f, Args&&... args) noexcept(Noexcept) {
        if constexpr (std::is_void_v<R>)
            static_cast<void>(f(std::forward<Args>(args)...));
        else
            return f(std::forward<Args>(args)...);
    }

    template <class F>
    static R call_inside(void* storage, Args&&... args) noexcept(Noexcept) {
        return invoke(*std::launder(static_cast<F*>(storage)), std::forward<Args>(args)...);
    }

    template <class F>
    static R call_outside(void* storage, Args&&... args) noexcept(Noexcept) {
        return invoke(*outside<F>(storage), std::forward<Args>(args)...);
    }

    template <class F>
    static void manage_inside(void* from, void* to) noexcept {
        F& f = *std::launder(static_cast<F*>(from));
        if (to != nullptr) ::new (to) F(std::move(f));
        f.~F();
    }

    template <class F>
    static void manage_outside(void* from, void* to) noexcept {
        if (to != nullptr)
            std::memcpy(to, from, sizeof(F*));
        else
            delete outside<F>(from);
    }

    template <class F>
    static F* outside(void* storage) noexcept {
        F* address;
        std::memcpy(&address, storage, sizeof address);
        return address;
    }

    void take(unique_function& other) noexcept {
        if (other.call_ == nullptr) return;
        other.manage_(other.storage_, storage_);
        call_ = std::exchange(other.call_, nullptr);
        manage_ = std::exchange(other.manage_, nullptr);
    }

    void reset() noexcept {
        if (call_ == nullptr) return;
        call_ = nullptr;  // first: the callable's destructor may look at us
        std::exchange(manage_, nullptr)(storage_, nullptr);
    }

    alignas(std::max_align_t) std::byte storage_[Capacity];
    call_type* call_ = nullptr;
    manage_type* manage_ = nullptr;
};

}  // namespace sluice
