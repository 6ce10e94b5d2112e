// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/queue_discipline.hpp>

#include "support/catch.hpp"
#include "support/queue_nodes.hpp"

#include <sluice/flow/bounded_queue.hpp>
#include <sluice/flow/drr.hpp>
#include <sluice/flow/wfq.hpp>

#include <type_traits>
#include <utility>

using namespace std::chrono_literals;
using test::at_ms;

namespace {

struct may_throw {
    void               push(sluice::queue_node&, sluice::time_point);
    sluice::popped_node pop(sluice::time_point) noexcept;
    std::size_t        size() const noexcept;
};

/// The least there can be: a discipline for one item.
class single {
public:
    void push(sluice::queue_node& n, sluice::time_point) noexcept { held_ = &n; }
    sluice::popped_node pop(sluice::time_point) noexcept { return {std::exchange(held_, nullptr), false}; }
    std::size_t size() const noexcept { return held_ != nullptr ? 1 : 0; }

private:
    sluice::queue_node* held_ = nullptr;
};

template <class Inner>
concept inside_drr = requires { typename sluice::drr<Inner>; };

static_assert(sluice::queue_discipline<single> && !sluice::peekable_discipline<single>);
static_assert(!sluice::queue_discipline<may_throw> && !sluice::queue_discipline<int>);
static_assert(sluice::preparing_discipline<sluice::wfq> && !sluice::preparing_discipline<sluice::fifo>);
static_assert(inside_drr<sluice::fifo> && !inside_drr<single> && !inside_drr<sluice::wfq> && !inside_drr<sluice::drr<>>);

}  // namespace

TEST_CASE("queue_discipline: three functions are enough for a bounded_queue", "[flow][queue_discipline][unit]") {
    sluice::bounded_queue<int, single> q({.capacity = 1});
    REQUIRE(q.push(1, {}, at_ms(0)));
    REQUIRE(q.push(2, {}, at_ms(0)).reason == sluice::reject_reason::full);
    REQUIRE(q.try_pop(at_ms(0))->value == 1);
    REQUIRE_FALSE(q.try_pop(at_ms(0)));
}

TEST_CASE("queue_node: a wait is never negative and never overflows", "[flow][queue_discipline][unit]") {
    sluice::queue_node n;
    n.enqueued = at_ms(5);
    REQUIRE(n.sojourn(at_ms(7)) == 2ms);
    REQUIRE(n.sojourn(at_ms(3)) == 0ms);
    n.enqueued = sluice::time_point::min();
    REQUIRE(n.sojourn(sluice::time_point::max()) == sluice::duration::max());
    REQUIRE(sluice::work_of({.cost = 0}) == 1);
    REQUIRE(sluice::work_of({.cost = UINT32_MAX}) == UINT32_MAX);
}
