// Licence: see LICENSE
#pragma once

/// @file
/// x — x.
///
/// Thread-safety  any thread
