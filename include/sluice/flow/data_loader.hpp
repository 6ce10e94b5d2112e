// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// data_loader — the look-ups of one request, made one by one, asked for together.
///
/// Use it for     a list and a look-up for each of its elements: N + 1 calls become 2
/// Not for        sharing between requests or threads (primed_cache, single_flight)
/// Thread-safety  one thread at a time: one object per request
/// Complexity     O(1) expected per look-up, two allocations for a new key. Every key is asked for once
/// Errors         a batch function that throws fails the keys of that call: their look-ups throw the same exception, other
///                calls go on, and the keys may be loaded again. A function that answers with the wrong number of values
///                likewise: std::length_error. std::bad_alloc in load has no effect; dispatch does not allocate. A look-up
///                of a key that the running call is about: std::logic_error. max_batch of 0: std::invalid_argument
/// Units          max_batch in keys
/// Source         github.com/graphql/dataloader. Differs: the tick ends at dispatch, or when somebody needs a value
/// Example        examples/365_batching.cpp
///
///     sluice::data_loader<int, author> authors({}, [](std::span<int const> ids) { return select_authors(ids); });
///     for (auto& p : posts) p.author = authors.load(p.author_id);              // nothing is asked yet
///     for (auto& p : posts) print(*p.author.get());                            // the first get asks for them all
///
/// The batch function takes the keys, each once, in the order of their first look-up, and returns one answer for each in
/// the same order: std::vector<Value>, or std::vector<std::optional<Value>> where some may be missing. Or it takes an
/// answers& as well, to say for each key that it has a value, is missing, or failed; a key it says nothing about is missing.
/// Values and what is missing are remembered for the life of the loader; failures are not.

#include <sluice/core/assert.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/flow/detail/some_error.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sluice {

struct data_loader_options {
    std::size_t max_batch = 100;  ///< most keys in one call; > 0
};

template <class Key, class Value, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
class data_loader {
    enum class state : std::uint8_t { waiting, asked, found, missing, failed };
    struct slot {
        state                now = state::waiting;
        std::optional<Value> value;
        std::exception_ptr   error;
    };
    using slot_pointer = std::shared_ptr<slot>;

public:
    /// Where a batch function says what it found.
    class answers {
    public:
        [[nodiscard]] std::size_t size() const noexcept { return slots_.size(); }

        /// Key i has this value.
        template <class... V>
            requires std::constructible_from<Value, V...>
        void set(std::size_t i, V&&... value) {
            SLUICE_ASSERT(i < size());
            slots_[i]->value.emplace(std::forward<V>(value)...);
            slots_[i]->error = nullptr;
        }
        /// Key i could not be looked up.
        void fail(std::size_t i, std::exception_ptr error) noexcept {
            SLUICE_ASSERT(i < size());
            slots_[i]->value.reset();
            slots_[i]->error = detail::some_error(std::move(error), "sluice::data_loader: failed without an exception");
        }

    private:
        friend class data_loader;
        explicit answers(std::span<slot_pointer const> slots) noexcept : slots_(slots) {}
        std::span<slot_pointer const> slots_;
    };

    /// A value that is there or will be. Requires the loader while it is not ready; what it has got stays.
    class look_up {
    public:
        look_up() = default;

        /// Whether get needs no call.
        [[nodiscard]] bool ready() const noexcept { return slot_ != nullptr && slot_->now > state::asked; }

        /// The value, or null if there is none for the key. Asks for everything that waits, if this one still does. Throws
        /// what the batch function threw or said about the key. Requires a look-up that load() returned.
        [[nodiscard]] Value const* get() const {
            if (slot_ == nullptr) throw std::logic_error("sluice::data_loader::look_up: empty");
            if (slot_->now == state::waiting) loader_->dispatch();
            if (!ready()) throw std::logic_error("sluice::data_loader: the batch function needs a key that it is asked for");
            if (slot_->now == state::failed) std::rethrow_exception(slot_->error);
            return slot_->value ? &*slot_->value : nullptr;
        }

    private:
        friend class data_loader;
        look_up(data_loader& loader, slot_pointer s) noexcept : loader_(&loader), slot_(std::move(s)) {}
        data_loader* loader_ = nullptr;
        slot_pointer slot_;
    };

    /// `f` is the batch function, see above.
    template <class F>
        requires std::invocable<std::decay_t<F>&, std::span<Key const>> ||
                 std::invocable<std::decay_t<F>&, std::span<Key const>, answers&>
    data_loader(data_loader_options options, F&& f) : options_(options), ask_(adapted(std::forward<F>(f))) {
        detail::require_option(options.max_batch > 0, "data_loader: max_batch (> 0)", options.max_batch);
    }
    data_loader(data_loader const&) = delete;
    data_loader& operator=(data_loader const&) = delete;

