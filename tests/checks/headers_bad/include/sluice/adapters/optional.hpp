#pragma once
#include <no_such_outsider.hpp>
