// SPDX-License-Identifier: BSL-1.0
// A steady_timer each, one context. A cancelled timer's handler still runs, with an error: that is part of the price.
#include "workload.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/version.hpp>

namespace {
struct subject {
    explicit subject(bench::timer::ledger& l) : ledger(l) { timers.reserve(l.after.size()); }
    void insert(std::size_t, bench::clock::time_point t) {
        std::size_t const i = timers.size();
        timers.emplace_back(context, t);
        timers.back().async_wait([this, i](boost::system::error_code const& e) {
            ++ended;
            if (!e) ledger.ran(i);
        });
    }
    void cancel(std::size_t i) { timers[i].cancel(); }
    void settle() { context.poll(); }
    void expire() {
        // A poll looks at the system's timer once; it has fired long ago, but who knows what one poll takes.
        for (int tries = 0; tries < 1000 && pending() > 0; ++tries) context.poll();
    }
    std::size_t pending() const { return timers.size() - ended; }

    bench::timer::ledger&                  ledger;
    boost::asio::io_context                context{1};
    std::vector<boost::asio::steady_timer> timers;
    std::size_t                            ended = 0;
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_boost", BOOST_LIB_VERSION);
    timer::register_subject<subject>("asio");
}
