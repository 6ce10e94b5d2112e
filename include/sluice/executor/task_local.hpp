// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// task_local, carry — values that go with a task: a request's identity or deadline, known wherever its work runs.
///
/// Use it for     what many functions want to know and none wants to pass on: a trace identity, a tenant, a locale
/// Not for        results, or anything that two tasks change; a value is fixed while it is bound
/// Thread-safety  a task_local from any thread; a scope belongs to the thread and the function in which it stands. Values are
///                read from several threads at once if tasks were carried there: T const& must allow that
/// Complexity     get: O(values bound around it). A scope allocates once; carry counts a reference; a carried call restores two
///                pointers
/// Errors         a scope throws std::bad_alloc or what T's move throws and then binds nothing; the rest is noexcept. Scopes end in
///                the reverse order of their beginning, as C++'s own scopes do: required
/// Source         dynamic scope, as Java's ScopedValue (JEP 506) and folly's RequestContext have it
///
///     inline sluice::task_local<std::string> request;              // one for the program, or a member
///     sluice::task_local<std::string>::scope const here(request, "r-17");
///     pool.post(sluice::carry([] { log(*request.get()); }));      // "r-17", on whatever thread that is
///
/// Nothing is carried unless carry is written: a task that does not need the values pays nothing.

#include <sluice/core/assert.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

// Ordering
//   (A) count  a new reference: relaxed, somebody holds one already
//   (B) count  acq_rel: whoever destroys the value does so after everybody's last look

/// A value that is bound, with all that was bound when it was: a list that grows at its head and is never changed.
struct binding {
    binding(void const* k, binding* u, void (*d)(binding*) noexcept) noexcept : key(k), under(u), destroy(d) {}

    void const* const               key;
    binding* const                  under;
    void (*const                    destroy)(binding*) noexcept;
    std::atomic<std::uint64_t>      references{1};

    static binding* retain(binding* b) noexcept {
        if (b != nullptr) b->references.fetch_add(1, std::memory_order_relaxed);              // (A)
        return b;
    }
    static void release(binding* b) noexcept {
        while (b != nullptr && b->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {  // (B)
            binding* const under = b->under;
            b->destroy(b);
            b = under;
        }
    }
};
inline constinit thread_local binding* bound_here = nullptr;

}  // namespace detail

template <class T>
class task_local {
    static_assert(std::is_object_v<T> && !std::is_const_v<T>, "task_local: T must be an object type, not const");

public:
    task_local() = default;
    task_local(task_local const&) = delete;  // its address is its name
    task_local& operator=(task_local const&) = delete;

    /// The innermost value on this thread; nullptr if none is bound. Good as long as the scope, or the carried call, in which it
    /// was asked for.
    [[nodiscard]] T const* get() const noexcept {
        for (auto const* b = detail::bound_here; b != nullptr; b = b->under)
            if (b->key == this) return &static_cast<cell const*>(b)->value;
        return nullptr;
    }
    /// The same, or `other`.
    [[nodiscard]] T const& get_or(T const& other) const noexcept {
        T const* const bound = get();
        return bound != nullptr ? *bound : other;
    }
    T const& get_or(T const&&) const = delete;

    /// Binds a value until it ends.
    class scope {
    public:
        scope(task_local const& which, T value)
            : bound_(new cell(&which, detail::bound_here, std::move(value))) {
            (void)detail::binding::retain(detail::bound_here);
            detail::bound_here = bound_;
        }
        scope(scope const&) = delete;
        scope& operator=(scope const&) = delete;
        ~scope() {
            SLUICE_ASSERT(detail::bound_here == bound_);
            detail::bound_here = bound_->under;
            detail::binding::release(bound_);
        }

    private:
        detail::binding* bound_;
    };

private:
    struct cell final : detail::binding {
        cell(void const* k, detail::binding* u, T&& v) : binding(k, u, &end), value(std::move(v)) {}
        static void end(detail::binding* b) noexcept { delete static_cast<cell*>(b); }
        T value;
    };
};

/// A callable with the values that are bound when it is made. Moved, never copied.
template <class F>
class carried {
public:
    template <class G>
        requires std::is_constructible_v<F, G>
    explicit carried(std::in_place_t, G&& f) : f_(std::forward<G>(f)), bound_(detail::binding::retain(detail::bound_here)) {}
    carried(carried&& other) noexcept(std::is_nothrow_move_constructible_v<F>)
        : f_(std::move(other.f_)), bound_(std::exchange(other.bound_, nullptr)) {}
    carried& operator=(carried&&) = delete;
    ~carried() { detail::binding::release(bound_); }

    template <class... Args>
    decltype(auto) operator()(Args&&... args) {
        struct back {
            detail::binding* before = detail::bound_here;
            ~back() { detail::bound_here = before; }
        } const restore;
        detail::bound_here = bound_;
        return std::invoke(f_, std::forward<Args>(args)...);
    }

private:
    F                f_;
    detail::binding* bound_;
};

/// f with the values that are bound here and now.
template <class F>
[[nodiscard]] carried<std::decay_t<F>> carry(F&& f) {
    return carried<std::decay_t<F>>(std::in_place, std::forward<F>(f));
}

}  // namespace sluice
