// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/placement_constraints.hpp>

#include "support/catch.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::placement_refusal;
using sluice::placement_request;

namespace {

double const no_data = std::numeric_limits<double>::quiet_NaN();

struct server {
    bool                         available = true;
    std::uint32_t                weight = 1;
    std::uint32_t                in_flight = 0;
    std::optional<std::uint32_t> capacity{10};
    std::optional<std::uint32_t> zone{1};
    std::optional<std::uint32_t> failure_domain{7};
    double                       price = 2;
    std::optional<duration>      latency{5ms};
    std::array<double, 2>        resources{4, 8};
};
struct nothing {};

}  // namespace

TEST_CASE("placement_constraints: each demand, met and not met", "[routing][placement_constraints][unit]") {
    using enum placement_refusal;
    server const                       s;
    std::array<double, 2> const        fits{4, 8}, too_much{4, 8.5}, not_a_number{no_data, 0}, free{0, -1};
    std::array<double, 3> const        third{1, 1, .5}, third_free{1, 1, 0};
    std::array<std::uint32_t, 3> const used{7, 3, 7}, elsewhere{3, 4, 5};
    struct {
        char const*       what;
        server            node;
        placement_request request;
        placement_refusal refused;
        std::uint32_t     item;
        double            needed, had;
    } const table[] = {
        {"nothing", s, {}, none, 0, 0, 0},
        {"down", {.available = false}, {}, unusable, 0, 0, 0},
        {"drained", {.weight = 0}, {}, unusable, 0, 0, 0},
        {"zone", s, {.zone = 1}, none, 0, 0, 0},
        {"other zone", s, {.zone = 2}, wrong_zone, 0, 2, 1},
        {"no zone", {.zone = {}}, {.zone = 2}, wrong_zone, 0, 2, no_data},
        {"domain used", s, {.used_domains = used}, domain_used, 7, 1, 2},
        {"domain used twice", s, {.used_domains = used, .per_domain = 2}, domain_used, 7, 2, 2},
        {"three may be there", s, {.used_domains = used, .per_domain = 3}, none, 0, 0, 0},
        {"any number", s, {.used_domains = used, .per_domain = 0}, none, 0, 0, 0},
        {"other domains", s, {.used_domains = elsewhere}, none, 0, 0, 0},
        {"no domain", {.failure_domain = {}}, {.used_domains = elsewhere}, domain_used, 0, 1, no_data},
        {"no domain and nobody asks", {.failure_domain = {}}, {}, none, 0, 0, 0},
        {"the last place", {.in_flight = 9}, {}, none, 0, 0, 0},
        {"full", {.in_flight = 10}, {}, no_capacity, 0, 1, 0},
        {"over full", {.in_flight = UINT32_MAX}, {}, no_capacity, 0, 1, 0},
        {"two places", {.in_flight = 9}, {.slots = 2}, no_capacity, 0, 2, 1},
        {"many places", s, {.slots = UINT32_MAX}, no_capacity, 0, UINT32_MAX, 10},
        {"no limit", {.in_flight = 99, .capacity = {}}, {}, none, 0, 0, 0},
        {"needs", s, {.needs = fits}, none, 0, 0, 0},
        {"needs more", s, {.needs = too_much}, resources_short, 1, 8.5, 8},
        {"needs a third", s, {.needs = third}, resources_short, 2, .5, no_data},
        {"does not need a third", s, {.needs = third_free}, none, 0, 0, 0},
        {"needs no number", s, {.needs = not_a_number}, resources_short, 0, no_data, 4},
        {"needs nothing", {.resources = {no_data, no_data}}, {.needs = free}, none, 0, 0, 0},
        {"has no number", {.resources = {no_data, 9}}, {.needs = fits}, resources_short, 0, 4, no_data},
        {"price", s, {.price_limit = 2}, none, 0, 0, 0},
        {"over price", s, {.price_limit = 1.5}, over_price, 0, 1.5, 2},
        {"no price", {.price = no_data}, {.price_limit = 1.5}, over_price, 0, 1.5, no_data},
        {"no price limit", s, {.price_limit = no_data}, over_price, 0, no_data, 2},
        {"latency", s, {.latency_limit = 5ms}, none, 0, 0, 0},
        {"too far", s, {.latency_limit = 4ms}, too_far, 0, .004, .005},
        {"no latency", {.latency = {}}, {.latency_limit = 4ms}, too_far, 0, .004, no_data},
        {"negative latency", {.latency = -1ms}, {.latency_limit = 4ms}, too_far, 0, .004, no_data},
        {"the first applies", {.in_flight = 10}, {.needs = too_much, .zone = 2}, wrong_zone, 0, 2, 1},
    };
    auto const same = [](double a, double b) { return (std::isnan(a) && std::isnan(b)) || a == Approx(b); };
    for (auto const& row : table) {
        INFO(row.what);
        auto const c = sluice::check_placement(row.node, row.request);
        REQUIRE(to_string(c.refused) == to_string(row.refused));
        REQUIRE(bool(c) == (row.refused == none));
        REQUIRE(c.item == row.item);
        REQUIRE(same(c.needed, row.needed));
        REQUIRE(same(c.had, row.had));
    }
    REQUIRE(sluice::check_placement(nothing{}, {}));
    REQUIRE(sluice::check_placement(17, {}));
    for (int r = 0; r <= 7; ++r) REQUIRE(to_string(static_cast<placement_refusal>(r)) != "?");
    REQUIRE(to_string(static_cast<placement_refusal>(8)) == "?");
}
