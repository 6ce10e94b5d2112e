#pragma once
#include <sluice/version.hpp>
#include <sluice/core/listed.hpp>
#include <sluice/core/twice.hpp>
#include <sluice/core/detail/hidden.hpp>
#include <sluice/core/twice.hpp>
#include <sluice/adapters/optional.hpp>
// #include <sluice/core/forgotten.hpp>
