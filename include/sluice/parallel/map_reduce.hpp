// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// map_reduce — pairs of key and value from each item, then one result for each key, on a pool.
///
/// Use it for     counts, indices and joins over data in memory, or that map can read: words, addresses, logs
/// Not for        one result over all (parallel_reduce); data that does not fit memory: all pairs are kept until they are reduced
/// Thread-safety  any thread; the caller works too. map, combine, reduce and the hash are called from several threads at once
/// Progress       as parallel_for
/// Complexity     a chunk of items is mapped by one worker into `partitions` lists, one look-up for each pair if there is a
///                combiner; a partition is grouped and reduced by one worker, one look-up for each pair that was shuffled
/// Errors         a chunk in which map or combine throws is dropped as a whole and run again, alone, by a worker on which it has
///                not failed, or, if none is there at that time, by the caller; the exception of its last attempt is
///                rethrown. What reduce throws is rethrown as by parallel_for. After a stop request the result has no pairs.
///                std::invalid_argument for an option of 0
/// Source         Dean, Ghemawat, MapReduce, OSDI 2004
/// Example        examples/680_map_reduce.cpp
///
/// The result is the same for any number of workers, also where chunks were run again, provided that map and reduce are
/// functions of their arguments: its pairs are ordered by partition (hash(key) mod partitions), within one by first appearance in
/// the input; the values of a key come in the input's order.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <mutex>
#include <ranges>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <span>
#include <stop_token>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sluice {

struct map_reduce_options {
    std::size_t     chunk = 1024;        ///< items that are mapped, combined and run again together
    std::size_t     partitions = 16;     ///< lists by hash, each reduced by one worker
    std::size_t     max_attempts = 3;    ///< of a chunk
    std::stop_token stop{};
};

struct map_reduce_counts {
    std::uint64_t emitted = 0;          ///< pairs that map gave, those of failed attempts not among them
    std::uint64_t shuffled = 0;         ///< pairs that went from a chunk to a partition: less, with a combiner
    std::uint64_t failed_attempts = 0;
};

template <class Key, class Result>
struct map_reduce_result {
    std::vector<std::pair<Key, Result>> pairs;
    map_reduce_counts                   counts;
};

/// Stands for no combiner: each pair is shuffled.
struct no_combiner {};

namespace detail {

template <class Hash>
struct table_hash {
    Hash const* hash;
    template <class Key>
    std::size_t operator()(Key const& key) const noexcept {
        return static_cast<std::size_t>((*hash)(key));
    }
};

template <class Key, class Value, class Map, class Combine, class Hash>
class mapping {
    using pairs = std::vector<std::pair<Key, Value>>;

public:
    struct chunk {
        std::vector<pairs>       parts;
        std::uint64_t            emitted = 0;
        std::size_t              attempts = 0;
        std::vector<std::size_t> failed_on;  // workers
        std::exception_ptr       error;
    };

    mapping(thread_pool& pool, Map& map, Combine& combine, Hash const& hash, map_reduce_options const& o)
        : pool_(pool), map_(map), combine_(combine), hash_(hash), o_(o) {}

    /// Maps all chunks, again and again those that fail.
    template <class I>
    void operator()(I first, std::uint64_t n, std::span<chunk> chunks) {
        std::vector<std::size_t> open(chunks.size());
        for (std::size_t c = 0; c < open.size(); ++c) open[c] = chunks.size() - 1 - c;  // taken from the back
        while (!open.empty() && !o_.stop.stop_requested()) {
            std::mutex               mutex;
            std::vector<std::size_t> failed;
            auto const try_chunk = [&](std::size_t c) {
                std::uint64_t const begin = std::uint64_t{c} * o_.chunk, left = n - begin;
                if (run(first, begin, left < o_.chunk ? n : begin + o_.chunk, chunks[c])) return;
                std::lock_guard const lock(mutex);
                failed.push_back(c);
            };
            auto const take_part = [&](std::uint64_t) {
                std::size_t const me = pool_.this_worker_index();
                while (!o_.stop.stop_requested()) {
                    std::size_t c;
                    {
                        std::lock_guard const lock(mutex);
                        std::size_t           i = open.size();
                        while (i > 0 && has_failed_on(chunks[open[i - 1]], me)) --i;
                        if (i == 0) return;
                        c = std::exchange(open[i - 1], open.back());
                        open.pop_back();
                    }
                    try_chunk(c);
                }
            };
            parallel_for(pool_, std::uint64_t{0}, std::uint64_t{pool_.size()}, take_part, dynamic_partitioner{}, o_.stop);
            for (; !open.empty() && !o_.stop.stop_requested(); open.pop_back()) try_chunk(open.back());  // nobody else was free
            open = std::move(failed);
            for (std::size_t const c : open) {
                if (chunks[c].attempts < o_.max_attempts) continue;
                std::rethrow_exception(chunks[c].error);
            }
        }
    }

