// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// lock_order, ordered_mutex, ordered_lock — taking mutexes in one order, and noticing at once where somebody does not.
///
/// Use it for     debug builds: an inversion is reported the first time the two orders have been seen, in whatever threads and at
///                whatever distance in time; the deadlock itself need not happen. ordered_lock: several mutexes at once, also in
///                release builds
/// Not for        hot locks: each lock and unlock of an ordered_mutex takes the recorder's own mutex and may allocate
/// Thread-safety  lock_order: any thread. An ordered_mutex as the mutex inside. An ordered_lock belongs to one thread
/// Progress       ordered_lock holds nothing while it waits for its first mutex and takes them upwards
/// Complexity     before_lock: O(locks held by the thread × log), and for a new pair what can be reached in the recorded order
/// Errors         ordered_mutex::lock throws lock_inversion, naming both and the order seen before, or std::bad_alloc, and
///                then has not locked. Unlocking what the thread does not hold: requires
/// Source         the order graph of the Linux kernel's lockdep; Havender, IBM Syst. J. 7, 1968, doi:10.1147/sj.72.0074 (levels)
/// Example        examples/563_deadlock_detection.cpp
///
/// Two rules. Levels: who holds a mutex of level k may take only higher ones; a mutex without a level is not compared. Order
/// seen: if b was ever taken while a was held, nobody may take a while holding b, nor through others in between. try_lock never
/// waits, so it is never an inversion and teaches no order; what is locked after it is judged against it.

#include <sluice/core/assert.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace sluice {

/// Of a mutex: who holds one may take only those of a higher level.
enum class lock_level : std::uint32_t { none = 0xffff'ffffU };

/// A mutex taken against the order.
class lock_inversion : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

/// The recorder. Mutexes are numbered by add; the thread is an argument, so that a test or a simulator can be any thread.
class lock_order {
public:
    using lock_id = std::size_t;

    struct inversion {
        lock_id              held;    ///< the thread has this one ...
        lock_id              wanted;  ///< ... and may not take this one
        std::vector<lock_id> seen;    ///< the order seen before: wanted, …, held. Empty: it is a matter of levels
    };

    lock_order() = default;
    lock_order(lock_order const&) = delete;
    lock_order& operator=(lock_order const&) = delete;

    /// A new mutex; what was seen of one before it that had the same number is forgotten.
    lock_id add(std::string_view name, lock_level level = lock_level::none) {
        std::lock_guard const guard(mutex_);
        std::string           text(name);
        if (!free_.empty()) {
            auto const i = free_.back();
            free_.pop_back();
            locks_[i].name = std::move(text);
            locks_[i].level = level;
            return i;
        }
        locks_.push_back({std::move(text), level, {}, 0});
        try {
            free_.reserve(locks_.capacity());
        } catch (...) {
            locks_.pop_back();
            throw;
        }
        return locks_.size() - 1;
    }
    /// The mutex is gone. Requires that no thread holds it.
    void remove(lock_id id) noexcept {
        std::lock_guard const guard(mutex_);
        locks_[id].after.clear();
        for (auto& l : locks_) std::erase(l.after, id);
        free_.push_back(id);  // has room
    }

    /// To be asked before `thread` waits for `wanted`: would that be an inversion? If not the order is learnt; nothing is held
    /// yet. `by_number`: within a level, too, the caller keeps to an order, that of the numbers.
    [[nodiscard]] std::optional<inversion> before_lock(std::thread::id thread, lock_id wanted, bool by_number = false) {
        std::lock_guard const guard(mutex_);
        auto const            at = held_.find(thread);
        if (at == held_.end()) return std::nullopt;
        for (auto const have : at->second) {
            if (have == wanted) return inversion{have, wanted, {wanted}};  // it would wait for itself
            auto const low = locks_[have].level, high = locks_[wanted].level;
            bool const upwards = low < high || (low == high && by_number && have < wanted);
            if (low != lock_level::none && high != lock_level::none && !upwards) return inversion{have, wanted, {}};
        }
        for (auto const have : at->second) {
            auto const& after = locks_[have].after;
            if (std::find(after.begin(), after.end(), wanted) != after.end()) continue;  // known, so it was right
            if (auto path = find_path(wanted, have); !path.empty()) return inversion{have, wanted, std::move(path)};
        }
        for (auto const have : at->second) {
            auto& after = locks_[have].after;
            if (std::find(after.begin(), after.end(), wanted) == after.end()) after.push_back(wanted);
        }
        return std::nullopt;
    }
    void locked(std::thread::id thread, lock_id id) {
        std::lock_guard const guard(mutex_);
        held_[thread].push_back(id);
    }
    /// Requires that the thread holds it.
    void unlocked(std::thread::id thread, lock_id id) noexcept {
        std::lock_guard const guard(mutex_);
        auto const            at = held_.find(thread);
        SLUICE_ASSERT(at != held_.end());
        auto const which = std::find(at->second.rbegin(), at->second.rend(), id);
        SLUICE_ASSERT(which != at->second.rend());
        at->second.erase(std::next(which).base());
        if (at->second.empty()) held_.erase(at);
    }

