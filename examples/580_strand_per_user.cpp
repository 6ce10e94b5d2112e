// SPDX-License-Identifier: BSL-1.0
// 580 — a strand per user: each account is changed by one task at a time, in order, without a lock and without a thread of its own.
// Build:  c++ -std=c++20 -O2 -Iinclude examples/580_strand_per_user.cpp -pthread
#include <sluice/executor/strand.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

struct user {
    user(sluice::thread_pool& pool, char const* n)
        : name(n), tasks(pool, {.on_error = [this](std::exception_ptr) { ++refused; }}) {}

    std::string                         name;
    long                                balance = 0;  // plain: the strand is its guard
    long                                refused = 0;
    std::string                         first;        // the first tasks, as they came
    sluice::strand<sluice::thread_pool> tasks;
};

int main() {
    sluice::thread_pool pool(4);
    user                ann(pool, "ann"), bob(pool, "bob");

    for (int i = 0; i < 10'000; ++i)
        for (user* u : {&ann, &bob})
            u->tasks.post([u, i] {
                if (i < 5) u->first += std::to_string(i);
                if (i % 100 == 99) throw std::runtime_error("not covered");  // stops nothing
                u->balance += i % 2 == 0 ? 3 : -1;
            });

    // A transfer is two tasks; each touches only its own user.
    ann.tasks.post([&] {
        ann.balance -= 500;
        bob.tasks.post([&] { bob.balance += 500; });
    });
    pool.wait_idle();

    for (user* u : {&ann, &bob})
        std::printf("%s: %ld, %ld refused, began with %s\n", u->name.c_str(), u->balance, u->refused, u->first.c_str());
}
// Expected output:
//   ann: 9600, 100 refused, began with 01234
//   bob: 10600, 100 refused, began with 01234
