// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/least_loaded.hpp>

#include "workload.hpp"

using bench::balancer::promise;

void bench::register_all() {
    balancer::register_choose<balancer::subject_of<sluice::least_loaded<>, promise::even, true>>("least_loaded", true);
}
