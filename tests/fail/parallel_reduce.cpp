// SPDX-License-Identifier: BSL-1.0
// Expected: parallel_reduce needs a map with an index, or *iterator, or two of them for a range
#include <sluice/parallel/parallel_reduce.hpp>

#include <functional>

#if defined(SLUICE_FAIL)
int f(sluice::thread_pool& pool) { return sluice::parallel_reduce(pool, 0, 10, 0, [] { return 1; }, std::plus<int>()); }
#else
int f(sluice::thread_pool& pool) { return sluice::parallel_reduce(pool, 0, 10, 0, [](int i) { return i; }, std::plus<int>()); }
#endif
