#pragma once
#include <sluice/queue/good.hpp>
