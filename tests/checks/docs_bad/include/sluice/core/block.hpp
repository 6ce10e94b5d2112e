// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
/// Thread-safety  any thread
