// SPDX-License-Identifier: BSL-1.0
#include <sluice/adapters/std_execution.hpp>

#include <tuple>
#include <utility>

int main() {
    sluice::thread_pool pool(1);
    auto                work = stdexec::schedule(sluice::get_execution_scheduler(pool)) | stdexec::then([] { return 42; });
    auto const          answer = stdexec::sync_wait(std::move(work));
    return answer && std::get<0>(*answer) == 42 ? 0 : 1;
}
