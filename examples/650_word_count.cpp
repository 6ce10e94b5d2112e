// SPDX-License-Identifier: BSL-1.0
// 650 — count the words of every header on this machine: map, combine, merge, on real files
// Build:  c++ -std=c++20 -O2 -Iinclude examples/650_word_count.cpp -pthread
// Run:    650_word_count [paths] [--workers 1,2,4] [--repeat 3] [--limit 50M] [--block 1M] [--json word_count.json]
//
// Reads files, or everything under directories (default: the system's include directory), and counts lines and words
// as `wc` does, and distinct identifiers as a C compiler would see them if comments were code. The same work is done by
// a plain loop and by pools of 1, 2, … up to twice as many workers as there are cores; every answer is checked against
// the first one. Prints a table, then what the runs say about more workers (the laws of Amdahl and Gunther, with an interval
// for the best number), and writes all as JSON (default: word_count.json in the current directory).
//
//   map      a file is cut into pieces of at most one block (1 MiB). A piece counts what begins inside it: it looks at
//            one byte before, to know whether something began earlier, and reads on after its end to finish an
//            identifier. So pieces need no order and no hand-over, and a large file is shared by all workers
//   combine  every worker adds its pieces to a tally of its own: no lock, no sharing
//   merge    identifiers are kept in 16 sets by their hash, so the workers' sets are merged in parallel, too
//
// Memory: one block for each worker, the distinct identifiers, and the list of paths. No file is ever held as a whole.
// What cannot be counted (no permission, binary, broken link, a directory that leads back to itself, …) is reported
// and counted, never fatal. The exit code is 1 if an answer differs from the first one, 2 for a wrong command line.
//
// Output varies: it shows what is on this machine and how long it took
// Test arguments: ${SLUICE_SOURCE_DIR}/include --repeat 1 --block 4K
#include <sluice/executor/metrics.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <sluice/scaling/amdahl_fit.hpp>
#include <sluice/scaling/usl_fit.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace fs = std::filesystem;

// --- the input ------------------------------------------------------------------------------------------------------

enum problem { unreadable, binary, empty_file, empty_directory, broken_link, seen_before, special, over_limit };
constexpr std::array problem_names{"unreadable",   "binary",                  "empty files", "empty directories",
                                   "broken links", "directories seen before", "not regular", "over the limit"};
constexpr std::size_t problems = problem_names.size();

struct file {
    std::string   path;
    std::uint64_t size;
    std::uint64_t first_piece = 0;
};

struct corpus {
    std::vector<file>                   files;
    std::uint64_t                       bytes = 0, pieces = 0;
    std::size_t                         block = 0;
    std::array<std::uint64_t, problems> skipped{};

    void skip(problem what, std::string const& path, char const* why = "") {
        if (what == unreadable && ++skipped[what] <= 5) std::fprintf(stderr, "unreadable: %s %s\n", path.c_str(), why);
        else if (what == unreadable && skipped[what] == 6) std::fprintf(stderr, "unreadable: and more\n");
        else if (what != unreadable) ++skipped[what];
    }

    /// Numbers the pieces of all files: 0 … pieces-1.
    void cut(std::size_t block_size) {
        block  = block_size;
        pieces = 0;
        bytes  = 0;
        for (auto& f : files) {
            f.first_piece = pieces;
            pieces += (f.size + block - 1) / block;
            bytes += f.size;
        }
    }
};

class directory_walk {
public:
    directory_walk(corpus& found, std::uint64_t limit) : found_(found), left_(limit) {}

