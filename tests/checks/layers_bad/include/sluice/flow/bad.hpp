#pragma once
#include "good.hpp"
#  include <sluice/adapters/good.hpp>
#include <sluice/sluice.hpp>
#include <sluice/nowhere/x.hpp>
// #include <sluice/executor/good.hpp>
