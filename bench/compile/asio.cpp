// SPDX-License-Identifier: BSL-1.0
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
