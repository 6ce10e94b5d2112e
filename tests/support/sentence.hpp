// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::sentence_of — what a call says when it throws.

#include <exception>
#include <string>

namespace test {

template <class F>
std::string sentence_of(F f) {
    try {
        f();
    } catch (std::exception const& e) {
        return e.what();
    }
    return "nothing thrown";
}

}  // namespace test
