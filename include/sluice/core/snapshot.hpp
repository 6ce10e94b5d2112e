// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// snapshot, snapshot_reader — one current value, replaced whole by writers, that readers look at for next to nothing.
///
/// Use it for     what is read all the time and seldom changed: tables of routes, lists of nodes, configurations
/// Not for        values that change as often as they are read; a number (an atomic)
/// Thread-safety  snapshot: any thread. A reader belongs to one thread at a time; each thread makes its own. Readers end
///                before the snapshot does (SLUICE_ASSERT)
/// Progress       get, view, release, version: wait-free, no lock and no allocation, also when the value has just changed.
///                Writers wait for each other, never for readers. reader() and the end of a reader lock a mutex that is
///                held for O(readers) steps and never while user code runs
/// Complexity     get: what is current, loaded and compared with what the reader has; after a change an exchange, a load and a
///                CAS more. publish: one allocation and O(readers). update: a copy of the value besides
/// Errors         publish, update, reader(): what the allocation, T's copy or move or f throws, and then nothing has
///                changed. The rest is noexcept. A destructor of T that throws: std::terminate
///
///     sluice::snapshot<config> current(load());
///     auto reader = current.reader();                                 // once per thread
///     handle(request, reader.get());                                  // each time; one version, whole
///     current.update([](config& c) { c.limit = 7; });                 // any thread
///
/// A reference from get() is good until the same reader's next get(), ->, release() or end. `->` and view() keep the reader on
/// one version for the whole expression or scope, however often it reads meanwhile.
///
/// A version that was replaced is destroyed by the first publish, update or collect, or the first reader to end, that finds no
/// reader on it: on that thread and without a lock, so the destructor may use the snapshot (not while the snapshot itself is
/// destroyed). A reader stays on its version until it reads again, so one that pauses should release(). While no writer is at
/// work no more than readers + 1 versions exist; with one writer at work, one more.

#include <sluice/core/assert.hpp>
#include <sluice/core/detail/hazard_slot.hpp>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice {

template <class T, template <class> class Atom>
class snapshot_reader;

namespace detail {

template <class T>
struct snapshot_node : hazard_node<snapshot_node<T>> {
    template <class... Args>
    explicit snapshot_node(Args&&... args) : value(std::forward<Args>(args)...) {}
    T             value;
    std::uint64_t version = 1;
};

/// Ends a chain of nodes, one after the other.
template <class Node>
struct node_chain {
    Node* first = nullptr;

    node_chain() = default;
    node_chain(node_chain const&) = delete;
    node_chain& operator=(node_chain const&) = delete;
    ~node_chain() { (void)clear(); }

    std::size_t clear() noexcept {
        std::size_t n = 0;
        for (; first != nullptr; ++n) delete std::exchange(first, first->hazard_next);
        return n;
    }
};

}  // namespace detail

template <class T, template <class> class Atom = std::atomic>
class snapshot {
    static_assert(std::is_object_v<T> && !std::is_const_v<T>, "snapshot: T must be an object type, not const");

public:
    using value_type = T;

    /// The first version, number 1.
    snapshot()
        requires std::default_initializable<T>
        : slot_(new node()) {}
    explicit snapshot(T first) : slot_(new node(std::move(first))) {}

    snapshot(snapshot const&) = delete;
    snapshot& operator=(snapshot const&) = delete;

    ~snapshot() {
        SLUICE_ASSERT(!slot_.has_cells());
        (void)collect();
        delete slot_.current();
    }

    /// A reader for one thread. Allocates; may throw, and then nothing has changed.
    [[nodiscard]] snapshot_reader<T, Atom> reader() { return snapshot_reader<T, Atom>(*this); }

    /// Replaces the value; returns the number of the new version.
    std::uint64_t publish(T next) {
        garbage                     old;
        auto                        made = std::make_unique<node>(std::move(next));
        std::lock_guard const       writer(writers_);
        return replace(std::move(made), old);
    }

    /// Copies the value, calls f(copy), publishes the copy and returns its number. Empty: f has returned false, and nothing was
    /// published. (A result of any type but bool is ignored, and means a change.) f runs under the writers' lock: it may read,
    /// but must not publish or update the same snapshot.
    template <std::invocable<T&> F>
        requires std::copy_constructible<T>
    std::optional<std::uint64_t> update(F&& f) {
        return update_unless(std::forward<F>(f), [](T const&, T const&) { return false; });
    }

    /// As update; but an f that returns no bool publishes only if same(before, after) is false.
    template <std::invocable<T&> F, std::predicate<T const&, T const&> Same>
        requires std::copy_constructible<T>
    std::optional<std::uint64_t> update_unless(F&& f, Same&& same) {
        garbage               old;
        std::unique_ptr<node> made;
        std::lock_guard const writer(writers_);
        T const&              before = slot_.current()->value;  // no other writer: it stays
        made = std::make_unique<node>(before);
        if constexpr (std::same_as<std::invoke_result_t<F, T&>, bool>) {
            if (!std::invoke(std::forward<F>(f), made->value)) return std::nullopt;
        } else {
            static_cast<void>(std::invoke(std::forward<F>(f), made->value));
            if (std::invoke(same, before, std::as_const(made->value))) return std::nullopt;
        }
        return replace(std::move(made), old);
    }

    /// Destroys the replaced versions that no reader holds; returns how many.
    std::size_t collect() noexcept {
        garbage old;
        {
            std::lock_guard const lock(mutex_);
            old.first = slot_.collect();
        }
        return old.clear();
    }

