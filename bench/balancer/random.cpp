// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/random_choice.hpp>

#include "workload.hpp"

using bench::balancer::promise;

void bench::register_all() {
    balancer::register_choose<balancer::subject_of<sluice::random_choice, promise::even>>("random", true);
}
