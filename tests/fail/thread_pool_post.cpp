// SPDX-License-Identifier: BSL-1.0
// Expected: post needs a callable without parameters
#include <sluice/executor/thread_pool.hpp>

#if defined(SLUICE_FAIL)
void f(sluice::thread_pool& pool) { pool.post([](int) {}); }
#else
void f(sluice::thread_pool& pool) { pool.post([] {}); }
#endif
