// SPDX-License-Identifier: BSL-1.0
#include <sluice/adapters/asio.hpp>

#include <boost/asio/post.hpp>

#include <future>

int main() {
    std::promise<int>    answer;
    sluice::thread_pool  pool(1);
    sluice::asio_context context(pool);
    boost::asio::post(context.get_executor(), [&] { answer.set_value(42); });
    return answer.get_future().get() == 42 ? 0 : 1;
}