    /// A file, or a directory with everything below it. A directory is entered once, whichever links lead to it.
    void add(fs::path const& root) {
        std::vector<fs::path> open{root};
        while (!open.empty()) {
            fs::path const path = std::move(open.back());
            open.pop_back();
            visit(path, open);
        }
    }

private:
    void visit(fs::path const& path, std::vector<fs::path>& open) {
        std::error_code       error;
        fs::file_status const status = fs::status(path, error);  // follows links
        std::string const     name   = path.string();
        if (status.type() == fs::file_type::not_found || status.type() == fs::file_type::none) {
            std::error_code ignored;
            if (fs::is_symlink(fs::symlink_status(path, ignored))) return found_.skip(broken_link, name);
            return found_.skip(unreadable, name, error ? error.message().c_str() : "does not exist");
        }
        if (status.type() == fs::file_type::directory) return enter(path, open);
        if (status.type() != fs::file_type::regular) return found_.skip(special, name);
        std::uint64_t const size = fs::file_size(path, error);
        if (error) return found_.skip(unreadable, name, error.message().c_str());
        if (size == 0) return found_.skip(empty_file, name);
        if (size > left_) return found_.skip(over_limit, name);
        left_ -= size;
        found_.files.push_back({name, size});
    }

    void enter(fs::path const& path, std::vector<fs::path>& open) {
        std::error_code error;
        std::string const real = fs::canonical(path, error).string();
        if (!error && !entered_.insert(real).second) return found_.skip(seen_before, path.string());
        std::vector<fs::path> inside;
        for (fs::directory_iterator i(path, error), end; !error && i != end; i.increment(error))
            inside.push_back(i->path());
        if (error) found_.skip(unreadable, path.string(), error.message().c_str());
        else if (inside.empty()) found_.skip(empty_directory, path.string());
        std::sort(inside.rbegin(), inside.rend());  // taken from the back: the same order on every machine
        open.insert(open.end(), inside.begin(), inside.end());
    }

    corpus&               found_;
    std::uint64_t         left_;
    std::set<std::string> entered_;
};

// --- map ------------------------------------------------------------------------------------------------------------

/// Distinct identifiers: an open-addressing table over one piece of text storage.
class identifier_set {
public:
    void insert(std::string_view text, std::uint64_t hash) {
        if ((count_ + 1) * 4 > slots_.size() * 3) grow();
        for (auto i = static_cast<std::size_t>(hash);; ++i) {
            slot& s = slots_[i & (slots_.size() - 1)];
            if (s.length == 0) {
                s = {hash, text_.size(), static_cast<std::uint32_t>(text.size())};
                text_.append(text);
                ++count_;
                return;
            }
            if (s.hash == hash && view(s) == text) return;
        }
    }
    void insert_all(identifier_set const& other) {
        for (slot const& s : other.slots_)
            if (s.length != 0) insert(other.view(s), s.hash);
    }
    [[nodiscard]] std::size_t size() const { return count_; }

private:
    struct slot {
        std::uint64_t hash   = 0;
        std::size_t   offset = 0;
        std::uint32_t length = 0;  // 0: free
    };
    [[nodiscard]] std::string_view view(slot const& s) const { return {text_.data() + s.offset, s.length}; }

    void grow() {
        std::vector<slot> old(std::max<std::size_t>(64, slots_.size() * 2));
        old.swap(slots_);
        for (slot const& s : old) {
            if (s.length == 0) continue;
            auto i = static_cast<std::size_t>(s.hash);
            while (slots_[i & (slots_.size() - 1)].length != 0) ++i;
            slots_[i & (slots_.size() - 1)] = s;
        }
    }

    std::vector<slot> slots_;  // a power of two
    std::string       text_;
    std::size_t       count_ = 0;
};

constexpr std::size_t shards            = 16;
constexpr std::size_t longest           = 4096;  // of a longer identifier only so many characters are compared
constexpr std::size_t looked_for_binary = 8192;  // a NUL among the first bytes of a file: binary

/// What one worker has counted so far, and the block it reads into.
struct alignas(64) tally {
    std::uint64_t                          lines = 0, words = 0, failed = 0;
    std::array<identifier_set, shards>     identifiers;
    std::vector<char>                      buffer;
};

