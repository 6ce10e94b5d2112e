// SPDX-License-Identifier: BSL-1.0
// Two translation units that include everything, linked into one program.
#include <sluice/sluice.hpp>

#include <cstdio>

char const* version_seen_by_the_other();
sluice::rate rate_made_by_the_other();

int main() {
    bool const same_object = version_seen_by_the_other() == sluice::version_string;
    bool const same_value = rate_made_by_the_other() == sluice::per_minute(180);
    std::printf("sluice %s\n", sluice::version_string);
    return same_object && same_value ? 0 : 1;
}
