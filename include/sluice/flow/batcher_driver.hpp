// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// batcher_driver — a thread that flushes a batcher's batches when they are old enough.
///
/// Use it for     a program without an event loop that could call poll() at next_due()
/// Not for        full batches: those the pushers flush
/// Thread-safety  construction and destruction: one thread. The thread inside uses the batcher as any other
/// Progress       the destructor asks the thread to stop and joins it, after a flush that runs
/// Errors         std::system_error if there are no more threads
///
///     sluice::batcher<row> rows({.max_age = 10ms}, write);
///     sluice::batcher_driver driver(rows);                 // declared after it: ends before it

#include <stop_token>
#include <thread>

namespace sluice {

class batcher_driver {
public:
    template <class Batcher>
    explicit batcher_driver(Batcher& batcher) : thread_([&batcher](std::stop_token stop) { batcher.run(stop); }) {}

private:
    std::jthread thread_;
};

}  // namespace sluice
