// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::in_child — run something that may end the process.

#include <csignal>
#include <cstdlib>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace test {

struct child_result {
    bool aborted = false;  ///< ended by abort()
    bool returned = false;
    std::string errors;  ///< what it wrote to stderr
};

/// Runs f in a child process. Call it while no other thread runs.
template <class F>
child_result in_child(F f) {
    int channel[2];
    if (::pipe(channel) != 0) std::abort();
    auto const pid = ::fork();
    if (pid < 0) std::abort();
    if (pid == 0) {
        std::signal(SIGABRT, SIG_DFL);  // not the test framework's handler
        ::dup2(channel[1], STDERR_FILENO);
        ::close(channel[0]);
        ::close(channel[1]);
        f();
        ::_exit(0);
    }
    ::close(channel[1]);
    child_result result;
    char buffer[256];
    for (::ssize_t n; (n = ::read(channel[0], buffer, sizeof buffer)) > 0;)
        result.errors.append(buffer, static_cast<std::size_t>(n));
    ::close(channel[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    result.aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    result.returned = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return result;
}

}  // namespace test
