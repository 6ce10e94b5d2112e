#pragma once
#include <atomic>

// Ordering
//   (A) publish  store: release  -> load: acquire
//   (C1) private  relaxed

// (D) stands outside the block

struct bad {
    int explained() { return x.load(std::memory_order_acquire); }  // (A)
    int unlabelled() { return x.load(std::memory_order_acquire); }
    int unexplained() { return x.load(std::memory_order_acquire); }  // (B) not in the block
    int outside() { return x.load(std::memory_order_acquire); }  // (D)
    int other_spelling() {
        return x.load(std::memory_order::acquire);
    }
    bool several_lines(int& y) {
        return x.compare_exchange_strong(y, 1,
                                         std::memory_order_acq_rel,  // (A)
                                         std::memory_order_relaxed);
    }
    bool several_lines_unlabelled(int& y) {
        return x.compare_exchange_strong(
            y, 1,
            std::memory_order_acq_rel,
            std::memory_order_relaxed);
    }
    void the_label_of_a_neighbour() {
        x.store(1, std::memory_order_relaxed);  // (C1)
        x.store(2, std::memory_order_release);
        x.store(3, std::memory_order_relaxed);  // (C1)
    }
    void no_order() {
        x.store(1);
        x.fetch_add(1);
        (void)p->load();
    }
    void not_a_label() {
        x.store(1, std::memory_order_release);  // see f(x) (a)
    }
    void fence() {
        std::atomic_thread_fence(std::memory_order_seq_cst);  // (A)
    }
    std::atomic<int> x;
    std::atomic<int>* p;
};
