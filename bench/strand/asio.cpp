// SPDX-License-Identifier: BSL-1.0
// Two ways: a strand for each key, made when the key is first seen and kept in a hash table; and 10 000 strands, of which the key's
// hash names one, where keys share their order.
#include "workload.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/version.hpp>

#include <unordered_map>

namespace {
using strand = boost::asio::strand<boost::asio::thread_pool::executor_type>;

struct by_key {
    explicit by_key(unsigned workers) : pool(workers) {}
    template <class F>
    void post(std::uint64_t key, F f) {
        auto at = strands.find(key);
        if (at == strands.end()) at = strands.emplace(key, strand(pool.get_executor())).first;
        boost::asio::post(at->second, f);
    }
    boost::asio::thread_pool                  pool;
    std::unordered_map<std::uint64_t, strand> strands;
};
struct by_hash {
    explicit by_hash(unsigned workers) : pool(workers) {
        for (int i = 0; i < 10'000; ++i) strands.emplace_back(pool.get_executor());
    }
    template <class F>
    void post(std::uint64_t key, F f) {
        boost::asio::post(strands[static_cast<std::size_t>(key % strands.size())], f);
    }
    boost::asio::thread_pool pool;
    std::vector<strand>      strands;
};
}  // namespace

void bench::register_all() {
    benchmark::AddCustomContext("version_boost", BOOST_LIB_VERSION);
    bench::strand::register_subject<by_key>("asio_by_key");
    bench::strand::register_subject<by_hash>("asio_by_hash", {"uniform", "zipf"});
}
