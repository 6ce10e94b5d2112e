// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <support/mutex_deque_pool.hpp>

void bench::register_all() { post::register_single<mutex_deque_pool>("mutex_deque"); }
