// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// outlier_ejection — any balancer, without the nodes that an outlier_detector has ejected.
///
/// Use it for     the outermost wrapper but retry_exclusion: what is further inside (panic_threshold) sees the ejections
/// Not for        the judgement itself (outlier_detector), which several wrappers, one per thread, can share
/// Thread-safety  that of the inner balancer; the detector may be told of results meanwhile
/// Complexity     one atomic load for each look at a node; no allocation
/// Errors         none of its own. The detector must outlive the wrapper
/// Units          positions in the list are the detector's; positions that it does not have are never ejected

#include <sluice/core/clock.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/node_view.hpp>
#include <sluice/routing/outlier_detector.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <utility>

namespace sluice {

template <class Inner, class Detector = outlier_detector<>>
class outlier_ejection {
public:
    explicit outlier_ejection(Detector const& detector)
        requires std::default_initializable<Inner>
        : detector_(&detector), inner_() {}
    outlier_ejection(Detector const& detector, Inner inner) : detector_(&detector), inner_(std::move(inner)) {}

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) {
        auto const kept = [d = detector_](std::size_t i, auto const&) { return !d->ejected(i); };
        return inner_.choose(detail::only(nodes, kept), now, rng);
    }

    [[nodiscard]] Inner&       inner() noexcept { return inner_; }
    [[nodiscard]] Inner const& inner() const noexcept { return inner_; }

private:
    Detector const* detector_;
    Inner           inner_;
};

}  // namespace sluice
