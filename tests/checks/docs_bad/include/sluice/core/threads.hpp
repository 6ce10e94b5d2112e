// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// x — x.

#include <atomic>
/// Thread-safety  too late