enum character : std::uint8_t { other = 0, space = 1, name = 2, digit = 4 };
constexpr auto classes = [] {
    std::array<std::uint8_t, 256> t{};
    for (char const c : std::string_view(" \t\n\v\f\r")) t[static_cast<unsigned char>(c)] = space;
    for (unsigned c = '0'; c <= '9'; ++c) t[c] = name | digit;
    for (unsigned c = 'a'; c <= 'z'; ++c) t[c] = name;
    for (unsigned c = 'A'; c <= 'Z'; ++c) t[c] = name;
    t['_'] = name;
    return t;
}();

std::uint8_t class_of(char c) { return classes[static_cast<unsigned char>(c)]; }

/// Counts what begins in [text, end); an identifier may go on until `last`. `before` is the byte in front of text.
void count(char const* text, char const* end, char const* last, char before, tally& t) {
    bool after_space = class_of(before) == space;
    if ((class_of(before) & name) != 0)
        while (text < end && (class_of(*text) & name) != 0) ++text;
    while (text < end) {
        std::uint8_t const kind = class_of(*text);
        if ((kind & name) == 0) {
            t.lines += *text++ == '\n';
            t.words += after_space && kind != space;
            after_space = kind == space;
            continue;
        }
        t.words += after_space;
        after_space             = false;
        char const* const start = text;
        std::uint64_t     hash  = 0;
        for (char const* const stop = start + std::min<std::ptrdiff_t>(last - start, longest);
             text < stop && (class_of(*text) & name) != 0; ++text)
            hash = (hash ^ static_cast<unsigned char>(*text)) * 0x9E3779B97F4A7C15u;
        if ((kind & digit) == 0) {
            hash ^= hash >> 32;
            std::string_view const identifier(start, static_cast<std::size_t>(text - start));
            t.identifiers[static_cast<std::size_t>(hash >> 28) % shards].insert(identifier, hash);
        }
        while (text < end && (class_of(*text) & name) != 0) ++text;  // the rest of a very long one
    }
}

enum class outcome { counted, failed, binary };

/// Counts piece number `at` of a file.
outcome count_piece(corpus const& all, file const& f, std::uint64_t at, tally& t) {
    std::uint64_t const begin = at * all.block;
    std::size_t const   own   = f.size - begin < all.block ? static_cast<std::size_t>(f.size - begin) : all.block;
    std::size_t const   back  = begin == 0 ? 0 : 1;  // the byte before
    t.buffer.resize(1 + all.block + longest);
    char* const   text = t.buffer.data() + 1;
    std::ifstream in;
    in.rdbuf()->pubsetbuf(nullptr, 0);  // straight into our block
    in.open(f.path, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(begin - back));
    in.read(text - back, static_cast<std::streamsize>(back + own + longest));
    auto const got = in.gcount() - static_cast<std::streamsize>(back);
    if (in.bad() || got < static_cast<std::streamsize>(own)) return outcome::failed;
    if (begin == 0 && std::memchr(text, 0, std::min(own, looked_for_binary)) != nullptr) return outcome::binary;
    count(text, text + own, text + got, begin == 0 ? '\n' : text[-1], t);
    return outcome::counted;
}

/// The map step for one number out of all the pieces.
void count_piece(corpus const& all, std::uint64_t piece, tally& t) {
    auto const f = std::prev(std::upper_bound(all.files.begin(), all.files.end(), piece,
                                              [](std::uint64_t p, file const& x) { return p < x.first_piece; }));
    t.failed += count_piece(all, *f, piece - f->first_piece, t) != outcome::counted;
}

// --- combine and merge ----------------------------------------------------------------------------------------------

struct answer {
    std::uint64_t lines = 0, words = 0, identifiers = 0, failed = 0;
    bool          operator==(answer const&) const = default;
};

/// Adds up the tallies; for_each(n, f) calls f(0) … f(n-1), in parallel or not.
template <class ForEach>
answer merge(std::vector<tally>& tallies, ForEach for_each) {
    answer total;
    for (auto const& t : tallies) {
        total.lines += t.lines;
        total.words += t.words;
        total.failed += t.failed;
    }
    std::array<std::uint64_t, shards> distinct{};
    for_each(shards, [&](std::size_t s) {
        identifier_set& all = tallies[0].identifiers[s];
        for (std::size_t i = 1; i < tallies.size(); ++i) all.insert_all(tallies[i].identifiers[s]);
        distinct[s] = all.size();
    });
    for (auto const n : distinct) total.identifiers += n;
    return total;
}

