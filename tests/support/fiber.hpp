// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::sim::fiber — a stack of its own for a logical thread, and the switch to it and back. Known to the sanitizers.

#include <cstddef>
#include <cstdint>
#include <memory>

#if defined(__SANITIZE_ADDRESS__)
#define SLUICE_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_TEST_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SLUICE_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLUICE_TEST_TSAN 1
#endif
#endif
#if defined(SLUICE_TEST_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(SLUICE_TEST_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

#if defined(__x86_64__) && defined(__ELF__) && !defined(__ILP32__)
#define SLUICE_TEST_SWITCH 1
extern "C" void sluice_test_switch(void** save, void* load);
#else
#include <ucontext.h>  // slower: it enters the kernel at each switch
#endif

namespace test::sim::detail {

/// Runs entry(argument), which must never return, whenever it is resumed, until it suspends itself.
class fiber {
public:
    static constexpr std::size_t stack_size = std::size_t{256} << 10;

    fiber() = default;
    fiber(fiber const&) = delete;
    fiber& operator=(fiber const&) = delete;
    ~fiber() {
#if defined(SLUICE_TEST_TSAN)
        if (tsan_ != nullptr) __tsan_destroy_fiber(tsan_);
#endif
    }

    /// From the beginning; whatever the stack held is forgotten.
    void start(void (*entry)(void*), void* argument) {
        if (stack_ == nullptr) stack_.reset(new unsigned char[stack_size]);
        entry_ = entry;
        argument_ = argument;
#if defined(SLUICE_TEST_ASAN)
        __asan_unpoison_memory_region(stack_.get(), stack_size);  // frames that were left behind have marked it
#endif
#if defined(SLUICE_TEST_TSAN)
        if (tsan_ != nullptr) __tsan_destroy_fiber(tsan_);
        tsan_ = __tsan_create_fiber(0);
#endif
#if defined(SLUICE_TEST_SWITCH)
        auto const end = reinterpret_cast<std::uintptr_t>(stack_.get()) + stack_size;
        auto**     top = reinterpret_cast<void**>(end & ~std::uintptr_t{15});
        *--top = nullptr;  // the caller's return address, were there one: keeps the stack aligned as after a call
        *--top = reinterpret_cast<void*>(+[] { current()->main(); });
        for (int i = 0; i < 6; ++i) *--top = nullptr;  // the registers that the switch restores
        inside_ = top;
#else
        getcontext(&inside_);
        inside_.uc_stack.ss_sp = stack_.get();
        inside_.uc_stack.ss_size = stack_size;
        inside_.uc_link = nullptr;
        makecontext(&inside_, +[] { current()->main(); }, 0);
#endif
    }

    void resume() {
        current() = this;
#if defined(SLUICE_TEST_TSAN)
        tsan_outside_ = __tsan_get_current_fiber();
        __tsan_switch_to_fiber(tsan_, 0);
#endif
#if defined(SLUICE_TEST_ASAN)
        void* fake = nullptr;
        __sanitizer_start_switch_fiber(&fake, stack_.get(), stack_size);
#endif
        swap(outside_, inside_);
#if defined(SLUICE_TEST_ASAN)
        __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    }

    /// On the fiber's own stack: back to whoever resumed it.
    void suspend() {
#if defined(SLUICE_TEST_TSAN)
        __tsan_switch_to_fiber(tsan_outside_, 0);
#endif
#if defined(SLUICE_TEST_ASAN)
        void* fake = nullptr;
        __sanitizer_start_switch_fiber(&fake, outside_stack_, outside_size_);
#endif
        swap(inside_, outside_);
#if defined(SLUICE_TEST_ASAN)
        __sanitizer_finish_switch_fiber(fake, &outside_stack_, &outside_size_);
#endif
    }

private:
    static fiber*& current() {
        static fiber* f = nullptr;
        return f;
    }
    void main() {
#if defined(SLUICE_TEST_ASAN)
        __sanitizer_finish_switch_fiber(nullptr, &outside_stack_, &outside_size_);
#endif
        entry_(argument_);
    }
#if defined(SLUICE_TEST_SWITCH)
    using context = void*;
    static void swap(context& save, context& load) { sluice_test_switch(&save, load); }
#else
    using context = ucontext_t;
    static void swap(context& save, context& load) { swapcontext(&save, &load); }
#endif

    std::unique_ptr<unsigned char[]> stack_;
    void (*entry_)(void*) = nullptr;
    void*   argument_ = nullptr;
    context inside_{};
    context outside_{};
#if defined(SLUICE_TEST_ASAN)
    void const* outside_stack_ = nullptr;
    std::size_t outside_size_ = 0;
#endif
#if defined(SLUICE_TEST_TSAN)
    void* tsan_ = nullptr;
    void* tsan_outside_ = nullptr;
#endif
};

}  // namespace test::sim::detail
