// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/data_loader.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using sluice::data_loader;
using keys_span = std::span<int const>;

namespace {

using loader = data_loader<int, std::string>;
using calls_list = std::vector<std::vector<int>>;

auto to_text(calls_list& calls) {
    return [&calls](keys_span keys) {
        calls.emplace_back(keys.begin(), keys.end());
        std::vector<std::string> values;
        for (int const k : keys) values.push_back(std::to_string(k));
        return values;
    };
}

}  // namespace

TEST_CASE("data_loader: look-ups of one tick become one call, each key once and in order", "[flow][data_loader][unit]") {
    calls_list calls;
    loader     names({}, to_text(calls));
    std::vector<loader::look_up> all;
    for (int const k : {5, 3, 5, 9, 3, 5}) all.push_back(names.load(k));
    REQUIRE(calls.empty());
    REQUIRE(names.waiting() == 3);
    REQUIRE_FALSE(all[0].ready());
    REQUIRE(*all[3].get() == "9");  // somebody needs one: all are asked for
    REQUIRE(calls == calls_list{{5, 3, 9}});
    for (auto const& l : all) REQUIRE(l.ready());
    REQUIRE(*all[0].get() == "5");
    REQUIRE(all[0].get() == all[2].get());
    REQUIRE(*names.load(3).get() == "3");  // remembered
    REQUIRE(names.dispatch() == 0);
    REQUIRE(names.calls() == 1);
    REQUIRE(names.shared() == 4);
    REQUIRE_THROWS_AS(loader::look_up().get(), std::logic_error);
}

TEST_CASE("data_loader: 200 look-ups become 3 calls", "[flow][data_loader][unit]") {
    // A page: the list of 100 posts is one call, as it always was. Each post then wants its author and its likes, one by one.
    int  calls = 0, look_ups = 0;
    auto const list_of_posts = [&] {
        ++calls;
        std::vector<int> ids;
        for (int i = 0; i < 100; ++i) ids.push_back(i);
        return ids;
    };
    data_loader<int, int> authors({}, [&](keys_span ids) { return ++calls, std::vector<int>(ids.begin(), ids.end()); });
    data_loader<int, int> likes({}, [&](keys_span ids) { return ++calls, std::vector<int>(ids.size(), 7); });
    struct line {
        data_loader<int, int>::look_up author, likes;
    };
    std::vector<line> page;
    for (int const post : list_of_posts()) {
        page.push_back({authors.load(post % 20), likes.load(post)});
        look_ups += 2;
    }
    int sum = 0;
    for (auto const& l : page) sum += *l.author.get() + *l.likes.get();
    REQUIRE(look_ups == 200);
    REQUIRE(calls == 3);
    REQUIRE(sum == 5 * 190 + 700);
    REQUIRE(authors.shared() == 80);

    // And in one loader: 200 different keys, at most 80 in a call.
    calls_list parts;
    loader     names({.max_batch = 80}, to_text(parts));
    for (int i = 0; i < 200; ++i) static_cast<void>(names.load(i));
    REQUIRE(names.dispatch() == 3);
    REQUIRE(parts[0].size() == 80);
    REQUIRE(parts[1].front() == 80);
    REQUIRE(parts[2].size() == 40);
    for (int i = 0; i < 200; ++i) REQUIRE(*names.load(i).get() == std::to_string(i));
    REQUIRE(names.calls() == 3);
}

TEST_CASE("data_loader: what is missing is an answer, and is remembered", "[flow][data_loader][unit]") {
    int                   calls = 0;
    data_loader<int, int> even({}, [&](keys_span keys) {
        ++calls;
        std::vector<std::optional<int>> values;
        for (int const k : keys) values.push_back(k % 2 == 0 ? std::optional(k / 2) : std::nullopt);
        return values;
    });
    auto const a = even.load(8), b = even.load(9);
    REQUIRE(*a.get() == 4);
    REQUIRE(b.get() == nullptr);
    REQUIRE(even.load(9).get() == nullptr);
    REQUIRE(calls == 1);
    REQUIRE(even.clear(9));
    REQUIRE_FALSE(even.clear(9));
    REQUIRE(even.load(9).get() == nullptr);
    REQUIRE(calls == 2);
    data_loader<int, bool> flags({}, [](keys_span keys) { return std::vector<bool>(keys.size(), false); });
    REQUIRE(*flags.load(1).get() == false);
}

