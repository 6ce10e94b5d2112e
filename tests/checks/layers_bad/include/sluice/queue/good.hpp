#pragma once
#include <sluice/core/good.hpp>
#include <sluice/queue/detail/sibling.hpp>
