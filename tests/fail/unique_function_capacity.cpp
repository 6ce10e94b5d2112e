// SPDX-License-Identifier: BSL-1.0
// Expected: unique_function: Capacity must hold at least a pointer
#include <sluice/core/unique_function.hpp>

#if defined(SLUICE_FAIL)
sluice::unique_function<void(), sizeof(void*) - 1> f;
#else
sluice::unique_function<void(), sizeof(void*)> f;
#endif
