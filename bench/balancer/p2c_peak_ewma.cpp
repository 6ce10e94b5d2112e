// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/load_metric.hpp>
#include <sluice/routing/power_of_two_choices.hpp>

#include "workload.hpp"

using bench::balancer::promise;
using balancer_type = sluice::power_of_two_choices<sluice::latency_load>;

void bench::register_all() {
    balancer::register_choose<balancer::subject_of<balancer_type, promise::even, true>>("p2c_peak_ewma", true);
}