    /// The mutexes that a thread holds, in the order it took them.
    [[nodiscard]] std::vector<lock_id> held(std::thread::id thread) const {
        std::lock_guard const guard(mutex_);
        auto const            at = held_.find(thread);
        return at == held_.end() ? std::vector<lock_id>{} : at->second;
    }

    /// "takes a while holding b, but the order is a -> b"
    [[nodiscard]] std::string describe(inversion const& i) const {
        std::lock_guard const guard(mutex_);
        std::string text = "takes " + locks_[i.wanted].name + " while holding " + locks_[i.held].name;
        if (i.held == i.wanted) return text + ": it would wait for itself";
        if (i.seen.empty())
            return text + ": level " + std::to_string(static_cast<std::uint32_t>(locks_[i.wanted].level)) + " is not above level " +
                   std::to_string(static_cast<std::uint32_t>(locks_[i.held].level));
        text += ", but the order was ";
        for (std::size_t k = 0; k < i.seen.size(); ++k) text += (k == 0 ? "" : " -> ") + locks_[i.seen[k]].name;
        return text;
    }

private:
    struct one_lock {
        std::string          name;
        lock_level           level;
        std::vector<lock_id> after;  // what was taken while it was held
        std::uint64_t        mark;
    };

    /// from, …, to along the order seen; empty if there is none.
    std::vector<lock_id> find_path(lock_id from, lock_id to) {
        ++searches_;
        std::vector<std::pair<lock_id, std::size_t>> reached{{from, 0}};  // and through which of these
        locks_[from].mark = searches_;
        for (std::size_t i = 0; i < reached.size(); ++i) {
            if (reached[i].first == to) {
                std::vector<lock_id> path;
                for (std::size_t k = i; k != 0; k = reached[k].second) path.push_back(reached[k].first);
                path.push_back(from);
                std::reverse(path.begin(), path.end());
                return path;
            }
            for (auto const next : locks_[reached[i].first].after)
                if (locks_[next].mark != searches_) {
                    locks_[next].mark = searches_;
                    reached.emplace_back(next, i);
                }
        }
        return {};
    }

    mutable std::mutex                               mutex_;
    std::vector<one_lock>                            locks_;
    std::vector<lock_id>                             free_;
    std::map<std::thread::id, std::vector<lock_id>>  held_;
    std::uint64_t                                    searches_ = 0;
};

/// A mutex that asks a recorder first. The recorder must outlive it.
template <class Mutex = std::mutex>
class ordered_mutex {
public:
    explicit ordered_mutex(lock_order& order, std::string_view name, lock_level level = lock_level::none)
        : order_(order), level_(level), id_(order.add(name, level)) {}
    ordered_mutex(ordered_mutex const&) = delete;
    ordered_mutex& operator=(ordered_mutex const&) = delete;
    ~ordered_mutex() { order_.remove(id_); }

    void lock() { lock_checked(false); }
    [[nodiscard]] bool try_lock() {
        if (!mutex_.try_lock()) return false;
        note();
        return true;
    }
    void unlock() {
        order_.unlocked(std::this_thread::get_id(), id_);
        mutex_.unlock();
    }

    [[nodiscard]] lock_order::lock_id id() const noexcept { return id_; }
    [[nodiscard]] lock_level          level() const noexcept { return level_; }

