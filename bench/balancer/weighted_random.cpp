// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/weighted_random.hpp>

#include "workload.hpp"

using bench::balancer::promise;

void bench::register_all() {
    balancer::register_choose<balancer::subject_of<sluice::weighted_random, promise::by_weight>>("weighted_random", true);
}
