// SPDX-License-Identifier: BSL-1.0
// Expected: parallel_invoke needs callables without parameters
#include <sluice/parallel/parallel_invoke.hpp>

#if defined(SLUICE_FAIL)
void f(sluice::thread_pool& pool) { sluice::parallel_invoke(pool, [] {}, [](int) {}); }
#else
void f(sluice::thread_pool& pool) { sluice::parallel_invoke(pool, [] {}, [] {}); }
#endif
