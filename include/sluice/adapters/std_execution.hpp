// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// get_execution_scheduler — a thread_pool as a scheduler of stdexec, or of std::execution where the standard library has it.
///
/// Use it for     sender pipelines on our pool: stdexec::schedule(sluice::get_execution_scheduler(pool)) | stdexec::then(f)
/// Not for        programs without such a library: this header needs <stdexec/execution.hpp>, or a standard library with
///                __cpp_lib_senders; sluice.hpp does not include it. stdexec includes <execution>, which with libstdc++ asks for
///                -ltbb where TBB's headers are installed
/// Thread-safety  as pool_scheduler
/// Errors         as pool_scheduler
/// Differs        from pool_scheduler in nothing but the words, which are the library's

#include <sluice/executor/pool_scheduler.hpp>
#include <sluice/executor/thread_pool.hpp>

#if __has_include(<stdexec/execution.hpp>)
#include <stdexec/execution.hpp>
namespace sluice::detail {
namespace execution_words = ::stdexec;
using ::stdexec::get_stop_token_t;
}  // namespace sluice::detail
#else
#include <execution>
#include <stop_token>
namespace sluice::detail {
namespace execution_words = ::std::execution;
using ::std::get_stop_token_t;
}  // namespace sluice::detail
#endif

namespace sluice {

struct execution_vocabulary {
    using sender_t = detail::execution_words::sender_t;
    using scheduler_t = detail::execution_words::scheduler_t;
    using operation_state_t = detail::execution_words::operation_state_t;
    using set_value_t = detail::execution_words::set_value_t;
    using set_error_t = detail::execution_words::set_error_t;
    using set_stopped_t = detail::execution_words::set_stopped_t;
    using get_stop_token_t = detail::get_stop_token_t;
    using get_forward_progress_guarantee_t = detail::execution_words::get_forward_progress_guarantee_t;
    using forward_progress_guarantee = detail::execution_words::forward_progress_guarantee;
    template <class Tag>
    using get_completion_scheduler_t = detail::execution_words::get_completion_scheduler_t<Tag>;
    template <class... Signatures>
    using completion_signatures = detail::execution_words::completion_signatures<Signatures...>;
};

using execution_scheduler = basic_pool_scheduler<execution_vocabulary>;

/// The pool has to live as long as the scheduler, its senders and their operations.
[[nodiscard]] inline execution_scheduler get_execution_scheduler(thread_pool& pool) noexcept { return execution_scheduler(pool); }

}  // namespace sluice
