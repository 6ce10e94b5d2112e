// SPDX-License-Identifier: BSL-1.0
#include "support/interleave_main.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

namespace test::sim {

namespace {

constexpr int relaxed = static_cast<int>(std::memory_order_relaxed), acquire = static_cast<int>(std::memory_order_acquire),
              release = static_cast<int>(std::memory_order_release), acq_rel = static_cast<int>(std::memory_order_acq_rel),
              seq_cst = static_cast<int>(std::memory_order_seq_cst);

/// The legal weaker orders of an access.
std::vector<int> weaker(op_kind kind, bool failure, int order) {
    if (kind == op_kind::load || failure) {
        if (order == seq_cst) return {acquire, relaxed};
        if (order == acquire) return {relaxed};
        return {};
    }
    if (kind == op_kind::store) {
        if (order == seq_cst) return {release, relaxed};
        if (order == release) return {relaxed};
        return {};
    }
    if (order == seq_cst) return {acq_rel, acquire, release, relaxed};
    if (order == acq_rel) return {acquire, release, relaxed};
    if (order == acquire || order == release) return {relaxed};
    return {};
}

bool ends_with(std::string const& text, std::string const& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string trimmed(std::string s) {
    auto const space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    while (!s.empty() && space(s.back())) s.pop_back();
    std::size_t b = 0;
    while (b < s.size() && space(s[b])) ++b;
    return s.substr(b);
}

/// The entries of one [section]: a line "key :", then indented lines with the explanation.
std::map<std::string, bool> read_list(char const* path, std::string const& section, bool& good) {
    std::map<std::string, bool> entries;
    std::ifstream in(path);
    good = static_cast<bool>(in);
    std::string line, now, key;
    auto const end_of_entry = [&](bool explained) {
        if (!key.empty() && !explained) {
            std::printf("%s: no explanation: %s\n", path, key.c_str());
            good = false;
        }
        key.clear();
    };
    while (std::getline(in, line)) {
        if (!line.empty() && line[0] == ' ') {
            if (trimmed(line).size() > 3) end_of_entry(true);
            continue;
        }
        end_of_entry(false);
        line = trimmed(line);
        if (line.empty() || line[0] == '#') continue;
        if (line[0] == '[') {
            now = line.substr(1, line.find(']') - 1);
        } else if (now == section) {
            key = trimmed(line.substr(0, line.rfind(':')));
            entries.emplace(key, false);
        }
    }
    end_of_entry(false);
    return entries;
}

}  // namespace

options suite::options_for(entry const& e, memory m) const {
    options o;
    o.model = m;
    o.stale = e.how.stale;
    o.spurious = e.how.spurious;
    o.preemptions = e.how.preemptions;
    o.random_runs = e.how.random_runs;
    o.max_steps = e.how.max_steps;
    return o;
}

int suite::run(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    bool must_fail = false;
    char const* list = nullptr;
    for (int i = 1; i < argc; ++i) {
        std::string const a = argv[i];
        if (a == "--must-fail")
            must_fail = true;
        else if (a == "--trace")
            trace_ = true;
        else if (a == "--mutate" && i + 1 < argc)
            list = argv[++i];
        else if (a == "--only" && i + 1 < argc)
            only_ = argv[++i];
        else {
            std::fprintf(stderr, "%s: what is %s?\n", argv[0], argv[i]);
            return 2;
        }
    }
    return list != nullptr ? mutate(list) : check(must_fail);
}

int suite::check(bool must_fail) const {
    static constexpr char const* models[] = {"sequential", "tso", "pso", "weak"};
    std::uint64_t total = 0;
    for (entry const& e : entries_) {
        if (only_ != nullptr && std::string(e.name).find(only_) == std::string::npos) continue;
        for (int m = 3; m >= 0; --m) {
            if (e.how.weak_only && m != 3) continue;
            auto const begin = std::chrono::steady_clock::now();
            result const r = e.explore(options_for(e, static_cast<memory>(m)));
            double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
            total += r.executions;
            std::printf("%-18s %-34s %-10s %9llu executions %9llu redundant %6.2f s%s\n", name_, e.name, models[m],
                        static_cast<unsigned long long>(r.executions), static_cast<unsigned long long>(r.redundant), seconds,
                        r.complete ? "" : "  NOT ALL");
            if (r.failed) {
                std::printf("%s: %s\n", e.name, r.what.c_str());
                std::puts(must_fail ? "caught, as it must be" : "FAILED");
                return must_fail ? 0 : 1;
            }
            if (!r.complete && !must_fail) {
                std::puts("FAILED: not every schedule was run");
                return 1;
            }
        }
    }
    std::printf("%s: %llu executions, no failure\n", name_, static_cast<unsigned long long>(total));
    if (must_fail) std::puts("FAILED: the planted bug was not caught");
    return must_fail || total == 0 ? 1 : 0;
}

int suite::mutate(char const* list) const {
    bool good = true;
    auto expected = read_list(list, name_, good);
    if (!good) {
        std::printf("%s cannot be read as a list of survivors\n", list);
        return 2;
    }

    std::vector<site> sites;
    for (entry const& e : entries_) {
        options o = options_for(e, memory::weak);
        o.sites = &sites;
        result const r = e.explore(o);
        if (r.failed) {
            std::printf("%s fails without a mutation:\n%s\n", e.name, r.what.c_str());
            return 2;
        }
    }

    int bad = 0;
    unsigned killed = 0, survived = 0;
    auto const survivor = [&](std::string const& key) {
        ++survived;
        auto const it = expected.find(key);
        if (it == expected.end()) {
            std::printf("SURVIVED, not explained:  %s\n", key.c_str());
            ++bad;
        } else {
            it->second = true;
            std::printf("survived, as explained:   %s\n", key.c_str());
        }
    };
    auto const ours = [&](std::string const& file) {
        for (char const* h : headers_)
            if (ends_with(file, h)) return true;
        return false;
    };

    std::map<std::string, int> seen;  // two accesses of one object by one function: numbered in the order of the file
    std::vector<site> sorted;
    for (site const& s : sites)
        if (ours(s.file)) sorted.push_back(s);
    for (std::size_t i = 1; i < sorted.size(); ++i)
        for (std::size_t j = i; j > 0; --j) {
            site &a = sorted[j - 1], &b = sorted[j];
            int const files = std::string(a.file).compare(b.file);
            if (files < 0 || (files == 0 && (a.line < b.line || (a.line == b.line && a.column < b.column)))) break;
            std::swap(a, b);
        }
    for (site const& s : sorted) {
        std::string name = site_name(s);
        if (int const n = ++seen[name]; n > 1) name += "#" + std::to_string(n);
        for (int failure = 0; failure < (s.kind == op_kind::cas ? 2 : 1); ++failure) {
            int const from = failure != 0 ? s.failure : s.order;
            for (int to : weaker(s.kind, failure != 0, from)) {
                std::string const key = name + (failure != 0 ? " failure " : " ") + order_name(from) + "->" + order_name(to);
                weakening const w{s, failure != 0, to};
                bool dead = false;
                for (std::size_t i = 0; i < entries_.size() && !dead; ++i) {
                    entry const& e = entries_[i];
                    if (!e.how.mutate) continue;
                    options o = options_for(e, memory::weak);
                    o.weaken = &w;
                    result const r = e.explore(o);
                    dead = r.failed;
                    if (dead) std::printf("killed by %-28s %s (execution %llu)\n", e.name, key.c_str(),
                                          static_cast<unsigned long long>(r.executions));
                    if (dead && trace_) std::puts(r.what.c_str());
                }
                if (dead)
                    ++killed;
                else
                    survivor(key);
            }
        }
    }

    // Every access in the headers must have been reached; what no client touches, no client can check.
    static constexpr char const* calls[] = {".load(", ".store(", ".exchange(", ".compare_exchange_weak(",
                                            ".compare_exchange_strong(", ".fetch_add(", ".fetch_sub(", ".fetch_or(",
                                            ".fetch_and("};
    unsigned unreached = 0;
    for (char const* h : headers_) {
        std::string path;
        for (site const& s : sorted)
            if (ends_with(s.file, h)) path = s.file;
        std::ifstream in(path);
        if (path.empty() || !in) {
            std::printf("NO SITE in %s was reached\n", h);
            ++bad;
            continue;
        }
        std::string line;
        for (std::uint32_t number = 1; std::getline(in, line); ++number) {
            std::string const code = trimmed(line.substr(0, line.find("//")));
            std::size_t here = 0, reached = 0;
            for (char const* c : calls)
                for (std::size_t p = code.find(c); p != std::string::npos; p = code.find(c, p + 1)) ++here;
            for (site const& s : sorted) reached += s.file == path && s.line == number;
            if (reached >= here) continue;
            ++unreached;
            survivor("unreached " + path.substr(path.find_last_of('/') + 1) + " " + code.substr(0, 80));
        }
    }
    for (auto const& [key, used] : expected)
        if (!used && key.find("edit ") != 0) {
            std::printf("STALE, no longer survives: %s\n", key.c_str());
            ++bad;
        }
    std::printf("%s: %u mutants of orders killed, %u survivors (of which %u not reached), %d unexpected\n", name_, killed,
                survived, unreached, bad);
    return bad == 0 && killed + survived > 0 ? 0 : 1;  // orders that all survive are explained in the list, each of them
}

}  // namespace test::sim
