#pragma once
inline int f(long x) { return x; }
