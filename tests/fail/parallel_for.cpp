// SPDX-License-Identifier: BSL-1.0
// Expected: parallel_for needs a callable with an index, or *iterator, or two of them for a range
#include <sluice/parallel/parallel_for.hpp>

#if defined(SLUICE_FAIL)
void f(sluice::thread_pool& pool) { sluice::parallel_for(pool, 0, 10, [] {}); }
#else
void f(sluice::thread_pool& pool) { sluice::parallel_for(pool, 0, 10, [](int) {}); }
#endif
