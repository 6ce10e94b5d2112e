// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/cpu_topology.hpp>
#include <sluice/executor/pin_thread.hpp>

#include "support/catch.hpp"

#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using list = std::vector<unsigned>;

namespace {

/// A system made of texts.
struct fake_files {
    std::map<std::string, std::string> texts;
    std::optional<list>                mask{};
    [[nodiscard]] std::optional<std::string> read(std::string const& path) const {
        auto const at = texts.find(path);
        return at == texts.end() ? std::nullopt : std::optional(at->second);
    }
    [[nodiscard]] std::optional<list> allowed() const { return mask; }
};

std::string const cpu = "/sys/devices/system/cpu/";
std::string const node = "/sys/devices/system/node/";

/// Two nodes, each with two cores of two threads and one last level cache: CPUs 0 1 4 5 and 2 3 6 7; 4 is the other thread of 0.
fake_files two_nodes() {
    fake_files f;
    f.mask = list{0, 1, 2, 3, 4, 5, 6, 7};
    f.texts[cpu + "online"] = "0-7\n";
    for (unsigned i = 0; i < 8; ++i) {
        auto const dir = cpu + "cpu" + std::to_string(i);
        auto const pair = std::to_string(i % 4) + "," + std::to_string(i % 4 + 4) + "\n";
        auto const shared = i % 4 < 2 ? "0-1,4-5\n" : "2-3,6-7\n";
        f.texts[dir + "/topology/thread_siblings_list"] = pair;
        f.texts[dir + "/topology/package_cpus_list"] = shared;
        f.texts[dir + "/cache/index0/level"] = "1\n";
        f.texts[dir + "/cache/index0/shared_cpu_list"] = pair;
        f.texts[dir + "/cache/index1/level"] = "2\n";
        f.texts[dir + "/cache/index1/shared_cpu_list"] = pair;
        f.texts[dir + "/cache/index2/level"] = "3\n";
        f.texts[dir + "/cache/index2/shared_cpu_list"] = shared;
    }
    f.texts[node + "online"] = "0-1\n";
    f.texts[node + "node0/cpulist"] = "0-1,4-5\n";
    f.texts[node + "node1/cpulist"] = "2-3,6-7\n";
    f.texts[node + "node0/distance"] = "10 32\n";
    f.texts[node + "node1/distance"] = "32 10\n";
    return f;
}

}  // namespace

TEST_CASE("cpu_topology: lists as the system writes them", "[executor][cpu_topology][unit]") {
    struct row {
        char const* text;
        list        expected;
    };
    for (auto const& r : {row{"0\n", {0}}, row{"0-3\n", {0, 1, 2, 3}}, row{"0-1,4-5\n", {0, 1, 4, 5}}, row{"7,2-3,3", {2, 3, 7}},
                          row{"", {}}, row{"\n", {}}, row{"x", {}}, row{"3-1", {}}, row{"1,", {1}}, row{"1,x", {1}}, row{"2-", {}},
                          row{"5,99999", {5}}, row{"0-4000000000", {}}, row{"18446744073709551616", {}},
                          row{"1-99999999999999999999", {}}}) {
        CAPTURE(r.text);
        CHECK(sluice::detail::parse_list(r.text) == r.expected);
    }
}

