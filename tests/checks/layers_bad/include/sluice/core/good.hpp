#pragma once
#include <sluice/core/good.hpp>
#include <vector>