    /// The number of the current version: the first is 1, each one after it has one more.
    [[nodiscard]] std::uint64_t version() const noexcept { return slot_.version(); }

private:
    friend class snapshot_reader<T, Atom>;
    using node = detail::snapshot_node<T>;
    using slot = detail::hazard_slot<node, Atom>;
    using cell = typename slot::cell;
    using garbage = detail::node_chain<node>;  // declared before a lock: destroyed after it was given back

    std::uint64_t replace(std::unique_ptr<node> next, garbage& old) noexcept {
        std::uint64_t const   version = slot_.current()->version + 1;
        std::lock_guard const lock(mutex_);
        next->version = version;
        slot_.replace(next.release(), version);
        old.first = slot_.collect();
        return version;
    }

    slot       slot_;
    std::mutex mutex_;    // the slot's lock
    std::mutex writers_;  // one version follows from the other; taken before mutex_
};

/// Keeps its reader on one version while it lives, and must not outlive it.
template <class T, template <class> class Atom>
class snapshot_view {
public:
    snapshot_view(snapshot_view const&) = delete;
    snapshot_view& operator=(snapshot_view const&) = delete;
    ~snapshot_view() { reader_.end_view(); }

    [[nodiscard]] T const& operator*() const noexcept { return value_; }
    [[nodiscard]] T const* operator->() const noexcept { return std::addressof(value_); }

private:
    friend class snapshot_reader<T, Atom>;
    explicit snapshot_view(snapshot_reader<T, Atom>& reader) noexcept : reader_(reader), value_(reader.get()) { reader.begin_view(); }
    snapshot_reader<T, Atom>& reader_;
    T const&                  value_;
};

template <class T, template <class> class Atom = std::atomic>
class snapshot_reader {
public:
    using value_type = T;
    using view_type = snapshot_view<T, Atom>;

    /// Registers with the snapshot, which must outlive it. Allocates.
    explicit snapshot_reader(snapshot<T, Atom>& home) : home_(&home), watch_(&home.slot_.watched()), cell_(std::make_unique<cell>()) {
        std::lock_guard const lock(home.mutex_);
        home.slot_.enlist(*cell_);
    }
    /// The other one is empty then, and may only be assigned to or end. Requires that it has no view.
    snapshot_reader(snapshot_reader&& other) noexcept
        : home_(std::exchange(other.home_, nullptr)), watch_(std::exchange(other.watch_, nullptr)),
          held_(std::exchange(other.held_, nullptr)), cell_(std::move(other.cell_)) {
        SLUICE_ASSERT(other.views_ == 0);
    }
    snapshot_reader& operator=(snapshot_reader&& other) noexcept {
        snapshot_reader taken(std::move(other));
        SLUICE_ASSERT(views_ == 0);
        std::swap(home_, taken.home_);
        std::swap(watch_, taken.watch_);
        std::swap(held_, taken.held_);
        std::swap(cell_, taken.cell_);
        return *this;
    }
    ~snapshot_reader() {
        SLUICE_ASSERT(views_ == 0);
        if (cell_ == nullptr) return;
        slot::release(*cell_);
        typename snapshot<T, Atom>::garbage old;
        std::lock_guard const               lock(home_->mutex_);
        home_->slot_.dismiss(*cell_);
        old.first = home_->slot_.collect();
    }

    /// The current value, or the view's while there is one. Good until the next get(), ->, release() or end of this reader.
    [[nodiscard]] T const& get() noexcept { return now()->value; }

    /// The current value for as long as the view lives; every other look through this reader sees the same one until then.
    [[nodiscard]] view_type view() noexcept { return view_type(*this); }

    /// The current value for the rest of the expression.
    [[nodiscard]] view_type operator->() noexcept { return view_type(*this); }

    /// The number of the version that get() would return: brings it up to date as get() does.
    [[nodiscard]] std::uint64_t version() noexcept { return now()->version; }

    /// Whether there is a newer version than the one held; true where none is held.
    [[nodiscard]] bool stale() const noexcept { return held_ == nullptr || home_->version() != held_->version; }

    /// Lets go of the version. The next get() takes the current one. Requires that there is no view.
    void release() noexcept {
        SLUICE_ASSERT(cell_ != nullptr && views_ == 0);
        slot::release(*cell_);
        held_ = nullptr;
    }

private:
    friend class snapshot_view<T, Atom>;
    using slot = typename snapshot<T, Atom>::slot;
    using node = typename snapshot<T, Atom>::node;
    using cell = typename snapshot<T, Atom>::cell;

    [[nodiscard]] node const* now() noexcept {
        SLUICE_ASSERT(cell_ != nullptr);
        if (!slot::is_current(held_, *watch_)) [[unlikely]] held_ = home_->slot_.renew(*cell_);
        return held_;
    }

    void begin_view() noexcept {
        if (views_++ == 0) watch_ = &slot::pinned(*cell_, held_);
    }
    void end_view() noexcept {
        if (--views_ == 0) watch_ = &home_->slot_.watched();
    }

    snapshot<T, Atom>*          home_;
    typename slot::place const* watch_;  // what get() compares with: the slot's, or while there is a view what the view keeps
    node*                       held_ = nullptr;
    std::unique_ptr<cell> cell_;
    std::uint32_t         views_ = 0;
};

}  // namespace sluice
