// SPDX-License-Identifier: BSL-1.0
// Counts the allocations of this executable, and lets them fail (support/allocation.hpp).
#include "support/allocation_new.hpp"
