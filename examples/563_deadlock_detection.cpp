// SPDX-License-Identifier: BSL-1.0
// 563 — deadlocks: found when the circle closes, named, and prevented by one order of locks.
// Build:  c++ -std=c++20 -Iinclude examples/563_deadlock_detection.cpp -pthread
#include <sluice/executor/lock_order.hpp>
#include <sluice/executor/wait_for_graph.hpp>
#include <cstdio>
#include <mutex>
#include <string>

int main() {
    // 1. Three services that call each other and wait: whoever is about to wait says so first.
    sluice::wait_for_graph<std::string> graph;
    for (auto const& [waiter, holder] : {std::pair{"orders", "stock"}, {"stock", "billing"}, {"billing", "orders"}}) {
        auto const answer = graph.add_wait(waiter, holder);
        if (answer)
            std::printf("%s must not wait: %s\n", waiter, to_string(answer, [](auto const& s) { return s; }).c_str());
        else
            std::printf("%s waits for %s\n", waiter, holder);
    }

    // 2. Two mutexes in both orders: noticed on one thread, without any bad luck.
    sluice::lock_order      order;
    sluice::ordered_mutex<> accounts(order, "accounts"), audit(order, "audit");
    {
        std::lock_guard const first(accounts);
        std::lock_guard const second(audit);
    }
    try {
        std::lock_guard const first(audit);
        std::lock_guard const second(accounts);
    } catch (sluice::lock_inversion const& e) {
        std::printf("%s\n", e.what());
    }

    // 3. Several at once: everybody takes them in the same order, whatever the order of the words.
    sluice::ordered_lock const both(audit, accounts);
    std::printf("holds %d mutexes\n", static_cast<int>(order.held(std::this_thread::get_id()).size()));
}
// Expected output:
//   orders waits for stock
//   stock waits for billing
//   billing must not wait: billing -> orders -> stock -> billing
//   takes accounts while holding audit, but the order was accounts -> audit
//   holds 2 mutexes
