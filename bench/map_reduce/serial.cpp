// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

namespace {
struct subject {
    explicit subject(unsigned) {}
    bench::map_reduce::counts count(bench::map_reduce::lines const& text) { return bench::map_reduce::count_serially(text); }
};
}  // namespace

void bench::register_all() { map_reduce::register_subject<subject>("serial"); }
