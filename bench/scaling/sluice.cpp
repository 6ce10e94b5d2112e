// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/autoscaler.hpp>
#include <sluice/scaling/erlang.hpp>
#include <sluice/scaling/feed_forward.hpp>
#include <sluice/scaling/usl_fit.hpp>

#include "workload.hpp"

namespace {

using namespace std::chrono_literals;

struct subject {
    static bench::scaling::usl_answer fit(std::vector<sluice::usl_point> const& all) {
        auto const model = sluice::fit_usl(all).model;
        return {model.contention(), model.coherency(), model.unit_throughput()};
    }

    static std::pair<double, double> interval(std::vector<sluice::usl_point> const& all) {
        auto const peak = sluice::usl_peak_interval(all);
        return {peak->lower, peak->upper};
    }

    static double erlang_c(std::uint32_t servers, double load) { return sluice::erlang_c(servers, load); }

    /// Every stage is there and has a rule for both directions.
    struct decider {
        sluice::autoscaler<> policy{sluice::feed_forward({}),
                                    {.stabilisation = {.down = 60s, .up = 2s},
                                     .rates = {.up = {{{sluice::rate_kind::percent, 100, 1s}, {sluice::rate_kind::count, 100, 60s}}},
                                               .down = {{{sluice::rate_kind::percent, 50, 5s}, {sluice::rate_kind::count, 50, 5s}}}},
                                     .cooldown = {.up = 1s, .down = 5s},
                                     .busy = {.spare = 1},
                                     .size = {.min = 2, .max = 5000}}};

        std::uint32_t decide(sluice::scaling_sample const& sample, sluice::time_point now) {
            return policy.decide(sample, now).desired;
        }
    };
};

}  // namespace

void bench::register_all() {
    scaling::register_fit<subject>("sluice");
    scaling::register_interval<subject>("sluice");
    scaling::register_erlang<subject>("sluice");
    scaling::register_decide<subject>("sluice");
}