answer merge_serially(std::vector<tally>& tallies) {
    return merge(tallies, [](std::size_t n, auto f) {
        for (std::size_t i = 0; i < n; ++i) f(i);
    });
}

answer count_serially(corpus const& all) {
    std::vector<tally> tallies(1);
    for (std::uint64_t piece = 0; piece < all.pieces; ++piece) count_piece(all, piece, tallies[0]);
    return merge_serially(tallies);
}

/// On the pool's workers alone: a loop's caller takes part in it, so the caller is one of them, too.
answer count_in_parallel(corpus const& all, sluice::thread_pool& pool) {
    auto const job = [&] {
        std::vector<tally> tallies(pool.size());
        auto const         for_each = [&pool](auto n, auto const& f) {
            sluice::parallel_for(pool, decltype(n){}, n, f);
        };
        for_each(all.pieces, [&](std::uint64_t piece) { count_piece(all, piece, tallies[pool.this_worker_index()]); });
        return merge(tallies, for_each);
    };
    return pool.submit(job).get();
}

/// The first look at everything: in blocks of another size, so that what straddles two blocks is checked later. It
/// leaves the files in the page cache and drops those that cannot be counted.
answer first_look(corpus& all) {
    all.cut(65'521);
    std::vector<tally> tallies(1);
    std::vector<file>  good;
    bool               counted_in_part = false;
    for (file& f : all.files) {
        outcome       o     = outcome::counted;
        std::uint64_t piece = 0;
        for (; o == outcome::counted && piece * all.block < f.size; ++piece) o = count_piece(all, f, piece, tallies[0]);
        if (o == outcome::counted) good.push_back(std::move(f));
        else if (o == outcome::binary) all.skip(binary, f.path);
        else all.skip(unreadable, f.path, "cannot be read");
        counted_in_part |= o != outcome::counted && piece > 1;
    }
    all.files = std::move(good);
    all.cut(all.block);
    return counted_in_part ? count_serially(all) : merge_serially(tallies);
}

// --- the command line -----------------------------------------------------------------------------------------------

struct options {
    std::vector<std::string> paths;
    std::vector<std::size_t> workers;
    std::uint64_t            repeat = 3, limit = ~std::uint64_t{0};
    std::size_t              block = 1 << 20;
    std::string              json = "word_count.json";
};

constexpr char usage[] =
    "usage: 650_word_count [paths] [options]\n"
    "  paths           files or directories (default: the system's include directory)\n"
    "  --workers LIST  such as 1,2,4 (default: 1, 2, ... up to twice the cores)\n"
    "  --repeat N      runs for each number of workers; the median counts (default: 3)\n"
    "  --limit BYTES   leave out files beyond so much input; K, M, G are understood\n"
    "  --block BYTES   size of a piece (default: 1M)\n"
    "  --json FILE     where the table goes (default: word_count.json)\n";

/// A positive number, with K, M or G.
bool parse(std::string_view text, std::uint64_t& number) {
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    std::string_view const unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    unsigned const         shift = unit == "K" ? 10 : unit == "M" ? 20 : unit == "G" ? 30 : 0;
    if (error != std::errc{} || number == 0 || (shift == 0 && !unit.empty()) || number > (~std::uint64_t{0} >> shift))
        return false;
    number <<= shift;
    return true;
}

bool parse(int argc, char** argv, options& o) {
    for (int i = 1; i < argc; ++i) {
        std::string_view const option = argv[i];
        if (!option.starts_with("--")) {
            o.paths.emplace_back(option);
            continue;
        }
        if (++i == argc) return false;
        std::string_view text = argv[i];
        bool             good = true;
        if (option == "--json") o.json = text;
        else if (option == "--repeat") good = parse(text, o.repeat) && o.repeat <= 1000;
        else if (option == "--limit") good = parse(text, o.limit);
        else if (option == "--block") {
            std::uint64_t n = 0;
            good            = parse(text, n) && n <= (1u << 30);
            o.block         = static_cast<std::size_t>(n);
        } else if (option == "--workers") {
            for (std::uint64_t n = 0; good && !text.empty();) {
                std::size_t const comma = std::min(text.find(','), text.size());
                good                    = parse(text.substr(0, comma), n) && n <= 1000;
                o.workers.push_back(static_cast<std::size_t>(n));
                text.remove_prefix(std::min(comma + 1, text.size()));
            }
        } else good = false;
        if (!good) return false;
    }
    return true;
}

// --- the table ------------------------------------------------------------------------------------------------------

struct run {
    std::size_t          workers;  // 0: the plain loop
    double               seconds = 0;
    sluice::pool_metrics metrics;
};

std::string text_of(answer const& a) {
    return std::to_string(a.lines) + " lines, " + std::to_string(a.words) + " words, " +
           std::to_string(a.identifiers) + " distinct identifiers";
}

std::string text_of(sluice::measure m) {
    char text[32];
    std::snprintf(text, sizeof text, "%6.2f %-4s", m.value, sluice::to_string(m.grade));
    return text;
}

std::string json_text(std::string_view s) {
    std::string q = "\"";
    for (char const c : s) {
        char text[8];
        std::snprintf(text, sizeof text, static_cast<unsigned char>(c) < 32 ? "\\u%04x" : "%c", c);
        (q += c == '"' || c == '\\' ? "\\" : "") += text;
    }
    return q + '"';
}

std::string json_measure(char const* name, sluice::measure m) {
    char text[128];
    std::snprintf(text, sizeof text, ", \"%s\": {\"value\": %.4f, \"verdict\": \"%s\"}", name, m.value,
                  sluice::to_string(m.grade));
    return text;
}

// --- the law behind it ----------------------------------------------------------------------------------------------

std::string json_number(double x) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", x);
    return std::isfinite(x) ? text : "null";
}

