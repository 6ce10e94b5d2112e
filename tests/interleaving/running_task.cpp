// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of detail::running_task.
#include <sluice/executor/detail/running_task.hpp>

#include "support/interleave_main.hpp"

namespace {

using test::sim::require;

/// Task n began at 10 n and its name has n letters.
struct looked_at {
    static constexpr int threads = 2;
    sluice::detail::running_task<test::sim::atomic> task;

    void look() {
        std::uint64_t    id = 0;
        std::int64_t     started = 0;
        std::string_view name;
        if (!task.get(id, started, name)) return;
        require(started == static_cast<std::int64_t>(10 * id) && name.size() == id && name.data() == text + id, "all of one task");
    }
    static constexpr char const* text = "abcdef";
    void begin(std::uint64_t id) { task.set(id, static_cast<std::int64_t>(10 * id), {text + id, static_cast<std::size_t>(id)}); }
};
struct another : looked_at {
    another() { begin(1); }
    void thread(int i) { i == 0 ? begin(2) : look(); }
    void finish() {
        std::uint64_t    id = 0;
        std::int64_t     started = 0;
        std::string_view name;
        require(task.get(id, started, name) && id == 2, "at rest it can be read");
    }
};
struct over_and_again : looked_at {
    over_and_again() { begin(1); }
    void thread(int i) { i == 0 ? (task.clear(), begin(3)) : look(); }
    void finish() {}
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("running_task", {"executor/detail/running_task.hpp"})
        .add<another>("another task begins")
        .add<over_and_again>("one ends and another begins", {.weak_only = true})
        .run(argc, argv);
}
