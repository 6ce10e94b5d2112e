// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/routing_table.hpp>

#include "readers.hpp"

namespace {

using bench::placement::ring;

class subject {
public:
    explicit subject(ring r) : table_(std::move(r)) {}
    struct session_type {
        sluice::routing_table_reader<ring> reader;
        std::uint32_t locate(std::uint64_t key) noexcept { return *reader.locate(sluice::hashed_key(key)); }
    };
    session_type session() { return {table_.reader()}; }

private:
    sluice::routing_table<ring> table_;
};

}  // namespace

void bench::register_all() { placement::register_readers<subject>("routing_table"); }
