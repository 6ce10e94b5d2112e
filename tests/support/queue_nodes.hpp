// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::entry, test::entries — nodes with a number, for tests of disciplines.

#include <sluice/flow/queue_discipline.hpp>

#include <chrono>
#include <deque>
#include <vector>

namespace test {

struct entry : sluice::queue_node {
    int id = 0;
};

inline sluice::time_point at_ms(double ms) {
    return sluice::time_point(sluice::duration(static_cast<std::int64_t>(ms * 1e6 + (ms < 0 ? -0.5 : 0.5))));
}

/// Makes nodes that stay where they are, and pushes them.
class entries {
public:
    entry& make(int id, sluice::item_attributes const& attributes, sluice::time_point now) {
        auto& e = all_.emplace_back();
        e.id = id;
        e.attributes = attributes;
        e.enqueued = now;
        return e;
    }
    template <class Discipline>
    entry& push(Discipline& d, int id, sluice::item_attributes const& attributes, sluice::time_point now) {
        auto& e = make(id, attributes, now);
        if constexpr (requires { d.prepare(attributes); }) d.prepare(attributes);
        d.push(e, now);
        return e;
    }

private:
    std::deque<entry> all_;
};

inline int id_of(sluice::queue_node const* n) { return n == nullptr ? -1 : static_cast<entry const*>(n)->id; }

/// The number of the next item; negative less one if the discipline sheds it. -1000000 when there is none.
inline constexpr int nothing = -1'000'000;
template <class Discipline>
int pop(Discipline& d, sluice::time_point now) {
    auto const p = d.pop(now);
    if (p.node == nullptr) return nothing;
    return p.shed ? -id_of(p.node) - 1 : id_of(p.node);
}

}  // namespace test
