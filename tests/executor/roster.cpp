// SPDX-License-Identifier: BSL-1.0
// The bookkeeping of places alone, without threads: the moments between that a live pool passes in no time.
#include <sluice/executor/thread_pool.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

using sluice::detail::pool_state;
using sluice::detail::roster;
using sluice::detail::worker;

namespace {

struct staff {
    sluice::thread_pool               owner{1};  // what the places point to; it does not run them
    sluice::detail::scheduler_options options{1, 1, 4, {}, {}, 32, 61, 64, false};
    std::atomic<std::uint32_t>        state{pool_state::counting};
    roster                            all{state, 4};
    int                               until_failure = -1;
    std::vector<std::size_t>          started, stirred;

    void request(std::size_t n) {
        all.request(
            n, [&](std::size_t i) { return std::make_unique<worker>(owner.internals(), owner.internals(), i, options, 0); },
            [&](worker& w) {
                if (until_failure-- == 0) throw std::runtime_error("no more threads");
                started.push_back(w.index);
                all.began();
            },
            [&](std::size_t k) { stirred.push_back(k); });
    }
    [[nodiscard]] bool crowded() const { return (state.load() & pool_state::crowded) != 0; }
    ~staff() {
        all.close();
        all.join();
    }
};

using list = std::vector<std::size_t>;

}  // namespace

TEST_CASE("roster: a leaver that is wanted again before it has gone stays", "[executor][roster][unit]") {
    staff s;
    s.request(3);
    CHECK(s.started == list{0, 1, 2});
    CHECK_FALSE(s.all.may_leave());
    s.request(1);
    CHECK(s.crowded());
    CHECK(s.stirred == list{2});
    CHECK(s.all.may_leave());
    CHECK(s.crowded());
    CHECK(s.all.may_leave());
    CHECK_FALSE(s.crowded());
    CHECK_FALSE(s.all.may_leave());
    CHECK(s.all.provisioned() == 3);  // they are still here
    CHECK(s.all.ready() == 1);
    s.request(2);  // one of the two is kept, nobody is started
    CHECK(s.started.size() == 3);
    CHECK_FALSE(s.all.leave(s.all[2]));
    CHECK(s.all.leave(s.all[1]));
    CHECK(s.all.provisioned() == 2);
    CHECK(s.all.ready() == 2);
    s.request(4);  // the free place first, then a new one
    CHECK(s.started == list{0, 1, 2, 1, 3});
    CHECK(s.all.made().size() == 4);
    CHECK((s.state.load() & pool_state::counting) != 0);  // the other marks are left alone
}

TEST_CASE("roster: a request that fails leaves what was wanted before", "[executor][roster][fault]") {
    staff s;
    s.request(1);
    s.until_failure = 2;
    CHECK_THROWS_AS(s.request(4), std::runtime_error);
    CHECK(s.all.wanted() == 1);
    CHECK(s.all.provisioned() == 3);
    CHECK(s.crowded());
    CHECK(s.stirred == list{2});
    for (std::size_t i : {1U, 2U}) {
        CHECK(s.all.may_leave());
        CHECK(s.all.leave(s.all[i]));
    }
    CHECK_FALSE(s.crowded());
    CHECK(s.all.provisioned() == 1);
}

TEST_CASE("roster: nobody leaves or begins after it was closed", "[executor][roster][unit]") {
    staff s;
    s.request(3);
    s.request(1);
    CHECK(s.all.may_leave());
    s.all.close();
    CHECK_FALSE(s.all.may_leave());
    CHECK_FALSE(s.all.leave(s.all[2]));  // whoever was on the way ends with the others
    s.request(4);
    CHECK(s.started.size() == 3);
    CHECK(s.all.wanted() == 1);
    CHECK(s.all.ready() == 3);
}