/// Says what the runs tell about more workers, and what they do not; returns it as JSON. A run is a point: its number of
/// workers and its megabytes a second. Workers that share a core follow another law, so they are left out where the rest
/// is enough.
std::string fit(std::vector<sluice::usl_point> points, double cores) {
    double largest = 0;
    for (auto const& p : points) largest = std::max(largest, p.n);
    auto const kinds = [&](double limit) {
        std::set<double> n;
        for (auto const& p : points)
            if (p.n <= limit) n.insert(p.n);
        return n.size();
    };
    double const up_to = kinds(cores) >= 4 ? std::min(cores, largest) : largest;
    if (kinds(up_to) < 3) {
        std::puts("your workload: no fit, that takes three different numbers of workers (--workers 1,2,3,4)");
        return "null";
    }
    std::erase_if(points, [&](auto const& p) { return p.n > up_to; });
    auto const law      = sluice::fit_usl(points);
    auto const amdahl   = sluice::fit_amdahl(points);
    auto const peak     = law.peak();
    auto const interval = sluice::usl_peak_interval(points);
    char       range[64] = "no interval: too few runs";
    if (interval && std::isfinite(interval->upper))
        std::snprintf(range, sizeof range, "95 %%: %.3g to %.3g", interval->lower, interval->upper);
    else if (interval && interval->lower > 1 && std::isfinite(interval->lower))
        std::snprintf(range, sizeof range, "95 %%: not before %.3g", interval->lower);
    else if (interval) std::snprintf(range, sizeof range, "95 %%: %s", std::isfinite(interval->lower) ? "the runs do not tell" : "nowhere");
    std::printf("your workload: serial fraction %.3g, contention %.3g, coherency %.3g,\n", amdahl.serial_fraction,
                law.model.contention(), law.model.coherency());
    if (peak) std::printf("  best at %ju worker%s (%s), beyond that it gets slower\n", std::uintmax_t{peak->whole_workers},
                          peak->whole_workers == 1 ? "" : "s", range);
    else std::printf("  no number of workers found beyond which it gets slower (%s)\n", range);
    if (law.warnings.peak_extrapolated) std::puts("  that is more than twice what was measured: a guess");
    else if (peak && peak->workers > up_to) std::printf("  that is beyond the %.0f workers that were measured\n", up_to);
    if (law.warnings.few_points) std::puts("  fewer than six runs: a hint, not more (--repeat 5)");
    if (up_to > cores)
        std::printf("  from %.0f workers on %.0f cores: those that share a core look like contention\n", up_to, cores);
    return "{\"up_to_workers\": " + json_number(up_to) + ", \"runs\": " + std::to_string(points.size()) +
           ", \"serial_fraction\": " + json_number(amdahl.serial_fraction) +
           ", \"contention\": " + json_number(law.model.contention()) +
           ", \"coherency\": " + json_number(law.model.coherency()) + ", \"peak\": " +
           (peak ? json_number(peak->workers) : "null") + ", \"peak_interval\": " +
           (interval ? "[" + json_number(interval->lower) + ", " + json_number(interval->upper) + "]" : "null") + "}";
}

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--help") return std::fputs(usage, stdout), 0;
    options o;
    if (!parse(argc, argv, o)) return std::fputs(usage, stderr), 2;
    std::size_t const cores = std::max(1u, std::thread::hardware_concurrency());
    if (o.workers.empty())
        for (std::size_t n = 1; n <= 2 * cores; ++n)
            if (n <= 4 || (n & (n - 1)) == 0 || n == cores || n == 2 * cores) o.workers.push_back(n);
    if (o.paths.empty())
        for (char const* const path : {"/usr/include", "/usr/local/include", "/opt/homebrew/include"})
            if (std::error_code ignored; o.paths.empty() && fs::is_directory(path, ignored)) o.paths.emplace_back(path);

    corpus         all;
    directory_walk walk(all, o.limit);
    for (auto const& path : o.paths) walk.add(path);
    answer const expected = first_look(all);
    all.cut(o.block);

    for (auto const& path : o.paths) std::printf("input    %s\n", path.c_str());
    std::printf("         %zu files, %.1f MB, in %ju pieces of at most %ju bytes\n", all.files.size(),
                static_cast<double>(all.bytes) / 1e6, std::uintmax_t{all.pieces}, std::uintmax_t{all.block});
    std::printf("skipped ");
    for (std::size_t p = 0; p < problems; ++p)
        std::printf("%s %ju %s", p == 0 ? "" : ",", std::uintmax_t{all.skipped[p]}, problem_names[p]);
    std::printf("\nanswer   %s\n\n", text_of(expected).c_str());
    std::fflush(stdout);

    // The plain loop and every pool take turns, so that a disturbance hits all of them alike.
    std::vector<std::vector<run>> runs(o.workers.size() + 1);
    bool                          all_equal = true;
    for (std::uint64_t round = 0; round < o.repeat; ++round)
        for (std::size_t i = 0; i < runs.size(); ++i) {
            run        r{i == 0 ? 0 : o.workers[i - 1], 0, {}};
            answer     found;
            auto const start = std::chrono::steady_clock::now();
            if (i == 0) {
                found     = count_serially(all);
                r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
            } else {
                sluice::thread_pool pool({.workers = r.workers, .metrics = true});
                found     = count_in_parallel(all, pool);
                r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
                r.metrics = pool.metrics();
            }
            if (found != expected) {
                std::fprintf(stderr, "with %zu workers: %s, %ju pieces not read\n", r.workers, text_of(found).c_str(),
                             std::uintmax_t{found.failed});
                all_equal = false;
            }
            runs[i].push_back(std::move(r));
        }

    std::string                    json;
    std::vector<sluice::usl_point> points;
    std::printf("%8s%11s%10s%12s%18s%15s%17s%9s\n", "workers", "time", "speed-up", "efficiency", "utilisation var.",
                "coordination", "queue max/mean", "steals");
    double serial = 0;
    for (auto& same : runs) {  // the run in the middle speaks for all, with its own metrics
        std::nth_element(same.begin(), same.begin() + static_cast<std::ptrdiff_t>(same.size() / 2), same.end(),
                         [](run const& a, run const& b) { return a.seconds < b.seconds; });
        run const& r = same[same.size() / 2];
        if (r.workers == 0) {
            serial = r.seconds;
            std::printf("%8s%9.1f ms%10.2f\n", "serial", serial * 1e3, 1.0);
            continue;
        }
        double const speedup    = serial / r.seconds;
        double const efficiency = speedup / static_cast<double>(std::min(r.workers, cores));
        auto const   variation  = r.metrics.utilisation_variation();
        auto const   overhead   = r.metrics.coordination_overhead();
        auto const   depth      = r.metrics.queue_depth_ratio();
        std::printf("%8zu%9.1f ms%10.2f%12.2f%18s%15s%17s%9ju\n", r.workers, r.seconds * 1e3, speedup, efficiency,
                    text_of(variation).c_str(), text_of(overhead).c_str(), text_of(depth).c_str(),
                    std::uintmax_t{r.metrics.steals()});
        std::string all_seconds;
        for (run const& one : same) {
            points.push_back({static_cast<double>(one.workers), static_cast<double>(all.bytes) / 1e6 / one.seconds});
            all_seconds += (all_seconds.empty() ? "" : ", ") + json_number(one.seconds);
        }
        char text[192];
        std::snprintf(text, sizeof text,
                      "\"workers\": %zu, \"seconds\": %.6f, \"speedup\": %.3f, \"efficiency\": %.3f",
                      r.workers, r.seconds, speedup, efficiency);
        json += (json.empty() ? "\n    {" : ",\n    {") + std::string(text) +
                json_measure("utilisation_variation", variation) + json_measure("coordination_overhead", overhead) +
                json_measure("queue_depth_ratio", depth) +
                json_measure("speedup_ratio", r.metrics.speedup_ratio()) + ", \"steals\": " + std::to_string(r.metrics.steals()) +
                ", \"all_seconds\": [" + all_seconds + "]}";
    }
    std::printf("\nefficiency: speed-up for each worker or core, whichever are fewer (%zu cores)\n", cores);
    std::puts(all_equal ? "every run gave the same answer" : "THE ANSWERS DIFFER; has a file changed meanwhile?");
    std::string const fitted = all.bytes > 0 ? fit(points, static_cast<double>(cores)) : "null";

    std::ofstream out(o.json);
    out << "{\n  \"paths\": [";
    for (std::size_t i = 0; i < o.paths.size(); ++i) out << (i == 0 ? "" : ", ") << json_text(o.paths[i]);
    out << "],\n  \"files\": " << all.files.size() << ", \"bytes\": " << all.bytes << ", \"pieces\": " << all.pieces
        << ", \"block\": " << all.block << ",\n  \"skipped\": {";
    for (std::size_t p = 0; p < problems; ++p)
        out << (p == 0 ? "" : ", ") << json_text(problem_names[p]) << ": " << all.skipped[p];
    out << "},\n  \"lines\": " << expected.lines << ", \"words\": " << expected.words
        << ", \"identifiers\": " << expected.identifiers << ", \"answers_agree\": " << (all_equal ? "true" : "false")
        << ",\n  \"cores\": " << cores << ", \"repeat\": " << o.repeat << ", \"serial_seconds\": " << serial
        << ",\n  \"runs\": [" << json << "\n  ],\n  \"fit\": " << fitted << "\n}\n";
    if (out.flush()) std::printf("JSON: %s\n", o.json.c_str());
    else std::fprintf(stderr, "cannot write %s\n", o.json.c_str());
    return all_equal ? 0 : 1;
}
