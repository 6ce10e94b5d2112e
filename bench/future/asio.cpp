// SPDX-License-Identifier: BSL-1.0
// Boost.Asio with std::future, both ways its documentation shows: a posted packaged_task, and the use_future token.
#include "workload.hpp"

#include <boost/asio/packaged_task.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/version.hpp>

#include <future>

namespace {
struct packaged {
    explicit packaged(unsigned workers) : impl(workers) {}
    template <class F>
    auto submit(F f) {
        return boost::asio::post(impl, std::packaged_task<decltype(f())()>(f));  // asio hands out its future
    }
    boost::asio::thread_pool impl;
};

struct token {
    explicit token(unsigned workers) : impl(workers) {}
    template <class F>
    auto submit(F f) {
        return boost::asio::post(impl, boost::asio::use_future(f));
    }
    boost::asio::thread_pool impl;
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_boost", BOOST_LIB_VERSION);
    future::register_subject<packaged>("asio_packaged_task");
    future::register_subject<token>("asio_use_future");
}
