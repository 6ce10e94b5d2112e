// SPDX-License-Identifier: BSL-1.0
#ifndef X

/// @file
/// x — x.
/// Thread-safety  any thread
