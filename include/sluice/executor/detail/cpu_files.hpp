// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::read_quota, read_list, affinity_mask — the texts in which a system describes its CPUs.
///
/// Thread-safety  any thread
/// Errors         std::bad_alloc; what cannot be read or makes no sense is left out

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace sluice::detail {

inline constexpr unsigned max_cpus = 8192;  // more than any system numbers

/// The first 64 KiB of a file.
[[nodiscard]] inline std::optional<std::string> read_file(std::string const& path) {
    struct closer {
        std::FILE* f;
        ~closer() {
            if (f != nullptr) std::fclose(f);
        }
    } const file{std::fopen(path.c_str(), "rb")};
    if (file.f == nullptr) return std::nullopt;
    std::string text(65536, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file.f));
    if (std::ferror(file.f) != 0) return std::nullopt;
    return text;
}

/// The CPUs that the calling thread may run on, upwards.
[[nodiscard]] inline std::optional<std::vector<unsigned>> affinity_mask() {
#if defined(__linux__)
    for (std::size_t words = 16; words * sizeof(unsigned long) * 8 <= max_cpus; words *= 2) {
        std::vector<unsigned long> mask(words);
        if (sched_getaffinity(0, words * sizeof(unsigned long), reinterpret_cast<cpu_set_t*>(mask.data())) != 0) continue;
        std::vector<unsigned> cpus;
        unsigned const        bits = sizeof(unsigned long) * 8;
        for (unsigned i = 0; i < words * bits; ++i)
            if ((mask[i / bits] >> (i % bits) & 1) != 0) cpus.push_back(i);
        if (!cpus.empty()) return cpus;
    }
#endif
    return std::nullopt;
}

/// A whole number at the beginning of the text, after blanks; what follows it stays. More than 2^63 counts as nothing.
[[nodiscard]] inline std::optional<std::uint64_t> take_number(std::string_view& text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t' || text.front() == '\n')) text.remove_prefix(1);
    std::uint64_t n = 0;
    std::size_t   digits = 0;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
        if (n > (std::uint64_t{1} << 63) / 10 - 1) return std::nullopt;
        n = n * 10 + static_cast<std::uint64_t>(text[digits] - '0');
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
    return n;
}

