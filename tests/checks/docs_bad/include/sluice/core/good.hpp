// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// good — as it should be.
///
/// Thread-safety  any thread

#include <atomic>
