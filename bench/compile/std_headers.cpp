// SPDX-License-Identifier: BSL-1.0
// The baseline: what any executor in a header has to include.
#include <functional>
#include <future>
#include <thread>
#include <vector>
