// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// version_string — needs no word about threads.
