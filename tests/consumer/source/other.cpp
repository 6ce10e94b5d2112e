// SPDX-License-Identifier: BSL-1.0
#include <sluice/sluice.hpp>

char const* version_seen_by_the_other() { return sluice::version_string; }

sluice::rate rate_made_by_the_other() { return sluice::per_second(3); }
