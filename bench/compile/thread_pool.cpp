// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>
