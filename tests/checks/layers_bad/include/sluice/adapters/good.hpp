#pragma once
#include <sluice/parallel/sibling.hpp>
