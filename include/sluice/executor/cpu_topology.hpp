// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// cpu_topology, available_concurrency — which CPUs this process may use, how much of them, and how near they are to each other.
///
/// Use it for     the number of workers in a container, and where to put them (worker_placement)
/// Not for        one look at each task: it reads dozens of files
/// Thread-safety  any thread; what is read is a value. An affinity mask is the calling thread's
/// Complexity     available_concurrency: some ten files. read_cpu_topology: about ten for each CPU
/// Errors         std::bad_alloc. A file that is missing or makes no sense is as if it said nothing: all CPUs alike, no quota
/// Units          CPUs as the system numbers them, below 8192; a quota in CPUs (1.5: one and a half all the time)
/// Source         Linux: Documentation/admin-guide/cgroup-v2.rst, scheduler/sched-bwc.rst, ABI/stable/sysfs-devices-system-cpu
///
/// Linux only: elsewhere as many equal CPUs as std::thread::hardware_concurrency says. Of control groups both versions are
/// read, at the process's own group and at all above it that can be seen: the tightest limit counts. Everything comes through
/// a cpu_files, so that a test, or a tool that looks at another machine, can bring its own.

#include <sluice/executor/detail/cpu_files.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sluice {

/// Where the facts come from: the text of a file, if there is such a file, and the CPUs that the thread may run on, if known.
template <class F>
concept cpu_files = requires(F const& files, std::string const& path) {
    { files.read(path) } -> std::same_as<std::optional<std::string>>;
    { files.allowed() } -> std::same_as<std::optional<std::vector<unsigned>>>;
};

/// The running system, or a copy of its /proc and /sys below another root (then the mask is that of this thread all the same).
class system_cpu_files {
public:
    explicit system_cpu_files(std::string root = {}) : root_(std::move(root)) {}
    [[nodiscard]] std::optional<std::string>           read(std::string const& path) const { return detail::read_file(root_ + path); }
    [[nodiscard]] std::optional<std::vector<unsigned>> allowed() const { return detail::affinity_mask(); }

private:
    std::string root_;
};

/// One CPU. A group is named by its first CPU: the same number means the same core, cache, or package.
struct cpu_info {
    unsigned id = 0;
    unsigned core = 0;          ///< hardware threads of one core
    unsigned near_cache = 0;    ///< who shares the level 2 cache
    unsigned far_cache = 0;     ///< who shares the last level cache
    unsigned package = 0;
    unsigned node = 0;          ///< of memory; the system's number
    unsigned capacity = 1024;   ///< relative speed; the fastest have 1024
};

struct cpu_topology {
    std::vector<cpu_info>              cpus;      ///< online and allowed for this thread, upwards; at least one
    std::optional<double>              quota;     ///< CPUs' worth of time by control groups
    std::vector<std::vector<unsigned>> distances; ///< of memory nodes, [from][to], 10 is near; may be empty

    [[nodiscard]] cpu_info const* find(unsigned id) const noexcept {
        auto const at = std::lower_bound(cpus.begin(), cpus.end(), id, [](cpu_info const& c, unsigned i) { return c.id < i; });
        return at != cpus.end() && at->id == id ? &*at : nullptr;
    }
};

/// The share of the machine that control groups leave this process, if they limit it.
template <cpu_files Files = system_cpu_files>
[[nodiscard]] std::optional<double> cpu_quota(Files const& files = Files{}) {
    return detail::read_quota(files);
}

namespace detail {

[[nodiscard]] inline std::size_t concurrency(std::size_t cpus, std::optional<double> quota) noexcept {
    if (cpus == 0) cpus = 1;
    if (!quota || *quota >= static_cast<double>(cpus)) return cpus;
    auto whole = static_cast<std::size_t>(*quota);
    if (static_cast<double>(whole) < *quota) ++whole;
    return whole == 0 ? 1 : whole;
}

}  // namespace detail

/// How many threads can run at once: the allowed CPUs, but no more than the quota, rounded up; at least 1.
[[nodiscard]] inline std::size_t available_concurrency(cpu_topology const& t) noexcept {
    return detail::concurrency(t.cpus.size(), t.quota);
}