[[nodiscard]] inline std::vector<unsigned> parse_numbers(std::string_view text) {
    std::vector<unsigned> result;
    while (auto const n = take_number(text)) result.push_back(static_cast<unsigned>(std::min<std::uint64_t>(*n, 0xffff'ffffU)));
    return result;
}

/// "0-3,5,8-9": each number once, upwards; as far as it makes sense.
[[nodiscard]] inline std::vector<unsigned> parse_list(std::string_view text) {
    std::vector<unsigned> result;
    for (;;) {
        auto const first = take_number(text);
        if (!first || *first >= max_cpus) break;
        auto last = first;
        if (!text.empty() && text.front() == '-') {
            text.remove_prefix(1);
            last = take_number(text);
            if (!last || *last < *first || *last >= max_cpus) break;
        }
        for (auto i = *first; i <= *last; ++i) result.push_back(static_cast<unsigned>(i));
        if (text.empty() || text.front() != ',') break;
        text.remove_prefix(1);
    }
    std::sort(result.begin(), result.end());
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
}

template <class Files>
[[nodiscard]] std::vector<unsigned> read_list(Files const& files, std::string const& path) {
    auto const text = files.read(path);
    return text ? parse_list(*text) : std::vector<unsigned>{};
}
template <class Files>
[[nodiscard]] std::optional<std::uint64_t> read_number(Files const& files, std::string const& path) {
    auto const text = files.read(path);
    if (!text) return std::nullopt;
    std::string_view rest = *text;
    return take_number(rest);
}

/// Allowed and, as far as that is known, online. Empty if neither is known.
template <class Files>
[[nodiscard]] std::optional<std::vector<unsigned>> usable_cpus(Files const& files) {
    auto       allowed = files.allowed();
    auto const online = read_list(files, "/sys/devices/system/cpu/online");
    if (allowed && !online.empty()) {
        std::vector<unsigned> both;
        std::sort(allowed->begin(), allowed->end());
        std::set_intersection(allowed->begin(), allowed->end(), online.begin(), online.end(), std::back_inserter(both));
        if (!both.empty()) return both;  // if they contradict each other the mask is right
    }
    if (allowed && !allowed->empty()) return allowed;
    if (!online.empty()) return online;
    return std::nullopt;
}

// ---- control groups ----

/// Calls f(word) for each part of `text` between separators.
template <class F>
void for_each_part(std::string_view text, char separator, F f) {
    for (;;) {
        auto const end = text.find(separator);
        f(text.substr(0, end));
        if (end == std::string_view::npos) return;
        text.remove_prefix(end + 1);
    }
}

[[nodiscard]] inline bool has_part(std::string_view list, std::string_view part) {
    bool found = false;
    for_each_part(list, ',', [&](std::string_view p) { found |= p == part; });
    return found;
}

/// Spaces and the like are written \040 in mountinfo.
[[nodiscard]] inline std::string unescaped(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto const octal = [&](std::size_t k) { return i + k < text.size() && text[i + k] >= '0' && text[i + k] <= '7'; };
        if (text[i] == '\\' && octal(1) && octal(2) && octal(3)) {
            result += static_cast<char>(((text[i + 1] - '0') * 8 + (text[i + 2] - '0')) * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            result += text[i];
        }
    }
    return result;
}

struct cgroup_mount {
    std::string root = "/";  // what of the hierarchy is seen here
    std::string point;
};

/// A hierarchy that can limit CPU time: that of version 2, or of version 1 with its controller.
template <class Files>
[[nodiscard]] std::vector<cgroup_mount> cgroup_mounts(Files const& files, bool unified) {
    std::vector<cgroup_mount> result;
    if (auto const info = files.read("/proc/self/mountinfo")) {
        for_each_part(*info, '\n', [&](std::string_view line) {
            std::vector<std::string_view> words;
            for_each_part(line, ' ', [&](std::string_view w) { words.push_back(w); });
            auto const dash = std::find(words.begin(), words.end(), std::string_view("-"));
            if (words.size() < 6 || words.end() - dash < 4) return;
            if (unified ? dash[1] == "cgroup2" : dash[1] == "cgroup" && has_part(dash[3], "cpu"))
                result.push_back({unescaped(words[3]), unescaped(words[4])});
        });
    }
    if (!result.empty()) return result;
    if (unified) return {{"/", "/sys/fs/cgroup"}, {"/", "/sys/fs/cgroup/unified"}};
    return {{"/", "/sys/fs/cgroup/cpu,cpuacct"}, {"/", "/sys/fs/cgroup/cpu"}};
}

template <class Files>
[[nodiscard]] std::optional<double> limit_at(Files const& files, std::string const& dir, bool unified) {
    std::optional<std::uint64_t> quota, period;
    if (unified) {
        auto const text = files.read(dir + "/cpu.max");
        if (!text) return std::nullopt;
        std::string_view rest = *text;
        quota = take_number(rest);  // nothing where it says max
        period = take_number(rest);
        if (!period) period = 100'000;
    } else {
        quota = read_number(files, dir + "/cpu.cfs_quota_us");  // -1 is no number
        period = read_number(files, dir + "/cpu.cfs_period_us");
    }
    if (!quota || !period || *quota == 0 || *period == 0) return std::nullopt;
    return static_cast<double>(*quota) / static_cast<double>(*period);
}

template <class Files>
[[nodiscard]] std::optional<double> read_quota(Files const& files) {
    std::optional<double> least;
    auto const            groups = files.read("/proc/self/cgroup");
    if (!groups) return least;
    for_each_part(*groups, '\n', [&](std::string_view line) {  // 4:cpu,cpuacct:/path or 0::/path
        auto const first = line.find(':');
        auto const second = first == std::string_view::npos ? first : line.find(':', first + 1);
        if (second == std::string_view::npos) return;
        auto const controllers = line.substr(first + 1, second - first - 1);
        auto const path = line.substr(second + 1);
        bool const unified = controllers.empty();
        if (!unified && !has_part(controllers, "cpu")) return;
        for (auto const& mount : cgroup_mounts(files, unified)) {
            std::string below(path);
            if (mount.root != "/") {
                // A group that is not below what is mounted here is shown as the top of it.
                bool const inside = path.starts_with(mount.root) && (path.size() == mount.root.size() || path[mount.root.size()] == '/');
                below = inside ? std::string(path.substr(mount.root.size())) : std::string();
            }
            while (!below.empty() && below.back() == '/') below.pop_back();
            if (below.starts_with("/..")) below.clear();  // above what this process may see
            for (;;) {
                if (auto const limit = limit_at(files, mount.point + below, unified); limit && (!least || *limit < *least)) least = limit;
                if (below.empty()) break;
                auto const slash = below.rfind('/');
                below.erase(slash == std::string::npos ? 0 : slash);
            }
        }
    });
    return least;
}

}  // namespace sluice::detail
