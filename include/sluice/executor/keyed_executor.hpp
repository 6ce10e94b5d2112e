// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// keyed_executor — tasks with a key: one after the other for each key, in the order of post, and different keys at once.
///
/// Use it for     millions of small sequential things on a few threads: a guild, a user, a device, an account each
/// Not for        a few objects with a handle each (strand); shares between keys (queued_executor with drr or wfq)
/// Thread-safety  every member from any thread, also from inside tasks. What one task of a key does happens before the next. The
///                executor must outlive what is posted; the keyed_executor need not: what was accepted runs
/// Progress       blocking, for a moment: a mutex per shard, under which no task runs. Under it Key is compared and, where
///                max_depth is given, the callable is moved: they must not call the keyed_executor
/// Complexity     O(1) on average: a look into a hash table; one node for the task, and one entry and the executor's own post
///                for a key that was idle. An idle key costs nothing: its entry is freed with its last task, and the tables shrink
/// Errors         post throws std::bad_alloc, what moving the callable or copying or hashing the key throws, or what the
///                executor's post throws, and then has no effect. A task that throws concerns nobody else: its exception goes to
///                the handler with the key, or leaves the executor's task. errors() counts them. If the executor drops tasks,
///                those of the keys concerned are destroyed unrun and counted in dropped(); so are those that came from other
///                threads into a post that failed, if a second one fails too
/// Units          max_depth in tasks of one key that wait or run
/// Example        examples/583_keyed_millions.cpp
///
/// If the executor refuses a key when it queues up again after a quantum, the key keeps its worker until nothing of it waits.
/// Keys share a shard's mutex, never their order or their failures.

#include <sluice/core/assert.hpp>
#include <sluice/core/cacheline.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/hash.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/detail/ticket.hpp>
#include <sluice/executor/executor.hpp>
#include <sluice/executor/strand.hpp>

#include <atomic>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace sluice {

class thread_pool;  // the default executor: who uses it includes its header, the others need not

struct keyed_executor_options {
    std::size_t   shards = 64;             ///< parts with a mutex each, rounded up to a power of two; 1 to 65 536
    std::size_t   max_depth = SIZE_MAX;    ///< most tasks of one key; > 0
    std::uint32_t quantum = 16;            ///< tasks of a key that run before its worker turns to other work; > 0
};

/// What post throws when the key has max_depth tasks.
class key_full : public std::exception {
public:
    [[nodiscard]] char const* what() const noexcept override { return "sluice: the key has as many tasks as it may"; }
};

namespace detail {

template <class Key, class Executor>
struct keyed_common {
    using error_handler = unique_function<void(Key const&, std::exception_ptr)>;

    keyed_common(Executor& e, keyed_executor_options o, error_handler h)
        : executor(e), options(o), on_error(std::move(h)) {}

    Executor&                  executor;
    keyed_executor_options     options;
    error_handler              on_error;
    std::atomic<std::uint64_t> errors{0};
    std::atomic<std::uint64_t> dropped{0};
};

/// A hash table of the keys that have tasks. An entry is there while its key has one, and so long a ticket is under way, or a
/// post that is making one; who has it owns the front of the list.
template <class Key, class Executor>
class alignas(cache_line_size) keyed_shard {
public:
    using common = keyed_common<Key, Executor>;

    struct entry {
        entry(Key const& k, std::uint64_t h) : hash(h), key(k) {}
        entry*        next = nullptr;  // of the bucket
        std::uint64_t hash;
        queued_task*  first = nullptr;
        queued_task*  last = nullptr;
        std::size_t   depth = 0;       // tasks that wait or run
        Key           key;
    };

    explicit keyed_shard(std::shared_ptr<common> c) : common_(std::move(c)), buckets_(least_buckets) {}