/// The same, read now.
template <cpu_files Files = system_cpu_files>
[[nodiscard]] std::size_t available_concurrency(Files const& files = Files{}) {
    auto const allowed = detail::usable_cpus(files);
    return detail::concurrency(allowed ? allowed->size() : std::thread::hardware_concurrency(), detail::read_quota(files));
}

template <cpu_files Files = system_cpu_files>
[[nodiscard]] cpu_topology read_cpu_topology(Files const& files = Files{}) {
    cpu_topology t;
    auto         usable = detail::usable_cpus(files);
    if (!usable) {
        usable.emplace();
        for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) usable->push_back(i);
    }
    std::string const base = "/sys/devices/system/cpu/cpu";
    auto const        first_of = [&](std::string const& path, unsigned otherwise) {
        auto const found = detail::read_list(files, path);
        return found.empty() ? otherwise : found.front();
    };
    for (unsigned const id : *usable) {
        cpu_info          c;
        std::string const dir = base + std::to_string(id);
        c.id = id;
        c.core = first_of(dir + "/topology/core_cpus_list", first_of(dir + "/topology/thread_siblings_list", id));
        c.package = first_of(dir + "/topology/package_cpus_list", first_of(dir + "/topology/core_siblings_list", usable->front()));
        c.near_cache = c.core;
        c.far_cache = c.package;
        std::uint64_t deepest = 0;
        for (int i = 0; i < 10; ++i) {
            auto const cache = dir + "/cache/index" + std::to_string(i);
            auto const level = detail::read_number(files, cache + "/level");
            if (!level) break;
            auto const shared = first_of(cache + "/shared_cpu_list", id);
            if (*level == 2) c.near_cache = shared;
            if (*level >= 2 && *level > deepest) deepest = *level, c.far_cache = shared;
        }
        if (auto const capacity = detail::read_number(files, dir + "/cpu_capacity"); capacity && *capacity > 0 && *capacity <= 1'000'000)
            c.capacity = static_cast<unsigned>(*capacity);
        t.cpus.push_back(c);
    }
    // Processors of two kinds that do not tell their capacities: the small ones are taken for half as fast.
    for (unsigned const id : detail::read_list(files, "/sys/devices/cpu_atom/cpus"))
        for (auto& c : t.cpus)
            if (c.id == id && c.capacity == 1024) c.capacity = 512;
    unsigned fastest = 0;
    for (auto const& c : t.cpus) fastest = std::max(fastest, c.capacity);
    for (auto& c : t.cpus)
        c.capacity = static_cast<unsigned>(std::max<std::uint64_t>(1, std::uint64_t{c.capacity} * 1024 / fastest));

    auto const nodes = detail::read_list(files, "/sys/devices/system/node/online");
    for (unsigned const node : nodes) {
        std::string const dir = "/sys/devices/system/node/node" + std::to_string(node);
        for (unsigned const id : detail::read_list(files, dir + "/cpulist"))
            for (auto& c : t.cpus)
                if (c.id == id) c.node = node;
        if (auto const text = files.read(dir + "/distance")) {
            auto const row = detail::parse_numbers(*text);  // to each node that is online, upwards
            if (t.distances.size() <= node) t.distances.resize(node + 1);
            for (std::size_t i = 0; i < row.size() && i < nodes.size(); ++i) {
                t.distances[node].resize(nodes[i] + 1, 20);
                t.distances[node][nodes[i]] = row[i];
            }
        }
    }
    t.quota = detail::read_quota(files);
    return t;
}

/// How far apart two CPUs are: 0 the same, 1 one core, 2 one level 2 cache, 3 one last level cache, 4 one memory node, and
/// otherwise what the system says of the nodes (10 to 255, 20 if it says nothing). An unknown CPU is far from every other.
[[nodiscard]] inline unsigned cpu_distance(cpu_topology const& t, unsigned a, unsigned b) noexcept {
    if (a == b) return 0;
    auto const* const x = t.find(a);
    auto const* const y = t.find(b);
    if (x == nullptr || y == nullptr) return 255;
    if (x->core == y->core) return 1;
    if (x->near_cache == y->near_cache) return 2;
    if (x->far_cache == y->far_cache) return 3;
    if (x->node == y->node) return 4;
    if (x->node < t.distances.size() && y->node < t.distances[x->node].size())
        return std::clamp(t.distances[x->node][y->node], 10U, 255U);
    return 20;
}

}  // namespace sluice
