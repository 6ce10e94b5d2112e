// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// service_instance, service_entry, service_directory — who offers which service, at one moment.
///
/// Use it for     what service_registry's readers look into; a balancer takes a list from here as it is
/// Not for        keeping it up to date (service_registry)
/// Thread-safety  values; one that is not changed may be read by any number of threads
/// Complexity     discover: O(log services). apply: a copy of the list of services, and of each service that changes
/// Errors         discover, find: noexcept. apply may throw std::bad_alloc
///
/// Instances of a service are in the order of their ids, so that the same members are the same list everywhere.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

/// What an instance says about itself.
struct service_instance {
    std::string   service;      ///< the name that others ask for; not empty
    std::string   id;           ///< one of the service's; not empty
    std::string   address{};    ///< where it is; the registry does not look into it
    std::string   zone{};
    std::uint32_t weight = 1;   ///< 0: takes no new work
    std::map<std::string, std::string> metadata{};
    /// Which life of this id: an instance that starts again, or changes what it says, comes with a larger number. 0: the
    /// registry gives the next one.
    std::uint64_t incarnation = 0;

    friend bool operator==(service_instance const&, service_instance const&) = default;
};

/// An instance and its health; speaks routing/balancer.hpp's words.
struct service_entry {
    std::shared_ptr<service_instance const> instance;
    bool                                    healthy = true;

    [[nodiscard]] std::uint32_t weight() const noexcept { return instance->weight; }
    [[nodiscard]] bool          available() const noexcept { return healthy; }
};

enum class health_filter : std::uint8_t { healthy_only, any };

class service_directory {
public:
    /// The instances of a service, in the order of their ids. Good as long as the directory is.
    [[nodiscard]] std::span<service_entry const> discover(std::string_view service,
                                                          health_filter    filter = health_filter::healthy_only) const noexcept {
        auto const at = lower_bound(service);
        if (at == services_.end() || (*at)->name != service) return {};
        return filter == health_filter::any ? (*at)->all : (*at)->healthy;
    }

    /// Null: there is none.
    [[nodiscard]] service_entry const* find(std::string_view service, std::string_view id) const noexcept {
        auto const all = discover(service, health_filter::any);
        auto const at = std::lower_bound(all.begin(), all.end(), id, id_less);
        return at != all.end() && at->instance->id == id ? &*at : nullptr;
    }

    /// Services with at least one instance, in the order of their names.
    [[nodiscard]] std::size_t      services() const noexcept { return services_.size(); }
    [[nodiscard]] std::string_view service(std::size_t i) const noexcept { return services_[i]->name; }

    /// An instance that comes or changes (present), or goes.
    struct change {
        service_entry entry;
        bool          present = true;
    };

    /// Requires changes in the order of service and id, at most one for each. After an exception the directory is to be thrown
    /// away.
    void apply(std::span<change const> changes) {
        for (std::size_t begin = 0, end = 0; begin < changes.size(); begin = end) {
            std::string const& name = changes[begin].entry.instance->service;
            while (end < changes.size() && changes[end].entry.instance->service == name) ++end;
            apply_to(name, changes.subspan(begin, end - begin));
        }
    }

private:
    struct list {
        std::string                name;
        std::vector<service_entry> all;
        std::vector<service_entry> healthy;
    };
    using pointer = std::shared_ptr<list const>;

    static bool id_less(service_entry const& e, std::string_view id) noexcept { return e.instance->id < id; }

    [[nodiscard]] std::vector<pointer>::const_iterator lower_bound(std::string_view service) const noexcept {
        return std::lower_bound(services_.begin(), services_.end(), service,
                                [](pointer const& l, std::string_view name) { return l->name < name; });
    }

    void apply_to(std::string const& name, std::span<change const> changes) {
        auto const at = lower_bound(name);
        bool const known = at != services_.end() && (*at)->name == name;
        auto       next = std::make_shared<list>();
        next->name = name;
        std::span<service_entry const> const before = known ? std::span((*at)->all) : std::span<service_entry const>();
        next->all.reserve(before.size() + changes.size());
        std::size_t b = 0;
        for (change const& c : changes) {
            while (b < before.size() && before[b].instance->id < c.entry.instance->id) next->all.push_back(before[b++]);
            if (b < before.size() && before[b].instance->id == c.entry.instance->id) ++b;
            if (c.present) next->all.push_back(c.entry);
        }
        next->all.insert(next->all.end(), before.begin() + static_cast<std::ptrdiff_t>(b), before.end());
        for (auto const& e : next->all)
            if (e.healthy) next->healthy.push_back(e);
        auto const here = services_.begin() + (at - services_.cbegin());
        if (!known) {
            if (!next->all.empty()) services_.insert(here, std::move(next));
        } else if (next->all.empty()) {
            services_.erase(here);
        } else {
            *here = std::move(next);
        }
    }

    std::vector<pointer> services_;
};

}  // namespace sluice
