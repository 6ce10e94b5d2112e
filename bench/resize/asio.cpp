// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <boost/asio/thread_pool.hpp>
#include <boost/version.hpp>

#include <cstddef>
#include <memory>

namespace {
struct remade {
    explicit remade(std::size_t n) : pool(std::make_unique<boost::asio::thread_pool>(n)) {}
    bool resize(std::size_t n) {
        pool.reset();
        pool = std::make_unique<boost::asio::thread_pool>(n);
        return true;
    }
    std::unique_ptr<boost::asio::thread_pool> pool;
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_boost", BOOST_LIB_VERSION);
    resize::register_once<remade>("asio_remade");
}
