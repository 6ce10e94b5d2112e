// SPDX-License-Identifier: BSL-1.0
#include <sluice/queue/fifo_steal_queue.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <deque>
#include <random>

namespace {

using sluice::steal_status;
using word = std::uint64_t;
constexpr word near_the_ends[] = {0, (word{1} << 32) - 3, (word{1} << 63) - 3, ~word{0} - 2, ~word{0}};

}  // namespace

static_assert(noexcept(std::declval<sluice::fifo_steal_queue<int, 2>&>().try_push(1)));
static_assert(noexcept(std::declval<sluice::fifo_steal_queue<int, 2>&>().pop()));

TEST_CASE("fifo_steal_queue: a thief takes the older half, rounded up", "[queue][fifo_steal_queue][unit]") {
    struct row {
        int         inside;
        std::size_t most, taken;
    };
    for (word first : near_the_ends)
        for (row const r : {row{1, 8, 1}, row{2, 8, 1}, row{3, 8, 2}, row{7, 8, 4}, row{8, 8, 4}, row{8, 1, 1}, row{8, 3, 3}}) {
            sluice::fifo_steal_queue<int, 8> q(first);
            int                              out[8] = {};
            REQUIRE(q.steal_half(out, r.most).status == steal_status::empty);
            for (int i = 0; i < r.inside; ++i) REQUIRE(q.try_push(i));
            REQUIRE(q.try_push(99) == (r.inside < 8));
            if (r.inside < 8) {  // 99 counts: take the oldest away instead
                REQUIRE(q.pop() == 0);
                for (int i = 1; i < r.inside; ++i) REQUIRE(q.pop() == i);
                REQUIRE(q.pop() == 99);
                for (int i = 0; i < r.inside; ++i) REQUIRE(q.try_push(i));
            }
            auto const got = q.steal_half(out, r.most);
            REQUIRE(got.status == steal_status::success);
            REQUIRE(*got == r.taken);
            for (std::size_t i = 0; i < r.taken; ++i) REQUIRE(out[i] == static_cast<int>(i));
            for (int i = static_cast<int>(r.taken); i < r.inside; ++i) REQUIRE(q.pop() == i);
            REQUIRE_FALSE(q.pop());
        }
}

TEST_CASE("fifo_steal_queue: behaves as std::deque does", "[queue][fifo_steal_queue][property]") {
    std::mt19937_64 random(test::seed());
    for (word first : near_the_ends) {
        sluice::fifo_steal_queue<int, 8> q(first);
        std::deque<int>                  model;
        for (int next = 0; next < 4000; ++next) {
            switch (random() % 6) {
            case 0:
            case 1:
            case 2: {
                bool const in = q.try_push(next);
                REQUIRE(in == (model.size() < 8));
                if (in) model.push_back(next);
                break;
            }
            case 3: {
                auto const item = q.pop();
                REQUIRE(item.has_value() == !model.empty());
                if (item) {
                    REQUIRE(*item == model.front());
                    model.pop_front();
                }
                break;
            }
            case 4: {
                auto const item = q.steal();
                REQUIRE(bool(item) == !model.empty());
                if (item) {
                    REQUIRE(*item == model.front());
                    model.pop_front();
                }
                break;
            }
            default: {
                int         out[8];
                std::size_t const most = random() % 8 + 1;
                auto const  r = q.steal_half(out, most);
                REQUIRE(bool(r) == !model.empty());
                for (std::size_t i = 0; r && i < *r; ++i) {
                    REQUIRE(out[i] == model.front());
                    model.pop_front();
                }
            }
            }
            REQUIRE(q.size_approx() == model.size());
        }
    }
}