    template <class F>
    [[nodiscard]] bool post(std::shared_ptr<keyed_shard> const& self, Key const& key, std::uint64_t hash, F&& f) {
        bool const   bounded = common_->options.max_depth != SIZE_MAX;
        queued_task* task = bounded ? nullptr : make_queued(std::forward<F>(f));
        entry*       e = nullptr;
        {
            owner own{task};
            std::lock_guard const lock(mutex_);
            e = find(key, hash);
            if (bounded) {
                if (e != nullptr && e->depth >= common_->options.max_depth) return false;
                own.task = task = make_queued(std::forward<F>(f));
            }
            bool const idle = e == nullptr;
            if (idle) e = add(key, hash);
            own.task = nullptr;
            append(*e, task);
            if (!idle) return true;
        }
        try {
            post_ticket(common_->executor, self, serial_of(e));
        } catch (...) {
            take_back(self, *e, task);
            throw;
        }
        return true;
    }

    void run_ticket(std::shared_ptr<keyed_shard> const& self, std::uint64_t serial) {
        entry&             e = entry_of(serial);
        std::exception_ptr error;
        for (bool more = true; more;) {
            std::size_t const ran = run_some(e, error);
            if constexpr (requires { common_->executor.at_task_end(queued_end{self, &e, ran}); }) {
                at_task_end(common_->executor, queued_end{self, &e, ran});
                more = false;
            } else {
                more = !leave_or_post(self, e, ran);
            }
        }
        if (error) std::rethrow_exception(error);
    }
    void ticket_lost(std::shared_ptr<keyed_shard> const&, std::uint64_t serial) noexcept { drop_all(entry_of(serial)); }

    [[nodiscard]] std::size_t keys() const {
        std::lock_guard const lock(mutex_);
        return keys_;
    }
    [[nodiscard]] std::size_t depth(Key const& key, std::uint64_t hash) const {
        std::lock_guard const lock(mutex_);
        auto const* const     e = find(key, hash);
        return e != nullptr ? e->depth : 0;
    }
    [[nodiscard]] bool inside(Key const& key, std::uint64_t hash) const {
        std::lock_guard const lock(mutex_);
        auto const* const     e = find(key, hash);
        return e != nullptr && strand_frame::inside(e);
    }

private:
    static constexpr std::size_t least_buckets = 8;

    struct owner {
        queued_task* task;
        ~owner() {
            if (task != nullptr) task->destroy();
        }
    };
    struct queued_end {
        std::shared_ptr<keyed_shard> shard;
        entry*                       e;
        std::size_t                  ran;
        void operator()() noexcept {
            if (!shard->leave_or_post(shard, *e, ran)) shard->drop_all(*e);
        }
    };

    [[nodiscard]] static std::uint64_t serial_of(entry* e) noexcept { return reinterpret_cast<std::uintptr_t>(e); }
    [[nodiscard]] static entry&        entry_of(std::uint64_t serial) noexcept {
        return *reinterpret_cast<entry*>(static_cast<std::uintptr_t>(serial));
    }

    /// Runs up to a quantum. Returns how many tasks of the entry's depth are to be taken off yet.
    std::size_t run_some(entry& e, std::exception_ptr& error) noexcept {
        bool const         bounded = common_->options.max_depth != SIZE_MAX;
        strand_frame const here(&e);
        queued_task*       rest = nullptr;
        queued_task*       last = nullptr;  // of rest
        std::size_t        ran = 0;
        for (std::uint32_t n = 0; n < common_->options.quantum; ++n) {
            if (rest == nullptr || bounded) {
                std::lock_guard const lock(mutex_);
                if (bounded && ran > 0) e.depth -= std::exchange(ran, 0);
                if (rest == nullptr) {
                    rest = std::exchange(e.first, nullptr);
                    last = e.last;
                }
            }
            if (rest == nullptr) break;
            auto* const task = std::exchange(rest, rest->next);
            ++ran;
            if (!run_one(e, *task, error)) break;
        }
        if (rest != nullptr) {  // back to the front
            std::lock_guard const lock(mutex_);
            last->next = e.first;
            if (e.first == nullptr) e.last = last;
            e.first = rest;
        }
        return ran;
    }

