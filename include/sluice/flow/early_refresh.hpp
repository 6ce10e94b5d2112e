// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// early_refresh — renew a cached value a little before its time, one reader at a time, by chance (XFetch).
///
/// Use it for     caches in front of something slow, shared by processes that do not talk to each other
/// Not for        one process: there a flag that somebody renews already is cheaper and exact (primed_cache has both)
/// Thread-safety  a value; any thread. A random source belongs to one thread
/// Complexity     one random number, one logarithm
/// Errors         std::invalid_argument for a beta that is not finite and > 0; the rest throws only what the random
///                source does
/// Units          ttl_left: time until the value is too old. delta: how long it takes to make a new one
/// Source         Vattani, Chierichetti, Lowenstein, Optimal Probabilistic Cache Stampede Prevention, VLDB 2015,
///                doi:10.14778/2757807.2757813
///
/// Refresh iff -beta · delta · ln(U) >= ttl_left, U uniform in (0, 1]: with probability exp(-ttl_left / (beta · delta)).
/// At 1 delta that is 37 %, at 3 it is 5 %, at 5 .7 %, at 25 1.4e-11; tables on the web that show 4 % for 25 are wrong.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>

#include <cmath>

namespace sluice {

struct early_refresh_options {
    double beta = 1.0;  ///< larger than 1 refreshes earlier; finite, > 0
};

class early_refresh {
public:
    explicit early_refresh(early_refresh_options options = {}) : beta_(options.beta) {
        detail::require_option(std::isfinite(beta_) && beta_ > 0, "early_refresh: beta (finite, > 0)", beta_);
    }

    /// Whether this reader should make a new value now. Always, once the time is over.
    template <random_source Source>
    [[nodiscard]] bool should_refresh(duration ttl_left, duration delta, Source& random) const noexcept(noexcept(random())) {
        if (ttl_left.count() <= 0) return true;
        if (delta.count() <= 0) return false;
        double const u = 1.0 - uniform_real(random);  // in (0, 1]: the logarithm is finite
        return -beta_ * static_cast<double>(delta.count()) * std::log(u) >= static_cast<double>(ttl_left.count());
    }

    /// How likely that is.
    [[nodiscard]] double probability(duration ttl_left, duration delta) const noexcept {
        if (ttl_left.count() <= 0) return 1;
        if (delta.count() <= 0) return 0;
        return std::exp(-static_cast<double>(ttl_left.count()) / (beta_ * static_cast<double>(delta.count())));
    }

    [[nodiscard]] double beta() const noexcept { return beta_; }

private:
    double beta_;
};

}  // namespace sluice