TEST_CASE("cpu_topology: the quota of control groups", "[executor][cpu_topology][unit]") {
    using texts = std::map<std::string, std::string>;
    std::string const v2_mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    std::string const v1_mount = "33 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                                 "34 30 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
    std::string const v1 = "/sys/fs/cgroup/cpu,cpuacct";
    struct row {
        char const*           what;
        texts                 files;
        std::optional<double> quota;
    };
    row const rows[] = {
        {"nothing at all", {}, {}},
        {"v2, no limit",
         {{"/proc/self/cgroup", "0::/\n"}, {"/proc/self/mountinfo", v2_mount}, {"/sys/fs/cgroup/cpu.max", "max 100000\n"}}, {}},
        {"v2 at the top, as in a container", {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "150000 100000\n"}}, 1.5},
        {"v2, the group itself",
         {{"/proc/self/cgroup", "0::/user.slice/app\n"}, {"/proc/self/mountinfo", v2_mount},
          {"/sys/fs/cgroup/user.slice/app/cpu.max", "200000 100000"}}, 2},
        {"v2, a group above is tighter",
         {{"/proc/self/cgroup", "0::/a/b/c\n"}, {"/proc/self/mountinfo", v2_mount}, {"/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000"},
          {"/sys/fs/cgroup/a/b/cpu.max", "max 100000"}, {"/sys/fs/cgroup/a/cpu.max", "75000 50000"},
          {"/sys/fs/cgroup/cpu.max", "800000 100000"}}, 1.5},
        {"v2, no period", {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "50000\n"}}, 0.5},
        {"v2, nonsense", {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "-3 0\n"}}, {}},
        {"v2, period of 0", {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "50000 0\n"}}, {}},
        {"v2, above what can be seen", {{"/proc/self/cgroup", "0::/../../x\n"}, {"/sys/fs/cgroup/cpu.max", "300000 100000\n"},
                                         {"/sys/fs/cgroup/../../x/cpu.max", "1 2"}}, 3},
        {"v1", {{"/proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/app\n"}, {"/proc/self/mountinfo", v1_mount},
                {v1 + "/app/cpu.cfs_quota_us", "250000\n"}, {v1 + "/app/cpu.cfs_period_us", "100000\n"}}, 2.5},
        {"v1 without mountinfo, other order of the name",
         {{"/proc/self/cgroup", "4:cpuacct,cpu:/\n"}, {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n"},
          {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "50000\n"}}, 2},
        {"v1, no limit", {{"/proc/self/cgroup", "4:cpu:/\n"}, {"/proc/self/mountinfo", v1_mount}, {v1 + "/cpu.cfs_quota_us", "-1\n"},
                          {v1 + "/cpu.cfs_period_us", "100000\n"}}, {}},
        {"v1 in a container: only its own group is mounted",
         {{"/proc/self/cgroup", "4:cpu:/docker/1234/inner\n"},
          {"/proc/self/mountinfo", "33 30 0:28 /docker/1234 /mnt\\040cg rw shared:9 - cgroup cgroup rw,cpu\n"},
          {"/mnt cg/inner/cpu.cfs_quota_us", "-1"}, {"/mnt cg/inner/cpu.cfs_period_us", "100000"},
          {"/mnt cg/cpu.cfs_quota_us", "50000"}, {"/mnt cg/cpu.cfs_period_us", "100000"}}, 0.5},
        {"v1, a name that only begins like the mounted one",
         {{"/proc/self/cgroup", "4:cpu:/docker/12345\n"},
          {"/proc/self/mountinfo", "33 30 0:28 /docker/1234 /cg rw - cgroup cgroup rw,cpu\n"},
          {"/cg5/cpu.cfs_quota_us", "1"}, {"/cg5/cpu.cfs_period_us", "100000"},
          {"/cg/cpu.cfs_quota_us", "100000"}, {"/cg/cpu.cfs_period_us", "100000"}}, 1},
        {"both versions: the controller is with version 1",
         {{"/proc/self/cgroup", "4:cpu,cpuacct:/app\n0::/app\n"}, {"/proc/self/mountinfo", v1_mount},
          {v1 + "/app/cpu.cfs_quota_us", "100000\n"}, {v1 + "/app/cpu.cfs_period_us", "100000\n"}}, 1},
        {"lines that are cut", {{"/proc/self/cgroup", "4:cpu\n:\n\n0"}, {"/proc/self/mountinfo", "1 2 3\n-\n"}}, {}},
    };
    for (auto const& r : rows) {
        CAPTURE(r.what);
        CHECK(sluice::cpu_quota(fake_files{r.files}) == r.quota);
    }
}

TEST_CASE("cpu_topology: as many at once as the mask and the quota allow, at least 1", "[executor][cpu_topology][unit]") {
    struct row {
        std::optional<list> mask;
        char const*         online;
        char const*         max;
        std::size_t         expected;
    };
    for (auto const& r : {row{list{0, 1, 2, 3}, "0-3", "max 100000", 4}, row{list{0, 1, 2, 3}, "0-3", "150000 100000", 2},
                          row{list{0, 1, 2, 3}, "0-3", "200000 100000", 2}, row{list{0, 1, 2, 3}, "0-3", "200001 100000", 3},
                          row{list{2}, "0-3", "300000 100000", 1}, row{list{0, 1, 2, 3}, "0-3", "1000 100000", 1},
                          row{list{0, 1, 2, 3}, "0-1", "max", 2}, row{list{4, 5}, "0-1", "max", 2},
                          row{std::nullopt, "0-5", "max", 6}, row{list{3, 1}, "", "max", 2},
                          row{list{0, 1}, "0-1", "9000000000000000000 1", 2}}) {
        fake_files f{{{cpu + "online", r.online}, {"/proc/self/cgroup", "0::/"}, {"/sys/fs/cgroup/cpu.max", r.max}}, r.mask};
        CHECK(sluice::available_concurrency(f) == r.expected);
        CHECK(sluice::available_concurrency(sluice::read_cpu_topology(f)) == r.expected);
    }
    CHECK(sluice::available_concurrency(fake_files{}) >= 1);  // nothing is known: what the library says
}

