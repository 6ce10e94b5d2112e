// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/static_stride.hpp>

#include "workload.hpp"

using bench::balancer::promise;

void bench::register_all() {
    balancer::register_choose<balancer::subject_of<sluice::static_stride<>, promise::by_weight>>("static_stride", true);
}