TEST_CASE("data_loader: each key may fail on its own and be loaded again", "[flow][data_loader][unit]") {
    bool                       down = true;
    data_loader<int, std::unique_ptr<int>> loader_of_pointers({}, [&](keys_span keys, auto& answers) {
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (keys[i] == 2 && down)
                answers.fail(i, std::make_exception_ptr(std::runtime_error("2 is down")));
            else if (keys[i] != 3)
                answers.set(i, std::make_unique<int>(keys[i]));
        }
    });
    auto const one = loader_of_pointers.load(1), two = loader_of_pointers.load(2), three = loader_of_pointers.load(3);
    REQUIRE(**one.get() == 1);
    REQUIRE_THROWS_WITH(two.get(), test::contains("2 is down"));
    REQUIRE(three.get() == nullptr);
    down = false;
    REQUIRE_THROWS_AS(two.get(), std::runtime_error);  // what it got stays
    REQUIRE(**loader_of_pointers.load(2).get() == 2);
    REQUIRE(loader_of_pointers.calls() == 2);
}

TEST_CASE("data_loader: a call that throws fails its own keys only", "[flow][data_loader][unit]") {
    int                   failures = 1;
    data_loader<int, int> l({.max_batch = 2}, [&](keys_span keys) {
        if (keys[0] == 3 && failures-- > 0) throw std::runtime_error("no connection");
        return std::vector<int>(keys.begin(), keys.end());
    });
    std::vector<data_loader<int, int>::look_up> all;
    for (int i = 1; i <= 6; ++i) all.push_back(l.load(i));
    REQUIRE(l.dispatch() == 3);
    for (std::size_t i = 0; i < 6; ++i) {
        if (i == 2 || i == 3)
            REQUIRE_THROWS_AS(all[i].get(), std::runtime_error);
        else
            REQUIRE(*all[i].get() == static_cast<int>(i) + 1);
    }
    REQUIRE(*l.load(4).get() == 4);
    REQUIRE(*l.load(3).get() == 3);
    REQUIRE(l.calls() == 5);

    data_loader<int, int> wrong({}, [](keys_span) { return std::vector<int>(1); });
    auto const            x = wrong.load(1), y = wrong.load(2);
    REQUIRE_THROWS_AS(x.get(), std::length_error);
    REQUIRE_THROWS_AS(y.get(), std::length_error);
}

TEST_CASE("data_loader: priming and clearing", "[flow][data_loader][unit]") {
    calls_list calls;
    loader     names({}, to_text(calls));
    REQUIRE(names.prime(1, "one"));
    REQUIRE_FALSE(names.prime(1, "uno"));
    REQUIRE(*names.load(1).get() == "one");
    auto const waits = names.load(2);
    REQUIRE_FALSE(names.prime(2, "two"));
    REQUIRE(*waits.get() == "2");
    names.clear();
    REQUIRE(*names.load(1).get() == "1");
    REQUIRE(*waits.get() == "2");
    REQUIRE(calls == calls_list{{2}, {1}});
    REQUIRE_THROWS_WITH(loader({.max_batch = 0}, to_text(calls)), test::contains("data_loader: max_batch"));
}

TEST_CASE("data_loader: a key that waits is asked for once, cleared or not", "[flow][data_loader][unit]") {
    calls_list calls;
    loader     names({}, to_text(calls));
    auto const a = names.load(1);
    REQUIRE_FALSE(names.clear(1));
    names.clear();
    auto const b = names.load(1);
    REQUIRE(*b.get() == "1");
    REQUIRE(a.get() == b.get());
    REQUIRE(calls == calls_list{{1}});
    REQUIRE(names.clear(1));
    // While it is being asked for it can be cleared: who comes next asks again.
    loader* self = nullptr;
    int     asked = 0;
    loader  by_itself({}, [&](keys_span keys) {
        if (++asked == 1) self->clear(1);
        return std::vector<std::string>(keys.size(), std::to_string(asked));
    });
    self = &by_itself;
    auto const old = by_itself.load(1);
    REQUIRE(*old.get() == "1");
    REQUIRE(*by_itself.load(1).get() == "2");
    REQUIRE(*old.get() == "1");
}

