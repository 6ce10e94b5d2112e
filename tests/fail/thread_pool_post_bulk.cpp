// SPDX-License-Identifier: BSL-1.0
// Expected: post_bulk needs a callable with an index
#include <sluice/executor/thread_pool.hpp>

#if defined(SLUICE_FAIL)
void f(sluice::thread_pool& pool) { pool.post_bulk(3, [] {}); }
#else
void f(sluice::thread_pool& pool) { pool.post_bulk(3, [](std::size_t) {}); }
#endif
