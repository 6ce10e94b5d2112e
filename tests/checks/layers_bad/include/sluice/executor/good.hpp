#pragma once
#include <sluice/queue/good.hpp>
#include <sluice/flow/good.hpp>
#include <sluice/version.hpp>