    [[nodiscard]] std::size_t part_of(Key const& key) const noexcept {
        return static_cast<std::size_t>(hash_(key) % std::uint64_t{o_.partitions});
    }

private:
    static bool has_failed_on(chunk const& c, std::size_t worker) noexcept {
        for (std::size_t const w : c.failed_on)
            if (w == worker) return true;
        return false;
    }

    template <class I>
    bool run(I first, std::uint64_t begin, std::uint64_t end, chunk& c) {
        ++c.attempts;
        try {
            std::vector<pairs> parts(o_.partitions);
            std::uint64_t      emitted = 0;
            if constexpr (std::is_same_v<Combine, no_combiner>) {
                auto const emit = [&](Key key, Value value) {
                    ++emitted;
                    auto& part = parts[part_of(key)];
                    part.emplace_back(std::move(key), std::move(value));
                };
                for (std::uint64_t i = begin; i < end; ++i) map_(loop_item(first, i), emit);
            } else {
                struct place {
                    std::size_t part, at;
                };
                std::unordered_map<Key, place, table_hash<Hash>> known(16, table_hash<Hash>{&hash_});
                auto const emit = [&](Key key, Value value) {
                    ++emitted;
                    auto const [at, fresh] = known.try_emplace(key, place{});
                    if (!fresh) {
                        combine_(parts[at->second.part][at->second.at].second, std::move(value));
                        return;
                    }
                    std::size_t const p = part_of(key);
                    at->second = {p, parts[p].size()};
                    parts[p].emplace_back(std::move(key), std::move(value));
                };
                for (std::uint64_t i = begin; i < end; ++i) map_(loop_item(first, i), emit);
            }
            c.parts = std::move(parts);
            c.emitted = emitted;
            c.error = nullptr;
            return true;
        } catch (...) {
            c.error = std::current_exception();
        }
        c.failed_on.push_back(pool_.this_worker_index());
        return false;
    }

    template <class I>
    static decltype(auto) loop_item(I first, std::uint64_t i) {
        return *loop_at(first, i);
    }

    thread_pool&              pool_;
    Map&                      map_;
    Combine&                  combine_;
    Hash const&               hash_;
    map_reduce_options const& o_;
};

}  // namespace detail

/// map(item, emit) calls emit(key, value) any number of times. combine(value&, value), or no_combiner, joins two values of one
/// key within a chunk. reduce(key, std::span of values) gives a key's result. hash: a hasher, core/hash.hpp.
template <class Key, class Value, std::ranges::random_access_range R, class Map, class Combine, class Reduce, class Hash>
    requires std::ranges::sized_range<R>
[[nodiscard]] auto map_reduce(thread_pool& pool, R&& input, Map map, Combine combine, Reduce reduce, Hash const& hash,
                              map_reduce_options const& o = {}) {
    using Result = std::invoke_result_t<Reduce&, Key const&, std::span<Value>>;
    detail::require_option(o.chunk > 0, "map_reduce: chunk (at least 1)", o.chunk);
    detail::require_option(o.partitions > 0, "map_reduce: partitions (at least 1)", o.partitions);
    detail::require_option(o.max_attempts > 0, "map_reduce: max_attempts (at least 1)", o.max_attempts);
    using mapping = detail::mapping<Key, Value, Map, Combine, Hash>;

    map_reduce_result<Key, Result> result;
    auto const                     n = static_cast<std::uint64_t>(std::ranges::size(input));
    std::vector<typename mapping::chunk> chunks(static_cast<std::size_t>(n == 0 ? 0 : (n - 1) / o.chunk + 1));
    mapping(pool, map, combine, hash, o)(std::ranges::begin(input), n, chunks);
    for (auto const& c : chunks) {
        result.counts.emitted += c.emitted;
        result.counts.failed_attempts += c.failed_on.size();
        for (auto const& part : c.parts) result.counts.shuffled += part.size();
    }
    if (o.stop.stop_requested()) return result;

    std::vector<std::vector<std::pair<Key, Result>>> reduced(o.partitions);
    auto const reduce_part = [&](std::size_t p) {
        std::vector<std::pair<Key, std::vector<Value>>> groups;
        std::unordered_map<Key, std::size_t, detail::table_hash<Hash>> known(16, detail::table_hash<Hash>{&hash});
        for (auto& c : chunks) {
            for (auto& [key, value] : c.parts[p]) {
                auto const [at, fresh] = known.try_emplace(key, groups.size());
                if (fresh) groups.emplace_back(std::move(key), std::vector<Value>());
                groups[at->second].second.push_back(std::move(value));
            }
            c.parts[p] = {};
        }
        reduced[p].reserve(groups.size());
        for (auto& [key, values] : groups) {
            auto&& value = reduce(std::as_const(key), std::span<Value>(values));
            reduced[p].emplace_back(std::move(key), std::forward<decltype(value)>(value));
        }
    };
    parallel_for(pool, std::size_t{0}, o.partitions, reduce_part, dynamic_partitioner{}, o.stop);
    if (o.stop.stop_requested()) return result;
    for (auto& part : reduced)
        result.pairs.insert(result.pairs.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
    return result;
}

}  // namespace sluice
