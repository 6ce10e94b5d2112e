// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/thread_pool.hpp>

#include "workload.hpp"

void bench::register_all() { memory::register_subject<sluice::thread_pool>("sluice"); }
