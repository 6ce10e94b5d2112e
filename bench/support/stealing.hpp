// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// Who pushed a task, who ran it and when: read from a recording of a real run, or made by one thread that plays all workers,
/// step by step, on the library's own deques. Both become the same frames.

#include "json.hpp"

#include <sluice/core/random.hpp>
#include <sluice/executor/victim_policy.hpp>
#include <sluice/queue/chase_lev_deque.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench::stealing {

struct task {
    int                        id = 0;
    std::optional<std::size_t> pushed_by{};  ///< none: from outside
    double                     pushed_at = 0;
    std::size_t                run_by    = 0;
    double                     began_at = 0, ended_at = 0;

    [[nodiscard]] bool stolen() const { return pushed_by && *pushed_by != run_by; }
};

struct run {
    std::string       source, unit;
    std::size_t       workers = 0;
    std::vector<task> tasks{};  ///< by begin
};

inline void in_order(run& r) {
    std::sort(r.tasks.begin(), r.tasks.end(), [](task const& a, task const& b) {
        return a.began_at != b.began_at ? a.began_at < b.began_at : a.id < b.id;
    });
}

/// {"workers": 4, "source": "…", "unit": "µs", "tasks": [{"id", "pushed_by" (number or null), "pushed_at", "run_by", "began_at",
/// "ended_at"}, …]}. Throws std::runtime_error with a sentence.
[[nodiscard]] inline run read(json::value const& v) {
    run        r{.source = v["source"].string, .unit = v["unit"].string};
    auto const number = [](json::value const& object, char const* key) {
        auto const& n = object[key];
        if (n.is != json::value::kind::number || !std::isfinite(n.number) || n.number < 0)
            throw std::runtime_error(std::string("a task's or the run's \"") + key + "\" is not a number >= 0");
        return n.number;
    };
    auto const below = [&](json::value const& object, char const* key, double limit) {
        double const n = number(object, key);
        if (n >= limit || n != std::floor(n))
            throw std::runtime_error(std::string("\"") + key + "\" is not a whole number below " + std::to_string(static_cast<int>(limit)));
        return static_cast<std::size_t>(n);
    };
    r.workers = below(v, "workers", 1025);
    for (auto const& t : v["tasks"].array) {
        task       one{.id = static_cast<int>(below(t, "id", 1e9)), .pushed_at = number(t, "pushed_at"),
                       .run_by = below(t, "run_by", static_cast<double>(r.workers)), .began_at = number(t, "began_at"),
                       .ended_at = number(t, "ended_at")};
        if (t["pushed_by"].is != json::value::kind::null) one.pushed_by = below(t, "pushed_by", static_cast<double>(r.workers));
        if (one.pushed_at > one.began_at || one.began_at > one.ended_at)
            throw std::runtime_error("task " + std::to_string(one.id) + " begins before it is pushed, or ends before it begins");
        r.tasks.push_back(one);
    }
    if (r.tasks.empty()) throw std::runtime_error("there are no \"tasks\"");
    in_order(r);
    return r;
}

/// A tree of `leaves` tasks that take one to three steps each. A task that stands for several hands over half of them until
/// it stands for one. One thread plays the workers in turn; the deques and the choice of victims are the library's.
[[nodiscard]] inline run computed(std::size_t workers, int leaves, std::uint64_t seed) {
    struct item {
        int id, leaves;
    };
    struct worker {
        sluice::chase_lev_deque<item> deque;
        sluice::victim_selector       victims;
        int                           busy_until = 0;
        worker(std::size_t self, std::size_t all, std::uint64_t s) : victims({}, self, all, s) {}
    };
    run r{.source = "computed step by step in one thread on the library's deques; no timing of a real run", .unit = "steps",
          .workers = workers};
    std::vector<std::unique_ptr<worker>> all;
    for (std::size_t i = 0; i < workers; ++i) all.push_back(std::make_unique<worker>(i, workers, seed + i));
    sluice::xoshiro256ss lengths(seed);
    std::vector<task>    tasks{task{}};
    int                  to_do = leaves;
    std::optional<item>  from_outside{item{0, leaves}};
    for (int step = 0; to_do > 0; ++step)
        for (std::size_t w = 0; w < workers; ++w) {
            worker& me = *all[w];
            if (me.busy_until > step) continue;
            auto next = me.deque.pop();
            if (!next && from_outside) std::swap(next, from_outside);
            if (!next) {
                me.victims.start_round([&](std::size_t i) { return all[i]->deque.size_approx(); });
                for (std::size_t v; !next && (v = me.victims.next()) != sluice::victim_selector::none;) {
                    if (auto const stolen = all[v]->deque.steal()) next = stolen.value, me.victims.succeeded(v);
                    else me.victims.failed(v);
                }
            }
            if (!next) continue;
            for (; next->leaves > 1; next->leaves -= next->leaves / 2) {
                int const id = static_cast<int>(tasks.size());
                tasks.push_back({.id = id, .pushed_by = w, .pushed_at = static_cast<double>(step)});
                me.deque.push({id, next->leaves / 2});
            }
            me.busy_until  = step + 1 + static_cast<int>(sluice::uniform_below(lengths, 3));
            task& mine     = tasks[static_cast<std::size_t>(next->id)];
            mine.run_by    = w;
            mine.began_at  = step;
            mine.ended_at  = me.busy_until;
            --to_do;
        }
    r.tasks = std::move(tasks);
    in_order(r);
    return r;
}

/// What is to be seen between one begin of tasks and the next.
struct frame {
    double                                        at = 0;
    std::vector<task const*>                      began{};
    std::vector<task const*>                      running{};  ///< by worker; null: none
    std::vector<std::vector<task const*>>         waiting{};  ///< by worker, the oldest first: what a thief takes
};

/// Refers to the run's tasks.
[[nodiscard]] inline std::vector<frame> frames(run const& r) {
    std::vector<frame> all;
    for (std::size_t i = 0; i < r.tasks.size();) {
        frame f{.at = r.tasks[i].began_at};
        for (; i < r.tasks.size() && r.tasks[i].began_at == f.at; ++i) f.began.push_back(&r.tasks[i]);
        bool const   last = i == r.tasks.size();
        double const next = last ? f.at : r.tasks[i].began_at;  // the state just before that
        f.running.resize(r.workers);
        f.waiting.resize(r.workers);
        for (auto const& t : r.tasks) {
            bool const just = t.began_at == f.at;
            if (just || (t.began_at <= f.at && t.ended_at > f.at)) f.running[t.run_by] = &t;
            if (t.pushed_by && t.began_at > f.at && (t.pushed_at < next || t.pushed_at <= f.at)) f.waiting[*t.pushed_by].push_back(&t);
        }
        for (auto& w : f.waiting)
            std::sort(w.begin(), w.end(), [](task const* a, task const* b) {
                return a->pushed_at != b->pushed_at ? a->pushed_at < b->pushed_at : a->id < b->id;
            });
        all.push_back(std::move(f));
    }
    return all;
}

}  // namespace bench::stealing
