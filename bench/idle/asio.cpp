// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/version.hpp>

namespace {
struct pool {
    explicit pool(unsigned workers) : impl(workers) {}
    template <class F>
    void post(F f) {
        boost::asio::post(impl, f);
    }
    boost::asio::thread_pool impl;
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_boost", BOOST_LIB_VERSION);
    idle::register_subject<pool>("asio");
}