TEST_CASE("cpu_topology: two memory nodes", "[executor][cpu_topology][unit]") {
    auto const t = sluice::read_cpu_topology(two_nodes());
    REQUIRE(t.cpus.size() == 8);
    CHECK_FALSE(t.quota);
    struct row {
        unsigned a, b, distance;
    };
    for (auto const& r : {row{3, 3, 0}, row{0, 4, 1}, row{0, 1, 3}, row{0, 5, 3}, row{0, 2, 32}, row{6, 1, 32}, row{0, 9, 255}})
        CHECK(sluice::cpu_distance(t, r.a, r.b) == r.distance);
    CHECK(t.find(6)->node == 1);
    CHECK(t.find(8) == nullptr);

    auto f = two_nodes();
    f.mask = list{1, 5, 6};
    auto const part = sluice::read_cpu_topology(f);
    REQUIRE(part.cpus.size() == 3);
    CHECK(sluice::cpu_distance(part, 1, 5) == 1);
    CHECK(sluice::cpu_distance(part, 5, 6) == 32);
    f.texts.erase(node + "node0/distance");
    CHECK(sluice::cpu_distance(sluice::read_cpu_topology(f), 5, 6) == 20);

    f.texts[node + "online"] = "0,2";  // numbers with a gap: the row has no column for 1
    f.texts[node + "node0/distance"] = "10 17";
    f.texts[node + "node2/cpulist"] = "2-3,6-7";
    CHECK(sluice::cpu_distance(sluice::read_cpu_topology(f), 5, 6) == 17);
}

TEST_CASE("cpu_topology: cores of two kinds", "[executor][cpu_topology][unit]") {
    fake_files arm{{{cpu + "online", "0-3"}, {cpu + "cpu0/cpu_capacity", "250"}, {cpu + "cpu1/cpu_capacity", "250"},
                    {cpu + "cpu2/cpu_capacity", "500"}, {cpu + "cpu3/cpu_capacity", "500"}}, {}};
    auto const a = sluice::read_cpu_topology(arm);
    CHECK(a.find(0)->capacity == 512);
    CHECK(a.find(3)->capacity == 1024);
    fake_files intel{{{cpu + "online", "0-3"}, {"/sys/devices/cpu_core/cpus", "0-1\n"}, {"/sys/devices/cpu_atom/cpus", "2-3\n"}}, {}};
    auto const b = sluice::read_cpu_topology(intel);
    CHECK(b.find(0)->capacity == 1024);
    CHECK(b.find(2)->capacity == 512);
    fake_files all_small{{{cpu + "online", "0-3"}, {"/sys/devices/cpu_atom/cpus", "0-3\n"}}, {}};
    CHECK(sluice::read_cpu_topology(all_small).find(1)->capacity == 1024);
    fake_files zero{{{cpu + "online", "0"}, {cpu + "cpu0/cpu_capacity", "0"}}, {}};
    CHECK(sluice::read_cpu_topology(zero).find(0)->capacity == 1024);
}

TEST_CASE("cpu_topology: without a description all CPUs are alike", "[executor][cpu_topology][unit]") {
    auto const t = sluice::read_cpu_topology(fake_files{{}, list{1, 3, 8}});
    REQUIRE(t.cpus.size() == 3);
    CHECK(sluice::cpu_distance(t, 1, 8) == 3);  // of one package
    CHECK(t.find(3)->core == 3);
}

TEST_CASE("cpu_topology: this machine", "[executor][cpu_topology][unit]") {
    auto const t = sluice::read_cpu_topology();
    REQUIRE_FALSE(t.cpus.empty());
    CHECK(sluice::available_concurrency(t) >= 1);
    CHECK(sluice::available_concurrency() == sluice::available_concurrency(t));
    CHECK(sluice::available_concurrency() <= t.cpus.size());
    sluice::system_cpu_files const nowhere("/there is no such directory");
    CHECK_FALSE(nowhere.read("/proc/self/cgroup"));
    CHECK_FALSE(sluice::cpu_quota(nowhere));

    std::thread([&] {
        unsigned const last = t.cpus.back().id;
        auto const     before = sluice::system_cpu_files().allowed();
        CHECK_FALSE(sluice::pin_current_thread(std::vector<unsigned>{}));
        CHECK_FALSE(sluice::pin_current_thread(8191));
        CHECK_FALSE(sluice::pin_current_thread(4'000'000'000U));
        CHECK(sluice::system_cpu_files().allowed() == before);  // where it was
        if (!sluice::pin_current_thread(last)) return;          // not this system
        CHECK(sluice::system_cpu_files().allowed() == list{last});
        CHECK(sluice::available_concurrency() == 1);
    }).join();
    CHECK(sluice::read_cpu_topology().cpus.size() == t.cpus.size());  // other threads are not concerned
}