    /// False: an exception is to leave the ticket first.
    bool run_one(entry& e, queued_task& task, std::exception_ptr& error) noexcept {
        try {
            task.run();
        } catch (...) {
            common_->errors.fetch_add(1, std::memory_order_relaxed);  // (stat)
            if (common_->on_error) {
                common_->on_error(e.key, std::current_exception());
            } else if (!error) {
                error = std::current_exception();
                return false;
            }
        }
        return true;
    }

    /// The key is idle, or its next ticket is posted. False: there is more, and the executor takes no ticket.
    [[nodiscard]] bool leave_or_post(std::shared_ptr<keyed_shard> const& self, entry& e, std::size_t ran) noexcept {
        std::unique_ptr<entry> gone;
        {
            std::lock_guard const lock(mutex_);
            e.depth -= ran;
            if (e.depth == 0) gone.reset(remove(e));
        }
        if (gone != nullptr) return true;
        try {
            post_ticket(common_->executor, self, serial_of(&e));
            return true;
        } catch (...) {
            return false;
        }
    }

    /// The post of the ticket failed: the task is the entry's first, what others added since comes behind it.
    void take_back(std::shared_ptr<keyed_shard> const& self, entry& e, queued_task* task) noexcept {
        {
            std::lock_guard const lock(mutex_);
            SLUICE_ASSERT(e.first == task);
            e.first = task->next;
        }
        task->destroy();
        if (!leave_or_post(self, e, 1)) drop_all(e);
    }

    void drop_all(entry& e) noexcept {
        strand_frame const here(&e);
        std::size_t        count = 0;
        for (;;) {
            queued_task*           all = nullptr;
            std::unique_ptr<entry> gone;
            {
                std::lock_guard const lock(mutex_);
                e.depth -= std::exchange(count, 0);
                all = std::exchange(e.first, nullptr);
                if (all == nullptr) gone.reset(remove(e));
            }
            if (gone != nullptr) return;
            for (; all != nullptr; ++count) std::exchange(all, all->next)->destroy();
            common_->dropped.fetch_add(count, std::memory_order_relaxed);  // (stat)
        }
    }

    // ---- the table, under the mutex ----

    static void append(entry& e, queued_task* task) noexcept {
        (e.first != nullptr ? e.last->next : e.first) = task;
        e.last = task;
        ++e.depth;
    }
    [[nodiscard]] std::size_t bucket_of(std::uint64_t hash) const noexcept {
        return static_cast<std::size_t>(hash) & (buckets_.size() - 1);
    }
    [[nodiscard]] entry* find(Key const& key, std::uint64_t hash) const {
        for (auto* e = buckets_[bucket_of(hash)]; e != nullptr; e = e->next)
            if (e->hash == hash && e->key == key) return e;
        return nullptr;
    }
    [[nodiscard]] entry* add(Key const& key, std::uint64_t hash) {
        auto* const e = new entry(key, hash);
        if (keys_ >= buckets_.size()) resize(buckets_.size() * 2);
        auto& bucket = buckets_[bucket_of(hash)];
        e->next = bucket;
        bucket = e;
        ++keys_;
        return e;
    }
    [[nodiscard]] entry* remove(entry& e) noexcept {
        auto** link = &buckets_[bucket_of(e.hash)];
        while (*link != &e) link = &(*link)->next;
        *link = e.next;
        if (--keys_ < buckets_.size() / 8 && buckets_.size() > least_buckets) resize(buckets_.size() / 2);
        return &e;
    }
    /// Without memory the table stays as it is.
    void resize(std::size_t n) noexcept {
        std::vector<entry*> other;
        try {
            other.resize(n);
        } catch (std::bad_alloc const&) {
            return;
        }
        std::swap(buckets_, other);
        for (auto* e : other)
            while (e != nullptr) {
                auto& bucket = buckets_[bucket_of(e->hash)];
                auto* const next = std::exchange(e->next, bucket);
                bucket = std::exchange(e, next);
            }
    }

