// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/round_robin.hpp>

#include "workload.hpp"

using bench::balancer::promise;

void bench::register_all() {
    balancer::register_choose<balancer::subject_of<sluice::round_robin<>, promise::even>>("round_robin", true);
}
