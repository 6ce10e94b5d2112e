// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// routing_table, routing_table_reader — a placement that changes while many threads look keys up in it.
///
/// Use it for     any placement (ring_hash, maglev, bounded tables …) whose members come and go in a running program
/// Not for        a placement that one thread uses, or that never changes: that is a plain const value
/// Thread-safety  routing_table: any thread. A reader belongs to one thread at a time. Readers end before the table does
/// Progress       pick, locate, placement, version, release: as the placement's own, which see a snapshot: wait-free, no lock,
///                no allocation of the table's. Changes wait for each other, never for readers
/// Complexity     a look-up: the placement's and about a nanosecond. A change: a copy of the placement, f, and one allocation
/// Errors         what the placement throws, or the allocation, and then the table has not changed
///
///     sluice::routing_table table(ring);                        // a copy of the placement is version 1
///     auto reader = table.reader();                             // once per thread
///     if (auto node = reader.pick(user_id)) send(*node);
///     table.update([](auto& p) { p.remove("a"); p.add("b"); }); // one version: nobody sees a and b both gone
///
/// A look-up sees exactly one version. A node that has been removed may be the answer of look-ups that began before. A change
/// that changes nothing publishes nothing: f returned false, or (where f returns no bool and placements can be compared) the
/// copy is still equal.

#include <sluice/core/snapshot.hpp>
#include <sluice/routing/placement.hpp>

#include <atomic>
#include <concepts>
#include <cstdint>
#include <optional>
#include <utility>

namespace sluice {

template <class Placement, template <class> class Atom = std::atomic>
class routing_table_reader;

template <placement Placement, template <class> class Atom = std::atomic>
class routing_table {
public:
    using placement_type = Placement;
    using node_type = typename Placement::node_type;

    routing_table()
        requires std::default_initializable<Placement>
    = default;
    explicit routing_table(Placement first) : current_(std::move(first)) {}

    /// For one thread. Allocates; may throw, and then nothing has changed.
    [[nodiscard]] routing_table_reader<Placement, Atom> reader() { return routing_table_reader<Placement, Atom>(*this); }

    /// Calls f with a copy of the placement, on which it may make any number of changes, and publishes that as one version.
    /// Returns the version's number, or nothing if nothing changed. f may read the table but must not change it otherwise.
    template <std::invocable<Placement&> F>
    std::optional<std::uint64_t> update(F&& f) {
        return current_.update_unless(std::forward<F>(f), [](Placement const& before, Placement const& after) {
            if constexpr (std::equality_comparable<Placement>) return before == after;
            else return static_cast<void>(before), static_cast<void>(after), false;
        });
    }

    /// A whole new placement. Returns the version's number, or nothing if it is equal to the current one.
    std::optional<std::uint64_t> replace(Placement next) {
        return update([&](Placement& p) { p = std::move(next); });
    }

    /// placement.add(...) as a version of its own.
    template <class... Args>
        requires requires(Placement& p, Args const&... args) { p.add(args...); }
    std::optional<std::uint64_t> add(Args const&... args) {
        return update([&](Placement& p) -> decltype(auto) { return p.add(args...); });
    }

    /// placement.remove(...) as a version of its own.
    template <class... Args>
        requires requires(Placement& p, Args const&... args) { p.remove(args...); }
    std::optional<std::uint64_t> remove(Args const&... args) {
        return update([&](Placement& p) -> decltype(auto) { return p.remove(args...); });
    }

    /// The number of the current version; the first is 1, each change adds one.
    [[nodiscard]] std::uint64_t version() const noexcept { return current_.version(); }

    /// The versions themselves, for what is not offered here.
    [[nodiscard]] snapshot<Placement, Atom>& versions() noexcept { return current_; }

private:
    snapshot<Placement, Atom> current_;
};

template <class Placement, template <class> class Atom>
class routing_table_reader {
public:
    using placement_type = Placement;

    explicit routing_table_reader(routing_table<Placement, Atom>& table) : reader_(table.versions()) {}

    /// The node for the key now, as placement.pick says it.
    template <class Key>
        requires requires(Placement const& p, Key const& key) { p.pick(key); }
    [[nodiscard]] auto pick(Key const& key) noexcept(noexcept(std::declval<Placement const&>().pick(key))) {
        return reader_.get().pick(key);
    }

    /// Its index in the version of now. Take placement() or view() where the index is to be used with the same version.
    template <class Key>
        requires requires(Placement const& p, Key const& key) { p.locate(key); }
    [[nodiscard]] auto locate(Key const& key) noexcept(noexcept(std::declval<Placement const&>().locate(key))) {
        return reader_.get().locate(key);
    }

    /// The version of now; good until the next call of this reader, unless a view keeps it.
    [[nodiscard]] Placement const& placement() noexcept { return reader_.get(); }

    /// Keeps this reader on one version for a scope: several look-ups, or the index and what belongs to it.
    [[nodiscard]] snapshot_view<Placement, Atom> view() noexcept { return reader_.view(); }

    [[nodiscard]] std::uint64_t version() noexcept { return reader_.version(); }

    /// Lets go of the version: for a thread that pauses. The next look-up takes the current one.
    void release() noexcept { reader_.release(); }

private:
    snapshot_reader<Placement, Atom> reader_;
};

}  // namespace sluice
