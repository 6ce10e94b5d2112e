// SPDX-License-Identifier: BSL-1.0
#include <sluice/queue/chase_lev_deque.hpp>