    /// The value of this key, asked for later unless it is known or already waits.
    [[nodiscard]] look_up load(Key const& key) {
        auto const known = known_.find(key);
        if (known != known_.end() && known->second->now != state::failed) {
            ++shared_;
            return look_up(*this, known->second);
        }
        auto fresh = std::make_shared<slot>();
        waiting_.reserve_one();
        waiting_.keys.push_back(key);
        try {
            if (known != known_.end())
                known->second = fresh;
            else
                known_.emplace(key, fresh);
        } catch (...) {
            waiting_.keys.pop_back();
            throw;
        }
        waiting_.slots.push_back(fresh);
        return look_up(*this, std::move(fresh));
    }

    [[nodiscard]] std::vector<look_up> load_many(std::span<Key const> keys) {
        std::vector<look_up> all;
        all.reserve(keys.size());
        for (auto const& key : keys) all.push_back(load(key));
        return all;
    }

    /// Ends the tick: asks for all keys that wait, in calls of at most max_batch. What the batch function itself loads
    /// belongs to the next tick. How many calls were made. Throws nothing that the function threw: look-ups do.
    std::size_t dispatch() {
        if (asking_) detail::throw_logic_error("sluice::data_loader: dispatch from inside the batch function");
        struct flag {
            bool& b;
            explicit flag(bool& on) noexcept : b(on) { b = true; }
            ~flag() { b = false; }
        } const inside(asking_);
        queue const                         tick = std::exchange(waiting_, {});
        std::span<Key const> const          keys(tick.keys);
        std::span<slot_pointer const> const slots(tick.slots);
        std::size_t                         made = 0;
        for (std::size_t at = 0; at < keys.size(); ++made) {
            auto const n = keys.size() - at < options_.max_batch ? keys.size() - at : options_.max_batch;
            ask(keys.subspan(at, n), slots.subspan(at, n));
            at += n;
        }
        return made;
    }

    /// Makes a value known without asking. No effect on a key that is known or waits: clear it first. Whether it had one.
    bool prime(Key const& key, Value value) {
        auto fresh = std::make_shared<slot>();
        fresh->value.emplace(std::move(value));
        fresh->now = state::found;
        auto const [at, is_new] = known_.try_emplace(key, fresh);
        if (!is_new && at->second->now == state::failed) at->second = std::move(fresh);
        else if (!is_new) return false;
        return true;
    }

    /// The next look-up asks again; look-ups made before keep what they have or get. Whether the key was known. No effect
    /// on a key that has not been asked for: what will be is new.
    bool clear(Key const& key) {
        auto const at = known_.find(key);
        if (at == known_.end() || at->second->now == state::waiting) return false;
        known_.erase(at);
        return true;
    }
    void clear() {
        std::erase_if(known_, [](auto const& known) { return known.second->now != state::waiting; });
    }

    [[nodiscard]] std::size_t   waiting() const noexcept { return waiting_.keys.size(); }
    [[nodiscard]] std::uint64_t calls() const noexcept { return calls_; }    ///< of the batch function
    [[nodiscard]] std::uint64_t shared() const noexcept { return shared_; }  ///< look-ups that needed no key of their own

private:
    struct queue {
        std::vector<Key>          keys;
        std::vector<slot_pointer> slots;

        void reserve_one() {
            auto const grow = [](auto& v) {
                if (v.size() == v.capacity()) v.reserve(v.size() < 8 ? 8 : v.size() * 2);
            };
            grow(keys);
            grow(slots);
        }
    };

    template <class F>
    static unique_function<void(std::span<Key const>, answers&)> adapted(F&& f) {
        if constexpr (std::invocable<std::decay_t<F>&, std::span<Key const>, answers&>) {
            return std::forward<F>(f);
        } else {
            return [g = std::forward<F>(f)](std::span<Key const> keys, answers& to) mutable {
                auto values = g(keys);
                if (values.size() != keys.size())
                    throw std::length_error("sluice::data_loader: not as many answers as keys");
                for (std::size_t i = 0; i < keys.size(); ++i) {
                    if constexpr (std::convertible_to<decltype(std::move(values[i])), Value>)
                        to.set(i, std::move(values[i]));
                    else if (values[i])
                        to.set(i, std::move(*values[i]));
                }
            };
        }
    }

    void ask(std::span<Key const> keys, std::span<slot_pointer const> slots) noexcept {
        ++calls_;
        for (auto const& s : slots) s->now = state::asked;
        answers            to(slots);
        std::exception_ptr thrown;
        try {
            ask_(keys, to);
        } catch (...) {
            thrown = std::current_exception();
        }
        for (auto const& s : slots) {
            if (thrown) {
                s->value.reset();
                s->error = thrown;
            }
            s->now = s->error ? state::failed : s->value ? state::found : state::missing;
        }
    }

    data_loader_options const                                options_;
    unique_function<void(std::span<Key const>, answers&)>    ask_;
    std::unordered_map<Key, slot_pointer, Hash, Equal>       known_;
    queue                                                    waiting_;
    std::uint64_t                                            calls_ = 0;
    std::uint64_t                                            shared_ = 0;
    bool                                                     asking_ = false;
};

}  // namespace sluice
