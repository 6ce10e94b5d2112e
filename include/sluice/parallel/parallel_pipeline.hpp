// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// parallel_pipeline — a stream of items through stages, some of which take one item at a time.
///
/// Use it for     read, transform, write: the order is kept where it matters, the work in between runs in parallel
/// Not for        graphs (task_graph), items that wait for something outside: a stage that blocks holds its worker
/// Thread-safety  any thread; the caller works too. A serial stage's calls are one after the other, each happens before the next;
///                they may run on different threads. A parallel stage is called from several threads at once
/// Progress       an item that cannot enter a stage is put aside, and its worker takes another: nobody waits for a stage. An item
///                stays on one worker as long as it is let in
/// Complexity     one short lock for each serial stage that an item enters, and one each time it was put aside; memory for
///                `tokens` items; no allocation for an item
/// Errors         the first exception ends the pipeline: nothing new is taken from the source, each item is dropped before its
///                next stage, and the exception is rethrown; others are counted. A stop request likewise, without an
///                exception. tokens = 0 gives four for each worker. A closed pool: the caller works alone. std::bad_alloc
/// Units          tokens: items that are under way at a time
/// Source         a token per item, as in Intel's TBB: Reinders, Intel Threading Building Blocks, 2007, chapter 3
/// Example        examples/640_pipeline.cpp

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/detail/team.hpp>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace sluice {

enum class stage_mode : std::uint8_t {
    serial_in_order,  ///< one item at a time, in the source's order
    serial,           ///< one item at a time, in the order of arrival
    parallel,
};

/// f(item) gives the next stage's item; what the last stage returns is dropped.
template <class F>
struct pipeline_stage {
    stage_mode mode;
    F          f;
};
template <class F>
pipeline_stage(stage_mode, F) -> pipeline_stage<F>;

struct pipeline_options {
    std::size_t     tokens = 0;  ///< most items between the source and the end; 0: four for each worker
    std::stop_token stop{};
};

namespace detail {

/// The items of the stages, the first of which gets an Item.
template <class Item, class... F>
struct item_list;
template <class Item, class Last>
struct item_list<Item, Last> {
    using type = std::tuple<Item>;
};
template <class Item, class First, class... Rest>
struct item_list<Item, First, Rest...> {
    static_assert(std::is_invocable_v<First&, Item>, "parallel_pipeline: a stage cannot be called with what the stage before gives");
    using next = std::invoke_result_t<First&, Item>;
    static_assert(!std::is_void_v<next>, "parallel_pipeline: only the last stage may return nothing");
    using type = decltype(std::tuple_cat(std::declval<std::tuple<Item>>(),
                                         std::declval<typename item_list<std::remove_cvref_t<next>, Rest...>::type>()));
};
template <class Tuple>
struct variant_of;
template <class... T>
struct variant_of<std::tuple<T...>> {
    using type = std::variant<std::monostate, T...>;
};

// Ordering
//   (A) over    store, load relaxed: a hint; the error itself is written under the lock and read after team::wait
//   (stat)      the count of items that came through: read after team::wait
template <class Source, class... F>
class pipeline_run {
    static constexpr std::size_t stages = sizeof...(F);
    using item = typename std::invoke_result_t<Source&>::value_type;
    using items = typename variant_of<typename item_list<item, F...>::type>::type;

public:
    pipeline_run(thread_pool& pool, std::size_t tokens, std::stop_token const& stop, Source& source, pipeline_stage<F>&... s)
        : team_(team::make(pool)), tokens_(tokens), stop_(stop), source_(source), functions_(s.f...),
          all_(std::make_unique<token[]>(tokens)), waiting_(std::make_unique<token*[]>(tokens * stages)) {
        std::size_t k = 0;
        ((gates_[k].mode = s.mode, gates_[k].slots = waiting_.get() + k * tokens, ++k), ...);
        for (std::size_t i = tokens; i-- > 0;) {
            all_[i].run = this;
            all_[i].behind = std::exchange(free_, &all_[i]);
        }
    }

    std::uint64_t operator()() {
        reading_ = true;
        team_->push(std::exchange(free_, free_->behind), false);
        team_->wait();
        if (error_) std::rethrow_exception(error_);
        return through_.load(std::memory_order_relaxed);                                    // (stat)
    }

private:
    struct token final : team_item {
        token() noexcept : team_item(&advance) {}
        pipeline_run* run = nullptr;
        token*        behind = nullptr;  // in a queue
        std::uint64_t number = 0;        // in the source's order
        std::size_t   stage = 0;         // 0: the source, k: functions_[k - 1], which it has been let into
        items         value;
    };

    struct gate {
        stage_mode    mode = stage_mode::parallel;
        std::mutex    mutex;
        bool          busy = false;
        std::uint64_t next = 0;           // serial_in_order: the number to be let in
        token**       slots = nullptr;    // serial_in_order: who is early, by number modulo tokens
        token*        first = nullptr;    // serial: who waits
        token**       last = &first;
    };

    static team_item* advance(team_item* i) noexcept {
        auto* const t = static_cast<token*>(i);
        return t->run->carry(t);
    }

    [[nodiscard]] bool over() const noexcept {
        return over_.load(std::memory_order_relaxed) || stop_.stop_requested();             // (A)
    }

    /// Takes a token through all stages that let it in, and then the next item with it.
    team_item* carry(token* t) noexcept {
        for (;;) {
            if (t->stage == 0 && !read(t)) return nullptr;
            for (; t->stage <= stages; ++t->stage) {
                if (!call(t, std::make_index_sequence<stages>{})) return nullptr;
                if (t->stage < stages && !enter(t, t->stage)) return nullptr;
            }
            through_.fetch_add(1, std::memory_order_relaxed);                               // (stat)
            t->stage = 0;
            std::lock_guard const lock(source_mutex_);
            if (reading_) {
                t->behind = std::exchange(free_, t);
                return nullptr;
            }
            reading_ = true;
        }
    }

    /// The source; false if there is nothing more, or if the item was put aside before the first stage.
    bool read(token* t) noexcept {
        bool got = false;
        if (!over()) {
            try {
                if (auto x = source_()) {
                    t->value.template emplace<1>(*std::move(x));
                    got = true;
                }
            } catch (...) {
                fail();
            }
        }
        if (!got) return false;  // reading_ stays true, so nobody comes here any more
        token* next = nullptr;
        t->number = count_++;
        {
            std::lock_guard const lock(source_mutex_);
            if (free_ != nullptr)
                next = std::exchange(free_, free_->behind);
            else
                reading_ = false;
        }
        if (next != nullptr) team_->push(next);
        t->stage = 1;
        return enter(t, 0);
    }

    /// False if the token is put aside: it may be gone on another worker already.
    bool enter(token* t, std::size_t k) noexcept {
        gate& g = gates_[k];
        if (g.mode == stage_mode::parallel) return true;
        std::lock_guard const lock(g.mutex);
        bool const in_order = g.mode == stage_mode::serial_in_order;
        if (!g.busy && (!in_order || t->number == g.next)) {
            g.busy = true;
            return true;
        }
        t->stage = k + 1;
        if (in_order) {
            g.slots[t->number % tokens_] = t;
        } else {
            t->behind = nullptr;
            *g.last = t;
            g.last = &t->behind;
        }
        return false;
    }

    void leave(std::size_t k) noexcept {
        gate& g = gates_[k];
        if (g.mode == stage_mode::parallel) return;
        token* next = nullptr;
        {
            std::lock_guard const lock(g.mutex);
            if (g.mode == stage_mode::serial_in_order) {
                ++g.next;
                next = std::exchange(g.slots[g.next % tokens_], nullptr);
            } else if (g.first != nullptr) {
                next = g.first;
                g.first = next->behind;
                if (g.first == nullptr) g.last = &g.first;
            }
            g.busy = next != nullptr;
        }
        if (next != nullptr) team_->push(next);
    }

    template <std::size_t... K>
    bool call(token* t, std::index_sequence<K...>) noexcept {
        bool good = false;
        static_cast<void>(((t->stage == K + 1 && (good = call_stage<K>(t), true)) || ...));
        return good;
    }

    /// False if the item ends here.
    template <std::size_t K>
    bool call_stage(token* t) noexcept {
        bool good = !over();
        if (good) {
            try {
                auto& in = std::get<K + 1>(t->value);
                auto& f = std::get<K>(functions_);
                if constexpr (K + 1 == stages) {
                    static_cast<void>(std::invoke(f, std::move(in)));
                    t->value.template emplace<0>();
                } else {
                    auto result = std::invoke(f, std::move(in));
                    t->value.template emplace<K + 2>(std::move(result));
                }
            } catch (...) {
                fail();
                good = false;
            }
        }
        leave(K);
        return good;
    }

    void fail() noexcept {
        std::lock_guard const lock(source_mutex_);
        over_.store(true, std::memory_order_relaxed);                                       // (A)
        if (error_)
            team_->pool().errors().drop();
        else
            error_ = std::current_exception();
    }

    team::handle               team_;
    std::size_t const          tokens_;
    std::stop_token const&     stop_;
    Source&                    source_;
    std::tuple<F&...>          functions_;
    std::unique_ptr<token[]>   all_;
    std::unique_ptr<token*[]>  waiting_;
    std::array<gate, stages>   gates_;
    std::mutex                 source_mutex_;      // reading_, free_, error_
    bool                       reading_ = false;   // somebody is in the source, or has been sent there; true for ever at the end
    token*                     free_ = nullptr;
    std::uint64_t              count_ = 0;         // whoever reads
    std::exception_ptr         error_;
    std::atomic<bool>          over_{false};
    std::atomic<std::uint64_t> through_{0};
};

}  // namespace detail

/// Calls source() until it gives an empty optional, and takes each item through the stages. Returns how many came through.
template <class Source, class... F>
    requires(sizeof...(F) > 0)
std::uint64_t parallel_pipeline(thread_pool& pool, pipeline_options o, Source&& source, pipeline_stage<F>... stages) {
    static_assert(std::is_invocable_v<Source&> && requires { typename std::invoke_result_t<Source&>::value_type; },
                  "parallel_pipeline needs a source that returns a std::optional");
    std::size_t const tokens = o.tokens != 0 ? o.tokens : pool.size() * 4;
    detail::pipeline_run<std::remove_reference_t<Source>, F...> run(pool, tokens, o.stop, source, stages...);
    return run();
}

}  // namespace sluice
