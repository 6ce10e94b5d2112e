#pragma once
inline std::string f() { return {}; }
