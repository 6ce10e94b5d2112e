// SPDX-License-Identifier: BSL-1.0
// More readers and writers than cores on one snapshot: every version is whole while it is read, no reader goes back, and each
// version is destroyed exactly once.
#include <sluice/core/random.hpp>
#include <sluice/core/snapshot.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace {

/// So many versions may be published; each counts its ends.
struct ledger {
    explicit ledger(std::size_t n) : ended(n) {}
    std::vector<std::atomic<int>> ended;
};

/// A value of several cache lines whose words all say the same.
struct page {
    page(ledger& l, std::uint64_t n) : book(&l) { words.fill(n); }
    page(page&& other) noexcept : book(std::exchange(other.book, nullptr)), words(other.words) {}
    ~page() {
        if (book != nullptr) book->ended[words[0]].fetch_add(1);
        words.fill(~std::uint64_t{0});
    }
    ledger*                        book;
    std::array<std::uint64_t, 32> words{};
};

struct outcome {
    std::uint64_t torn = 0, back = 0, reads = 0, changes = 0;
};

outcome run(std::size_t readers, std::size_t writers, std::uint64_t each, ledger& book) {
    sluice::snapshot<page>     s(page(book, 0));
    std::atomic<std::uint64_t>   torn{0}, back{0}, reads{0}, changes{0}, next{1};
    std::atomic<std::size_t>     writing{writers};
    std::mutex                   order;
    test::run_threads(readers + writers, [&](std::size_t me) {
        if (me < writers) {
            for (std::uint64_t i = 0; i < each; ++i) {
                std::lock_guard const lock(order);  // numbers in the order of the versions
                s.publish(page(book, next.fetch_add(1)));
                if (i % 8 == 0) std::this_thread::yield();
            }
            writing.fetch_sub(1);
            return;
        }
        sluice::xoshiro256ss rng(me);
        std::uint64_t        last = 0, count = 0, moved = 0;
        while (writing.load(std::memory_order_relaxed) > 0 || count < 1000) {
            auto       r = s.reader();
            auto const stay = 1 + sluice::uniform_below(rng, 200);  // then the reader leaves and another comes
            for (std::uint64_t i = 0; i < stay; ++i, ++count) {
                auto const& words = r.get().words;
                auto const  n = words[0];
                for (auto const w : words)
                    if (w != n) torn.fetch_add(1);
                if (n < last) back.fetch_add(1);
                moved += n != last ? 1 : 0;
                last = n;
                if (sluice::uniform_below(rng, 16) == 0) r.release();
                if (sluice::uniform_below(rng, 64) == 0) std::this_thread::yield();  // holding a version, or none
            }
        }
        reads += count;
        changes += moved;
    });
    return {torn.load(), back.load(), reads.load(), changes.load()};
}

void check(std::size_t readers, std::size_t writers) {
    auto const    each = 4'000 * test::stress_factor();
    ledger        book(writers * each + 1);
    outcome const o = run(readers, writers, each, book);
    CHECK(o.torn == 0);
    CHECK(o.back == 0);
    CHECK(o.reads > 0);
    CHECK(o.changes > 0);
    std::size_t wrong = 0;
    for (auto const& n : book.ended) wrong += n.load() != 1 ? 1 : 0;
    CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("snapshot: many readers, one writer", "[stress][snapshot][stress]") { check(4, 1); }
TEST_CASE("snapshot: one reader, many writers", "[stress][snapshot][stress]") { check(1, 4); }
TEST_CASE("snapshot: many readers, many writers", "[stress][snapshot][stress]") { check(4, 3); }
