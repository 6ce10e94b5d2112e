#pragma once
#include <string>
inline std::string f() { return {}; }
