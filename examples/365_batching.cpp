// SPDX-License-Identifier: BSL-1.0
// 365 — batching: 1000 inserts become 10 calls, and a page's 200 look-ups become 3.
// Build:  c++ -std=c++20 -Iinclude examples/365_batching.cpp -pthread
#include <sluice/core/clock.hpp>
#include <sluice/flow/batcher.hpp>
#include <sluice/flow/data_loader.hpp>
#include <chrono>
#include <cstdio>
#include <span>
#include <vector>

using namespace std::chrono_literals;

int main() {
    sluice::manual_clock clock;  // virtual time: a call to the database takes 50 ms
    int                  calls = 0;
    auto const           call_database = [&] { clock.advance(50ms), ++calls; };

    {
        auto const insert = [&](std::span<int>) { call_database(); };
        sluice::batcher<int, void, sluice::manual_clock> rows({.max_items = 100, .max_age = 10s}, insert, clock);
        for (int i = 0; i < 1000; ++i) static_cast<void>(rows.try_push(int(i)));
    }
    auto const ms = [&] { return static_cast<int>(clock.now().time_since_epoch() / 1ms); };
    std::printf("1000 inserts:  %4d calls, %5d ms instead of 50000\n", calls, ms());

    // A page with 100 posts. The code asks for each author and each count where it needs them, one by one.
    calls = 0;
    clock.set({});
    auto const ask = [&](std::span<int const> keys) { return call_database(), std::vector<int>(keys.begin(), keys.end()); };
    sluice::data_loader<int, int> authors({.max_batch = 100}, ask), likes({.max_batch = 100}, ask);

    call_database();  // the list of posts: one call in any case
    struct line {
        sluice::data_loader<int, int>::look_up author, likes;
    };
    std::vector<line> page;
    for (int post = 0; post < 100; ++post) page.push_back({authors.load(post % 20), likes.load(post)});
    long sum = 0;
    for (auto const& l : page) sum += *l.author.get() + *l.likes.get();  // the first get asks for all
    std::printf("200 look-ups:  %4d calls, %5d ms instead of 10050\n", calls, ms());
    std::printf("80 of them were for an author already asked for: %d\n", static_cast<int>(authors.shared()));
    std::printf("checksum %ld\n", sum);
}
// Expected output:
//   1000 inserts:    10 calls,   500 ms instead of 50000
//   200 look-ups:     3 calls,   150 ms instead of 10050
//   80 of them were for an author already asked for: 80
//   checksum 5900
