// SPDX-License-Identifier: BSL-1.0
// Expected: task_group::run needs a callable without parameters
#include <sluice/executor/task_group.hpp>

#if defined(SLUICE_FAIL)
void f(sluice::task_group& group) { group.run([](int) {}); }
#else
void f(sluice::task_group& group) { group.run([] {}); }
#endif
