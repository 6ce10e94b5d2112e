// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::task, detail::fork — the two kinds of work a pool moves around.
///
/// A task is a node on the heap that frees itself: posted closures, futures, members of a group. A fork is half of a
/// parallel_invoke: it lies on the stack of the function that made it, which does not return before the fork is done.
///
/// Thread-safety  a task belongs to whoever took it out of a queue
/// Errors         act never throws: what the closure throws goes where the kind of task says
/// Complexity     a detached closure of up to 32 bytes takes 48 on a 64-bit target, 56 with the way back to its slab

#include <atomic>
#include <cstdint>
#include <exception>
#include <type_traits>
#include <utility>

namespace sluice::detail {

class scheduler;
struct worker;

enum class task_action : std::uint8_t { run, discard };

struct task {
    using function = void (*)(task*, scheduler&, task_action) noexcept;

    explicit task(function f) noexcept : act(f) {}

    task*    next = nullptr;  // in the injector
    function act;             // runs or drops the closure, destroys it, frees the node
};

/// Only `run` and `state` are written when a fork is made: it is made often and stolen rarely.
struct fork {
    enum : std::uint32_t { taken = 1, awaited = 2, done = 4, failed = 8 };

    explicit fork(void (*f)(fork*) noexcept) noexcept : run(f) {}  // NOLINT: the rest is the thief's to write

    void (*run)(fork*) noexcept;          // calls the function; on an exception constructs `error` and adds `failed`
    std::atomic<std::uint32_t> state{0};
    // The thief writes these before it sets `taken`.
    worker*       thief;
    std::uint64_t base;                   // where the thief's own forks of this one begin
    // Before `done`, if `failed`.
    alignas(std::exception_ptr) unsigned char error[sizeof(std::exception_ptr)];
};

/// How many of the groups around it a group's task remembers. Work further down is not recognised by a waiter, so not helped
/// with, until it comes up again.
inline constexpr int lineage_depth = 8;

}  // namespace sluice::detail
