// SPDX-License-Identifier: BSL-1.0
// The two kernels in a file of their own: whatever a library does to the loop around them, they are the same code.
#include "kernels.hpp"

void bench::loop::saxpy(float a, float const* x, float* y, std::size_t n) noexcept {
#pragma omp simd
    for (std::size_t i = 0; i < n; ++i) y[i] += a * x[i];
}

float bench::loop::sum(float const* x, std::size_t n) noexcept {
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (std::size_t i = 0; i < n; ++i) total += x[i];
    return total;
}