    /// For ordered_lock, which keeps to the order of the numbers within a level.
    void lock_by_number() { lock_checked(true); }

private:
    void lock_checked(bool by_number) {
        if (auto const i = order_.before_lock(std::this_thread::get_id(), id_, by_number)) throw lock_inversion(order_.describe(*i));
        mutex_.lock();
        note();
    }
    void note() {
        try {
            order_.locked(std::this_thread::get_id(), id_);
        } catch (...) {
            mutex_.unlock();
            throw;
        }
    }

    lock_order&               order_;
    lock_level const          level_;
    lock_order::lock_id const id_;
    Mutex                     mutex_;
};

namespace detail {

/// One of several mutexes of any type: how to take it, and its place in the order that everybody takes them in.
struct lock_slot {
    void*         mutex = nullptr;
    lock_level    level = lock_level::none;
    std::size_t   number = std::numeric_limits<std::size_t>::max();
    void          (*lock)(void*) = nullptr;
    void          (*unlock)(void*) = nullptr;

    template <class Mutex>
    [[nodiscard]] static lock_slot of(Mutex& m) noexcept {
        lock_slot s;
        s.mutex = std::addressof(m);
        s.unlock = [](void* p) { static_cast<Mutex*>(p)->unlock(); };
        if constexpr (requires { m.lock_by_number(); m.level(); m.id(); }) {
            s.level = m.level();
            s.number = m.id();
            s.lock = [](void* p) { static_cast<Mutex*>(p)->lock_by_number(); };
        } else {
            s.lock = [](void* p) { static_cast<Mutex*>(p)->lock(); };
        }
        return s;
    }
    [[nodiscard]] bool operator<(lock_slot const& other) const noexcept {
        if (level != other.level) return level < other.level;
        if (number != other.number) return number < other.number;
        return std::less<void const*>()(mutex, other.mutex);
    }
};

/// Sorts them, drops those that are there twice, takes them upwards. If one throws, those before it are let go. Returns how many
/// are held: the first ones.
inline std::size_t lock_upwards(std::span<lock_slot> slots) {
    std::sort(slots.begin(), slots.end());
    auto const end = std::unique(slots.begin(), slots.end(),
                                 [](lock_slot const& a, lock_slot const& b) { return a.mutex == b.mutex; });
    auto const n = static_cast<std::size_t>(end - slots.begin());
    std::size_t taken = 0;
    try {
        for (; taken < n; ++taken) slots[taken].lock(slots[taken].mutex);
    } catch (...) {
        while (taken != 0) --taken, slots[taken].unlock(slots[taken].mutex);
        throw;
    }
    return n;
}
inline void unlock_downwards(std::span<lock_slot> slots, std::size_t n) {
    while (n != 0) --n, slots[n].unlock(slots[n].mutex);
}

}  // namespace detail

/// Holds several mutexes, taken in the one order: levels first, then numbers (ordered_mutex), then addresses (any other). The
/// same mutex named twice is taken once.
template <std::size_t N>
class [[nodiscard]] ordered_lock {
public:
    template <class... Mutexes>
        requires(sizeof...(Mutexes) == N)
    explicit ordered_lock(Mutexes&... mutexes) : slots_{detail::lock_slot::of(mutexes)...}, held_(detail::lock_upwards(slots_)) {}
    ordered_lock(ordered_lock const&) = delete;
    ordered_lock& operator=(ordered_lock const&) = delete;
    ~ordered_lock() { detail::unlock_downwards(slots_, held_); }

private:
    detail::lock_slot slots_[N];
    std::size_t       held_;
};
template <class... Mutexes>
ordered_lock(Mutexes&...) -> ordered_lock<sizeof...(Mutexes)>;

/// The same for as many as there are at run time; allocates.
class [[nodiscard]] ordered_locks {
public:
    template <class Mutex>
    explicit ordered_locks(std::span<Mutex* const> mutexes) {
        slots_.reserve(mutexes.size());
        for (auto* const m : mutexes) slots_.push_back(detail::lock_slot::of(*m));
        held_ = detail::lock_upwards(slots_);
    }
    ordered_locks(ordered_locks const&) = delete;
    ordered_locks& operator=(ordered_locks const&) = delete;
    ~ordered_locks() { detail::unlock_downwards(slots_, held_); }

private:
    std::vector<detail::lock_slot> slots_;
    std::size_t                    held_ = 0;
};

}  // namespace sluice
