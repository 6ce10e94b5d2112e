// SPDX-License-Identifier: BSL-1.0
// 220 — a celebrity: half of all requests ask for one key. No server gets more than 1.25 times its share.
// Build:  c++ -std=c++20 -Iinclude examples/220_bounded_load.cpp -pthread
#include <sluice/routing/bounded_load.hpp>
#include <sluice/routing/ring_hash.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

using ring_type = sluice::ring_hash<>;
using server_load = sluice::bounded_load<ring_type>;

int main() {
    ring_type ring;
    for (int n = 0; n < 10; ++n) ring.add("server-" + std::to_string(n));
    auto const key = [](int request) { return request % 2 == 0 ? "celebrity" : "user:" + std::to_string(request); };

    std::vector<int> plain(ring.index_bound());
    for (int r = 0; r < 1000; ++r) ++plain[*ring.locate(key(r))];
    std::printf("ring alone:    busiest %d of 1000 requests\n", *std::max_element(plain.begin(), plain.end()));

    server_load                     bounded(ring, {.load_factor = 1.25});
    std::vector<server_load::token> in_flight;
    std::vector<bool>               asked(ring.index_bound());
    int                             at_home = 0;
    for (int r = 0; r < 1000; ++r) {
        in_flight.push_back(bounded.acquire(key(r)));
        auto const i = in_flight.back().index();
        at_home += i == *ring.locate(key(r));
        if (r % 2 == 0) asked[i] = true;
    }
    std::uint64_t busiest = 0;
    for (sluice::node_index i = 0; i < ring.index_bound(); ++i) busiest = std::max(busiest, bounded.load(i));
    std::printf("with a bound:  busiest %d, cap %d\n", static_cast<int>(busiest), static_cast<int>(bounded.cap(0)));
    std::printf("  %d requests stay with the key's own server, the celebrity is on %d servers\n", at_home,
                static_cast<int>(std::count(asked.begin(), asked.end(), true)));

    in_flight.clear();  // tokens give their place back
    std::printf("afterwards:    %d in flight\n", static_cast<int>(bounded.total()));
}
// Expected output:
//   ring alone:    busiest 558 of 1000 requests
//   with a bound:  busiest 125, cap 126
//     464 requests stay with the key's own server, the celebrity is on 6 servers
//   afterwards:    0 in flight
