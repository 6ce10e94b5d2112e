// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// Numbers whose k-th is drawn with a probability in proportion to 1 / (k + 1): a few come often, most hardly ever.

#include <sluice/core/random.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace bench {

class zipf {
public:
    explicit zipf(std::size_t n) : upto_(n) {
        double sum = 0;
        for (std::size_t k = 0; k < n; ++k) upto_[k] = sum += 1.0 / static_cast<double>(k + 1);
    }
    template <class Random>
    [[nodiscard]] std::size_t operator()(Random& random) const noexcept {
        auto const at = std::upper_bound(upto_.begin(), upto_.end(), sluice::uniform_real(random) * upto_.back());
        return std::min(static_cast<std::size_t>(at - upto_.begin()), upto_.size() - 1);
    }

private:
    std::vector<double> upto_;
};

}  // namespace bench
