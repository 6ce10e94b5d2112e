// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/thread_pool.hpp>

#include "workload.hpp"

void bench::register_all() { idle::register_subject<sluice::thread_pool>("sluice"); }
