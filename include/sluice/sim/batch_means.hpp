// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// batch_means — the mean of a long run of numbers that depend on each other, and how far from the truth it may be.
///
/// Use it for     waits, sojourns, queue lengths of one simulation: neighbours are alike, so the usual standard error is far too small
/// Not for        independent replications: there the runs' own means are the batches (add one number per run, batches of one)
/// Thread-safety  one thread at a time
/// Complexity     O(1) per number, memory for 2 · batches means, allocated once
/// Errors         std::invalid_argument: batches < 2, a confidence outside (0, 1). A number that is NaN or infinite makes the mean that
/// Units          those of the numbers
/// Source         Law, Kelton, Simulation Modeling and Analysis; the batches that double: Chen, Kelton, 2007
///
/// The first `skip` numbers are forgotten: the warm-up, in which an empty system fills. Batches grow with the run: when there are
/// twice as many as wanted, neighbours are merged. The interval is honest once a batch is long against the time in which the system
/// forgets, some S/(1 - sqrt(utilisation))² for a queue with service time S.

#include <sluice/core/detail/invalid.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/detail/student.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace sluice::sim {

struct batch_means_options {
    std::uint64_t skip = 0;      ///< numbers of the warm-up
    std::size_t   batches = 20;  ///< fewest of an interval once there are that many; >= 2
};

/// The mean, and what it lies within.
struct confidence_interval {
    double mean = 0;
    double half_width = std::numeric_limits<double>::infinity();  ///< infinite where there are fewer than two batches

    [[nodiscard]] double lower() const noexcept { return mean - half_width; }
    [[nodiscard]] double upper() const noexcept { return mean + half_width; }
    [[nodiscard]] bool contains(double x) const noexcept { return lower() <= x && x <= upper(); }
};

class batch_means {
public:
    explicit batch_means(batch_means_options options = {}) : options_(options) {
        sluice::detail::require_option(options.batches >= 2, "batch_means: batches (>= 2)", options.batches);
        means_.reserve(options.batches * 2);
    }

    void add(double x) noexcept {
        if (skipped_ < options_.skip) {
            ++skipped_;
            return;
        }
        ++count_;
        sum_ += x;
        batch_sum_ += x;
        if (++in_batch_ < batch_size_) return;
        means_.push_back(batch_sum_ / static_cast<double>(batch_size_));  // there is room: merged below
        batch_sum_ = 0;
        in_batch_ = 0;
        if (means_.size() < options_.batches * 2) return;
        for (std::size_t i = 0; i < options_.batches; ++i) means_[i] = (means_[2 * i] + means_[2 * i + 1]) / 2;
        means_.resize(options_.batches);
        batch_size_ *= 2;
    }

    /// Numbers after the warm-up.
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    /// Of all of them; 0 where there are none.
    [[nodiscard]] double mean() const noexcept { return count_ > 0 ? sum_ / static_cast<double>(count_) : 0; }
    [[nodiscard]] std::uint64_t batch_size() const noexcept { return batch_size_; }
    [[nodiscard]] std::size_t batches() const noexcept { return means_.size(); }

    /// What the true mean lies in with this probability, by the whole batches and Student's t.
    [[nodiscard]] confidence_interval interval(double confidence = .95) const {
        sluice::detail::require_number(confidence > 0 && confidence < 1, "batch_means: confidence (0 to 1, both excluded)", confidence);
        confidence_interval result{.mean = mean()};
        auto const    n = means_.size();
        if (n < 2) return result;
        double centre = 0, squares = 0;
        for (double const m : means_) centre += m / static_cast<double>(n);
        for (double const m : means_) squares += (m - centre) * (m - centre);
        result.half_width = sluice::detail::student_quantile(confidence, n - 1) *
                            std::sqrt(squares / static_cast<double>(n - 1) / static_cast<double>(n));
        return result;
    }

private:
    batch_means_options options_;
    std::vector<double> means_;
    std::uint64_t       skipped_ = 0;
    std::uint64_t       count_ = 0;
    double              sum_ = 0;
    double              batch_sum_ = 0;
    std::uint64_t       batch_size_ = 1;
    std::uint64_t       in_batch_ = 0;
};

}  // namespace sluice::sim
