#pragma once
#include <atomic>

struct server;

struct good {
    // Ordering
    //   (A) a block inside a class, about memory_order_release
    void count() { x.fetch_add(1, std::memory_order_relaxed); }  // (stat)
    void set(int y) { x.store(y, std::memory_order_release); }   // (A) publish
    void loop() {
        for (int i = x.load(std::memory_order_acquire); i > 0; --i)  // (A)
            x.store(i, std::memory_order_release);                   // (A)
    }
    int with(std::memory_order order) { return x.load(order); }
    double busy(good const& g) { return g.load(); }  // not atomic
    double load() const;
    std::atomic<int> x;
};
