// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of bulk_count: who claims what, which error stays, who completes.
#include <sluice/executor/detail/bulk_count.hpp>

#include "support/interleave_main.hpp"

namespace {

using sluice::detail::bulk_end;
using test::sim::require;

/// Thread 0 has the first ticket and offers one to each other thread; what nobody took in time is run at the end.
template <int Threads, int Indices>
struct client {
    static constexpr int threads = Threads;

    sluice::detail::bulk_count<test::sim::atomic> count{Indices, 1};
    test::sim::atomic<int> offered[Threads]{};
    test::sim::plain<int>  did[Indices], error;
    int                    calls[Indices] = {}, completed = 0, from = -1;
    bool                   ran[Threads] = {};
    bool                   fails = false, refuses = false;

    void ticket(int me) {
        ran[me] = true;
        for (auto r = count.claim(); r.begin != r.end; r = count.claim()) {
            require(r.end == r.begin + 1 && r.end <= Indices, "a grain");
            ++calls[r.begin];
            if (fails) {
                if (count.end(bulk_end::failed)) error.set(me + 1);
                require(count.claim().end == 0, "after the end no more is begun");
                break;
            }
            did[r.begin].set(1);
        }
        if (count.leave()) complete();
    }
    void complete() {
        ++completed;
        if (fails) {
            require(count.how() == bulk_end::failed && error.get() != 0, "the error is there");
        } else {
            for (auto& d : did) require(d.get() == 1, "every index was run");
        }
    }
    void thread(int i) {
        if (i != 0) {
            if (offered[i].load(std::memory_order_acquire) != 0) ticket(i);
            return;
        }
        for (int k = 1; k < Threads; ++k) {
            count.invite();
            if (refuses && k == 1)
                count.take_back();
            else
                offered[k].store(1, std::memory_order_release);
        }
        ticket(0);
    }
    void finish() {
        for (int k = 1; k < Threads; ++k)
            if (!ran[k] && !(refuses && k == 1)) ticket(k);
        require(completed == 1, "completed once");
        if (!fails)
            for (int c : calls) require(c == 1, "every index once");
    }
};

struct two_run : client<2, 2> {};
struct three_run : client<3, 1> {};
struct two_fail : client<2, 2> {
    two_fail() { fails = true; }
};
struct one_refused : client<3, 1> {
    one_refused() { refuses = true; }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("bulk_count", {"executor/detail/bulk_count.hpp"})
        .add<two_run>("run | run")
        .add<two_fail>("fail | fail")
        .add<one_refused>("refused, run | - | run")
        .add<three_run>("run | run | run", {.weak_only = true, .preemptions = 2})
        .run(argc, argv);
}
