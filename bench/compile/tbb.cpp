// SPDX-License-Identifier: BSL-1.0
#include <tbb/task_group.h>
