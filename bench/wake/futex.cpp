// SPDX-License-Identifier: BSL-1.0
// What the kernel gives: one thread that sleeps on a futex, one slot for a task. Linux only.
#include "workload.hpp"

#if defined(__linux__)
#include <functional>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {
class bare_futex {
public:
    explicit bare_futex(unsigned) : thread_([this] { work(); }) {}
    bare_futex(bare_futex const&)            = delete;
    bare_futex& operator=(bare_futex const&) = delete;
    ~bare_futex() {
        signal(2);
        thread_.join();
    }
    template <class F>
    void post(F f) {
        task_ = f;
        signal(1);
    }

private:
    void signal(std::uint32_t value) {
        word_.store(value, std::memory_order_release);
        syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }
    void work() {
        for (;;) {
            while (word_.load(std::memory_order_acquire) == 0)
                syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
            if (word_.load(std::memory_order_acquire) == 2) return;
            word_.store(0, std::memory_order_relaxed);
            task_();
        }
    }

    std::atomic<std::uint32_t> word_{0};
    std::function<void()>      task_;
    std::thread                thread_;
};
}  // namespace

void bench::register_all() { wake::register_subject<bare_futex>("futex"); }
#else
void bench::register_all() {}
#endif
