#pragma once
#include <sluice/parallel/sibling.hpp>
#include <sluice/core/good.hpp>
