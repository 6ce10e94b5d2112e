// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/edf.hpp>

#include "workload.hpp"

using bench::balancer::promise;

void bench::register_all() {
    balancer::register_choose<balancer::subject_of<sluice::edf, promise::by_weight>>("edf", false);
}
