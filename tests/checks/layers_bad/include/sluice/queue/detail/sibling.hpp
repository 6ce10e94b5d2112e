#pragma once
#include <sluice/flow/good.hpp>
