// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::name_this_thread — the name that debuggers and `top -H` show, where the system has one.
///
/// Thread-safety  any thread
/// Complexity     one system call
/// Errors         none: a system that refuses leaves the thread without a name
/// Units          Linux keeps 15 characters: the number is kept whole and the text before it cut

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>

#if defined(__linux__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace sluice::detail {

/// "text-7", in at most 15 characters.
struct thread_name {
    static constexpr std::size_t longest = 15;
    char                         text[longest + 1];

    thread_name(std::string const& name, std::size_t index) noexcept {
        char      number[24];  // a hyphen and 20 digits
        int const digits = std::snprintf(number, sizeof number, "-%lu", static_cast<unsigned long>(index));
        std::size_t const tail = digits > 0 && static_cast<std::size_t>(digits) <= longest ? static_cast<std::size_t>(digits) : 0;
        std::size_t const head = name.size() < longest - tail ? name.size() : longest - tail;
        std::memcpy(text, name.data(), head);
        std::memcpy(text + head, number, tail);
        text[head + tail] = '\0';
    }
};

inline void name_this_thread([[maybe_unused]] thread_name const& name) noexcept {
#if defined(__linux__) && (defined(_GNU_SOURCE) || defined(__ANDROID__))
    static_cast<void>(::pthread_setname_np(::pthread_self(), name.text));
#elif defined(__APPLE__)
    static_cast<void>(::pthread_setname_np(name.text));
#endif
}

}  // namespace sluice::detail
