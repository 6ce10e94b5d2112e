// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// triage — from the measures of a pool to what is probably wrong with it.
///
/// Use it for     the first look at a slow pool; text for people. Measure twice and compare: counts are since the pool was made
/// Thread-safety  pure functions
/// Complexity     O(workers)
/// Errors         std::bad_alloc
/// Units          as pool_metrics
///
/// Rules, each with its own grade: coordination_overhead > 0.5 is a bottleneck of coordination (tasks too small, or too many
/// workers for the work). A queue more than ten times as deep as the mean of them all is a hot partition; where mean depths were
/// not measured the depths of this moment are taken; no ratio is above the number of workers, so it takes more than ten of them.
/// Uneven busy times without a deep queue: a few long tasks. A low speed-up with little searching: the workers sleep, there is
/// not enough work. All workers busy for more than 95 % of the time and more than ten tasks waiting for each in the mean, little
/// searching: too few workers for what comes. One look cannot tell a queue that grows from a large batch that will end; two can.

#include <sluice/executor/detail/text.hpp>
#include <sluice/executor/metrics.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

enum class finding : std::uint8_t { coordination_bottleneck, hot_partition, uneven_work, too_little_work, too_few_workers };

[[nodiscard]] constexpr char const* to_string(finding f) noexcept {
    switch (f) {
        case finding::coordination_bottleneck: return "coordination bottleneck";
        case finding::hot_partition: return "hot partition";
        case finding::uneven_work: return "uneven work";
        case finding::too_little_work: return "too little work";
        case finding::too_few_workers: return "too few workers";
    }
    return "";
}

struct triage_report {
    std::vector<finding> findings{};    ///< the worst first
    std::size_t          hottest = 0;   ///< the worker with the deepest queue
    double               overhead = 0;  ///< share of the time awake that went into looking for work
    double               depth_ratio = 1;
    double               waiting = 0;   ///< tasks for each worker, in the mean

    [[nodiscard]] bool has(finding f) const noexcept {
        for (auto const x : findings)
            if (x == f) return true;
        return false;
    }
};

[[nodiscard]] inline triage_report triage(pool_metrics const& m) {
    triage_report r;
    r.overhead = m.coordination_overhead().value;
    double total = 0, most = 0;
    bool   measured = false;
    for (auto const& w : m.workers) measured = measured || w.mean_depth > 0;
    for (std::size_t i = 0; i < m.workers.size(); ++i) {
        double const depth = measured ? m.workers[i].mean_depth : static_cast<double>(m.workers[i].depth);
        total += depth;
        if (depth > most) most = depth, r.hottest = i;
    }
    if (total > 0) r.depth_ratio = most * static_cast<double>(m.workers.size()) / total;
    if (total > 0) r.waiting = total / static_cast<double>(m.workers.size());
    if (r.overhead > 0.5) r.findings.push_back(finding::coordination_bottleneck);
    if (r.depth_ratio > 10) r.findings.push_back(finding::hot_partition);
    if (r.depth_ratio <= 10 && m.utilisation_variation().grade == grade::bad) r.findings.push_back(finding::uneven_work);
    bool any_busy = false;
    for (auto const& w : m.workers) any_busy = any_busy || w.busy.count() > 0;
    if (any_busy && r.overhead <= 0.5) {
        auto const speedup = m.speedup_ratio();
        if (speedup.grade == grade::bad) r.findings.push_back(finding::too_little_work);
        if (speedup.value > 0.95 && r.waiting > 10) r.findings.push_back(finding::too_few_workers);
    }
    return r;
}

/// One line for each measure with its grade, then what was found.
[[nodiscard]] inline std::string triage_text(pool_metrics const& m) {
    std::string out;
    auto const  number = [&](double x) {  // two decimals are enough for people
        double const limit = 9e15;
        detail::append_fixed(out, static_cast<std::int64_t>((x < limit ? x : limit) * 100 + 0.5), 2);
    };
    auto const line = [&](char const* name, measure x) {
        out += name;
        number(x.value);
        out += "  ";
        out += to_string(x.grade);
        out += '\n';
    };
    line("utilisation variation  ", m.utilisation_variation());
    line("coordination overhead  ", m.coordination_overhead());
    line("queue depth ratio      ", m.queue_depth_ratio());
    line("speed-up ratio         ", m.speedup_ratio());
    auto const r = triage(m);
    if (r.findings.empty()) out += "nothing found\n";
    for (auto const f : r.findings) {
        out += to_string(f);
        if (f == finding::coordination_bottleneck) {
            out += ": of the time awake the share that went into looking for work is ";
            number(r.overhead);
        } else if (f == finding::hot_partition) {
            out += ": worker ";
            detail::append_number(out, static_cast<std::uint64_t>(r.hottest));
            out += " has ";
            number(r.depth_ratio);
            out += " times the mean depth";
        } else if (f == finding::uneven_work) {
            out += ": some workers are busy much longer than others, and no queue is deep: long tasks";
        } else if (f == finding::too_few_workers) {
            out += ": all are busy, and ";
            number(r.waiting);
            out += " tasks wait for each";
        } else {
            out += ": the workers sleep";
        }
        out += '\n';
    }
    return out;
}

}  // namespace sluice
