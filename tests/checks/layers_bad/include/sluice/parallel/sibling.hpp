#pragma once
#if 1
#include <sluice/sim/x.hpp>
#endif