    std::shared_ptr<common> common_;
    mutable std::mutex      mutex_;
    std::vector<entry*>     buckets_;
    std::size_t             keys_ = 0;
};

}  // namespace detail

template <class Key, executor Executor = thread_pool, class Hash = xxh3>
    requires std::equality_comparable<Key> && std::copy_constructible<Key> && hasher<Hash, Key>
class keyed_executor {
public:
    /// Gets what a task of the key threw, before the key's next task; from several threads at once; must not throw.
    using error_handler = unique_function<void(Key const&, std::exception_ptr)>;

    explicit keyed_executor(Executor& e, keyed_executor_options options = {}, error_handler on_error = {}, Hash hash = {})
        : hash_(std::move(hash)), common_(std::make_shared<common>(e, checked(options), std::move(on_error))) {
        auto const n = std::bit_ceil(options.shards);
        shards_.reserve(n);
        for (std::size_t i = 0; i < n; ++i) shards_.push_back(std::make_shared<shard>(common_));
    }
    keyed_executor(keyed_executor const&) = delete;
    keyed_executor& operator=(keyed_executor const&) = delete;

    /// Runs f() after everything that was posted for the key before. Throws key_full where the key has max_depth tasks.
    template <class F>
    void post(Key const& key, F&& f) {
        if (!try_post(key, std::forward<F>(f))) throw key_full();
    }
    /// False where the key has max_depth tasks; f is untouched then.
    template <class F>
    [[nodiscard]] bool try_post(Key const& key, F&& f) {
        auto const  hash = hash_(key);
        auto const& s = shard_of(hash);
        return s->post(s, key, hash, std::forward<F>(f));
    }

    /// Whether the caller is inside a task of this key.
    [[nodiscard]] bool running_in(Key const& key) const {
        auto const hash = hash_(key);
        return shard_of(hash)->inside(key, hash);
    }
    /// Tasks of the key that wait or run; those of the quantum that runs count until its end, unless max_depth is given.
    [[nodiscard]] std::size_t depth_approx(Key const& key) const {
        auto const hash = hash_(key);
        return shard_of(hash)->depth(key, hash);
    }
    /// Keys with tasks. The others cost nothing.
    [[nodiscard]] std::size_t active_keys_approx() const {
        std::size_t sum = 0;
        for (auto const& s : shards_) sum += s->keys();
        return sum;
    }
    [[nodiscard]] std::uint64_t errors() const noexcept {
        return common_->errors.load(std::memory_order_relaxed);  // (stat)
    }
    /// Tasks that were accepted and destroyed unrun, because the executor would not run them.
    [[nodiscard]] std::uint64_t dropped() const noexcept {
        return common_->dropped.load(std::memory_order_relaxed);  // (stat)
    }

private:
    using common = detail::keyed_common<Key, Executor>;
    using shard = detail::keyed_shard<Key, Executor>;

    static keyed_executor_options const& checked(keyed_executor_options const& o) {
        detail::require_option(o.shards >= 1 && o.shards <= 65'536, "keyed_executor_options::shards (1 to 65536)", o.shards);
        detail::require_option(o.max_depth >= 1, "keyed_executor_options::max_depth (> 0)", o.max_depth);
        detail::require_option(o.quantum >= 1, "keyed_executor_options::quantum (> 0)", o.quantum);
        return o;
    }
    /// By the upper half of the hash; the shard's table takes the lower one.
    [[nodiscard]] std::shared_ptr<shard> const& shard_of(std::uint64_t hash) const noexcept {
        return shards_[static_cast<std::size_t>(hash >> 32) & (shards_.size() - 1)];
    }

    [[no_unique_address]] Hash          hash_;
    std::shared_ptr<common>             common_;
    std::vector<std::shared_ptr<shard>> shards_;
};

}  // namespace sluice