TEST_CASE("data_loader: values that can only be moved, and failures without an exception", "[flow][data_loader][unit]") {
    data_loader<int, std::unique_ptr<int>> l({}, [](keys_span keys) {
        std::vector<std::unique_ptr<int>> values;
        for (int const k : keys) values.push_back(std::make_unique<int>(k));
        return values;
    });
    REQUIRE(**l.load(3).get() == 3);
    data_loader<int, int> bad({}, [](keys_span, auto& answers) { answers.fail(0, nullptr); });
    auto const            x = bad.load(1);
    REQUIRE_THROWS_AS(x.get(), std::logic_error);
    REQUIRE_THROWS_AS(x.get(), std::logic_error);
}

TEST_CASE("data_loader: what the batch function loads itself belongs to the next tick", "[flow][data_loader][unit]") {
    data_loader<int, int>* self = nullptr;
    std::vector<std::size_t> sizes;
    std::optional<data_loader<int, int>::look_up> parent;
    data_loader<int, int>  tree({}, [&](keys_span keys) {
        sizes.push_back(keys.size());
        if (keys[0] == 1) {
            parent = self->load(100);
            REQUIRE_THROWS_AS(parent->get(), std::logic_error);         // it cannot be asked for from here
            REQUIRE_THROWS_AS(self->load(1).get(), std::logic_error);  // nor can what is being asked for
        }
        return std::vector<int>(keys.begin(), keys.end());
    });
    self = &tree;
    auto const a = tree.load(1), b = tree.load(2);
    REQUIRE(*a.get() == 1);
    REQUIRE(*b.get() == 2);
    REQUIRE(tree.waiting() == 1);
    REQUIRE(*parent->get() == 100);
    REQUIRE(sizes == std::vector<std::size_t>{2, 1});
}

TEST_CASE("data_loader: random operations agree with a simple model", "[flow][data_loader][property]") {
    int                 version = 0;
    calls_list          calls;
    data_loader<int, int> l({.max_batch = 4}, [&](keys_span keys) {
        calls.emplace_back(keys.begin(), keys.end());
        if (version % 5 == 4) throw 1;
        std::vector<int> values;
        for (int const k : keys) values.push_back(k * 1000 + version);
        return values;
    });
    std::map<int, int>  known;
    std::map<int, bool> failed;
    std::vector<int>    waiting;
    bool                right = true;
    for (auto const w : test::keys(5000, test::seed())) {
        auto const key = static_cast<int>((w >> 16) % 20);
        bool const waits = std::find(waiting.begin(), waiting.end(), key) != waiting.end();
        if (w % 8 < 6) {
            static_cast<void>(l.load(key));
            if (!waits && !known.contains(key)) waiting.push_back(key), failed.erase(key);
        } else if (w % 8 == 6) {
            ++version;
            calls.clear();
            right = right && l.dispatch() == (waiting.size() + 3) / 4;
            std::vector<int> asked;
            for (auto const& c : calls) {
                right = right && c.size() <= 4;
                asked.insert(asked.end(), c.begin(), c.end());
            }
            right = right && asked == waiting;
            for (int const k : waiting)
                if (version % 5 != 4)
                    known[k] = k * 1000 + version;
                else
                    failed[k] = true;
            waiting.clear();
        } else if (!waits) {
            right = right && l.clear(key) == (known.contains(key) || failed.contains(key));
            known.erase(key);
            failed.erase(key);
        }
        right = right && l.waiting() == waiting.size();
        if (known.contains(key)) right = right && *l.load(key).get() == known[key];
    }
    REQUIRE(right);
    REQUIRE(l.calls() > 100);
}
