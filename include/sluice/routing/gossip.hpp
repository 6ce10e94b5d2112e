// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// gossip — every node learns who is there and how loaded it is, by telling a few others each round and hearing back.
///
/// Use it for     membership and load of hundreds or thousands of nodes without a coordinator; whom to hand work to
/// Not for        one truth that all agree on at one moment (a registry), or nodes that lie: whoever can send is believed
/// Thread-safety  one thread at a time; `send` must not call the same object again (put the message into a queue)
/// Complexity     tick: O(members); receive: O(entries · log members). A message has at most max_entries entries, a node sends
///                fan_out of them each tick, ⌈log₂ members⌉ by default; news reaches n nodes in O(log n) ticks
/// Errors         constructor: std::invalid_argument names the option. std::bad_alloc, and what `send` throws, leave an object
///                that works; what was merged or sent before stays so. A load that is NaN, infinite or negative says nothing
/// Units          loads in any unit, the same for all nodes
/// Source         push-pull: Demers et al., PODC 1987, doi:10.1145/41840.41841; heartbeats and two time limits: van Renesse,
///                Minsky, Hayden, Middleware 1998; news told so many times, incarnations: SWIM, Das, Gupta, Motivala, DSN 2002
/// Differs        from SWIM: no probes. A member is judged by the age of the news about it, by each node's own clock
///
/// The transport is yours: tick() and receive() call send(to, message), lossy and unordered is fine, and every message that
/// arrives goes to receive(). Time is an argument; a clock that steps back makes nobody older.
///
/// Of two entries about a node the one with the larger (incarnation, version) is news. A node counts its version up with each
/// heartbeat and each new load. Without news of a member for suspect_after it is suspect: still told about, no longer
/// handed work. After dead_after it is dead, and no longer told about; it is remembered until forget_after, twice as long at
/// least, so that an old echo cannot revive it. A node that hears of its own death, or of a later life of its own, begins a
/// later one.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace sluice {

/// What one node is said to have said.
template <class Id>
struct gossip_entry {
    Id            id{};
    std::uint64_t incarnation = 0;  ///< of its life: larger after each start
    std::uint64_t version = 0;      ///< within that life
    double        load = 0;
    bool          left = false;     ///< it said good-bye

    friend bool operator==(gossip_entry const&, gossip_entry const&) = default;
};

template <class Id>
struct gossip_message {
    Id                            from{};
    bool                          reply = false;  ///< an answer to a message, itself not answered
    std::vector<gossip_entry<Id>> entries{};

    friend bool operator==(gossip_message const&, gossip_message const&) = default;
};

enum class member_state : std::uint8_t { alive, suspect, dead, left };

/// Work to hand over.
template <class Id>
struct gossip_transfer {
    Id     to{};
    double amount = 0;  ///< in units of load: half the difference
};

struct gossip_options {
    duration    heartbeat = std::chrono::seconds(1);      ///< news of oneself at least so often; > 0
    duration    suspect_after = std::chrono::seconds(5);  ///< >= heartbeat
    duration    dead_after = std::chrono::seconds(15);    ///< >= suspect_after
    duration    forget_after = std::chrono::seconds(60);  ///< >= 2 · dead_after
    std::size_t fan_out = 0;                              ///< messages a tick; 0: ⌈log₂ members⌉
    std::size_t max_entries = 64;                         ///< in a message; > 1
    std::size_t max_members = 100'000;                    ///< remembered, oneself included; others are not taken in. > 1
    std::size_t times_told = 3;                           ///< something is news until told so many · ⌈log₂ members⌉ times; > 0
    double      transfer_ratio = 1.5;                     ///< work moves from a load above so many times the other's; >= 1
};

template <std::totally_ordered Id>
    requires std::copyable<Id>
class gossip {
public:
    using entry = gossip_entry<Id>;
    using message = gossip_message<Id>;

    /// `incarnation` must be larger than in this node's earlier lives, if anybody may remember them: a count that is kept, or
    /// the wall clock in seconds.
    explicit gossip(Id self, std::uint64_t incarnation, gossip_options o = {}) : o_(o) {
        using detail::require_option;
        auto const count = [](duration d) { return d.count(); };
        require_option(o.heartbeat.count() > 0, "gossip: heartbeat (> 0 ns)", count(o.heartbeat));
        require_option(o.suspect_after >= o.heartbeat, "gossip: suspect_after (>= heartbeat)", count(o.suspect_after));
        require_option(o.dead_after >= o.suspect_after, "gossip: dead_after (>= suspect_after)", count(o.dead_after));
        require_option(o.forget_after / 2 >= o.dead_after, "gossip: forget_after (>= 2 * dead_after)", count(o.forget_after));
        require_option(o.max_entries > 1, "gossip: max_entries (> 1)", o.max_entries);
        require_option(o.max_members > 1, "gossip: max_members (> 1)", o.max_members);
        require_option(o.times_told > 0, "gossip: times_told (> 0)", o.times_told);
        require_option(o.transfer_ratio >= 1 && std::isfinite(o.transfer_ratio), "gossip: transfer_ratio (>= 1)",
                       o.transfer_ratio);
        add({std::move(self), incarnation, 0, 0, false}, time_point{});
    }

    [[nodiscard]] Id const& self() const noexcept { return members_[0].what.id; }
    [[nodiscard]] std::uint64_t incarnation() const noexcept { return members_[0].what.incarnation; }

    /// Somebody to begin with: known by name only, until it answers. Nothing if it is known or there is no room.
    void join(Id peer, time_point now) {
        if (index_.contains(peer) || members_.size() >= o_.max_members) return;
        add({std::move(peer), 0, 0, 0, false}, now);
        members_.back().only_named = true;
    }

    /// This node's own load, told from the next tick on. False, and nothing happens, for what can be no load.
    bool set_load(double load) noexcept {
        if (!(load >= 0) || !std::isfinite(load)) return false;
        member& me = members_[0];
        if (me.what.load == load) return true;
        me.what.load = load;
        renew(me);
        return true;
    }

    /// Says good-bye with the next ticks; then stop calling.
    void leave() noexcept {
        members_[0].what.left = true;
        renew(members_[0]);
    }

    /// One round: heartbeat, what has become of the others, and the messages. Call it every so often, at least once a heartbeat.
    template <random_source Source, class Send>
        requires std::invocable<Send&, Id const&, message const&>
    void tick(time_point now, Source& rng, Send&& send) {
        SLUICE_ASSERT(!busy_);
        member& me = members_[0];
        me.heard = now;
        if (!last_beat_ || saturating_sub(now, *last_beat_) >= o_.heartbeat || now < *last_beat_) {
            last_beat_ = now;
            if (!me.what.left) renew(me);
        }
        forget(now);

        // Whom to tell: fan_out different ones, and one of the dead as well, so that a partition that heals is noticed.
        peers_.clear();
        dead_.clear();
        for (std::size_t i = 1; i < members_.size(); ++i) {
            auto const state = state_of(members_[i], now);
            if (state == member_state::dead) dead_.push_back(i);
            else if (state != member_state::left) peers_.push_back(i);
        }
        std::size_t const chosen = std::min(fan_out(), peers_.size());
        for (std::size_t k = 0; k < chosen; ++k)
            std::swap(peers_[k], peers_[k + static_cast<std::size_t>(uniform_below(rng, peers_.size() - k))]);
        peers_.resize(chosen);
        if (!dead_.empty()) peers_.push_back(dead_[static_cast<std::size_t>(uniform_below(rng, dead_.size()))]);
        if (peers_.empty()) return;

        message m{self(), false, {}};
        ++mark_;
        fill(m, now, peers_.size());
        deliver(send, m);
    }

    /// A message that has arrived. Answers with what the sender seems not to know, unless it is an answer itself. Returns how
    /// many of its entries were news.
    template <class Send>
        requires std::invocable<Send&, Id const&, message const&>
    std::size_t receive(message const& m, time_point now, Send&& send) {
        SLUICE_ASSERT(!busy_);
        std::size_t news = 0;
        message     answer{self(), true, {}};
        ++mark_;
        for (auto const& e : m.entries) {
            auto const [what, i] = merge(e, now);
            if (what == outcome::nothing) continue;
            members_[i].mark = mark_;  // what the sender has just said need not be said again
            news += what == outcome::news ? 1u : 0u;
            if (what == outcome::old && answer.entries.size() + 1 < o_.max_entries && tells(members_[i], now))
                answer.entries.push_back(members_[i].what);
        }
        if (m.reply || m.from == self()) return news;
        fill(answer, now, 1);
        busy const now_sending(*this);
        send(m.from, std::as_const(answer));
        return news;
    }

    /// Members that are remembered, this node included.
    [[nodiscard]] std::size_t size() const noexcept { return members_.size(); }
    [[nodiscard]] std::size_t count(member_state state, time_point now) const noexcept {
        std::size_t n = 0;
        for (auto const& m : members_) n += state_of(m, now) == state ? 1u : 0u;
        return n;
    }

    /// What is known of a node; empty if nothing is. The pointer is good until the next call that is not const.
    [[nodiscard]] entry const* find(Id const& id) const {
        auto const at = index_.find(id);
        return at == index_.end() || members_[at->second].only_named ? nullptr : &members_[at->second].what;
    }
    [[nodiscard]] std::optional<member_state> state(Id const& id, time_point now) const {
        auto const at = index_.find(id);
        if (at == index_.end()) return std::nullopt;
        return state_of(members_[at->second], now);
    }

    /// visit(entry, state) for every node that is known, in no particular order.
    template <class Visit>
    void for_each(time_point now, Visit&& visit) const {
        for (auto const& m : members_)
            if (!m.only_named) visit(m.what, state_of(m, now));
    }

    /// Somebody to give work to, if this node's load is above transfer_ratio times the other's: of two living members drawn by
    /// chance the less loaded one, so that not everybody runs to the same. Until there is news of it, it is taken to have got
    /// the amount.
    template <random_source Source>
    [[nodiscard]] std::optional<gossip_transfer<Id>> transfer(time_point now, Source& rng) {
        SLUICE_ASSERT(!busy_);
        peers_.clear();
        for (std::size_t i = 1; i < members_.size(); ++i)
            if (!members_[i].only_named && state_of(members_[i], now) == member_state::alive) peers_.push_back(i);
        if (peers_.empty()) return std::nullopt;
        auto const first = static_cast<std::size_t>(uniform_below(rng, peers_.size()));
        member*    best = &members_[peers_[first]];
        if (peers_.size() > 1) {
            auto second = static_cast<std::size_t>(uniform_below(rng, peers_.size() - 1));
            if (second >= first) ++second;
            member& other = members_[peers_[second]];
            if (other.what.load + other.given < best->what.load + best->given) best = &other;
        }
        double const mine = members_[0].what.load;
        double const theirs = best->what.load + best->given;
        if (!(mine > o_.transfer_ratio * theirs)) return std::nullopt;
        double const amount = (mine - theirs) / 2;
        gossip_transfer<Id> result{best->what.id, amount};
        best->given += amount;
        return result;
    }

    /// Messages that the next tick sends to the living.
    [[nodiscard]] std::size_t fan_out() const noexcept {
        return o_.fan_out != 0 ? o_.fan_out : std::max<std::size_t>(log2_members(), 1);
    }
    [[nodiscard]] gossip_options const& options() const noexcept { return o_; }

private:
    struct member {
        entry         what{};
        time_point    heard{};             // the last news of it, by this node's clock
        std::size_t   told = 0;            // to others, since then
        double        given = 0;           // to it, since then
        std::uint64_t mark = 0;            // == mark_: it is in the message at hand
        bool          only_named = false;  // nothing has been heard of it yet
    };
    enum class outcome : std::uint8_t { news, same, old, nothing };
    struct merged {
        outcome     what = outcome::nothing;
        std::size_t index = 0;
    };

    struct busy {
        explicit busy(gossip& owner) noexcept : g(owner) { g.busy_ = true; }
        ~busy() { g.busy_ = false; }
        busy(busy const&) = delete;
        busy& operator=(busy const&) = delete;
        gossip& g;
    };

    /// ⌈log₂ members⌉
    [[nodiscard]] std::size_t log2_members() const noexcept { return static_cast<std::size_t>(std::bit_width(members_.size() - 1)); }

    [[nodiscard]] member_state state_of(member const& m, time_point now) const noexcept {
        if (m.what.left) return member_state::left;
        if (&m == &members_[0]) return member_state::alive;
        auto const age = saturating_sub(now, m.heard);
        return age < o_.suspect_after ? member_state::alive : age < o_.dead_after ? member_state::suspect : member_state::dead;
    }

    /// Whether others are told about it.
    [[nodiscard]] bool tells(member const& m, time_point now) const noexcept {
        if (m.only_named) return false;
        return m.what.left ? saturating_sub(now, m.heard) < o_.dead_after : state_of(m, now) != member_state::dead;
    }

    void add(entry e, time_point now) {
        auto const [at, is_new] = index_.emplace(e.id, members_.size());
        try {
            members_.push_back({std::move(e), now, 0, 0, 0, false});
        } catch (...) {
            index_.erase(at);
            throw;
        }
        SLUICE_ASSERT(is_new);
    }

    void renew(member& m) noexcept {
        if (&m == &members_[0] && m.what.version != UINT64_MAX) ++m.what.version;
        m.told = 0;
    }

    merged merge(entry const& e, time_point now) {
        if (!(e.load >= 0) || !std::isfinite(e.load)) return {};
        auto const at = index_.find(e.id);
        if (at == index_.end()) {
            if (members_.size() >= o_.max_members) return {};
            add(e, now);
            renew(members_.back());
            return {outcome::news, members_.size() - 1};
        }
        member&    m = members_[at->second];
        auto const said = std::pair(e.incarnation, e.version);
        auto const known = std::pair(m.what.incarnation, m.what.version);
        if (at->second == 0) {
            if (said < known) return {outcome::old, 0};
            if (said == known && e.left == m.what.left) return {outcome::same, 0};
            // An earlier life of ours, or somebody else's doing: begin a later one.
            if (e.incarnation != UINT64_MAX) {
                m.what.incarnation = e.incarnation + 1;
                m.what.version = 0;
            }
            renew(m);
            return {outcome::news, 0};
        }
        bool const bye = said == known && e.left && !m.what.left;
        if (!m.only_named && !bye && said <= known) return {said == known ? outcome::same : outcome::old, at->second};
        m.what = e;
        m.heard = now;
        m.given = 0;
        m.only_named = false;
        renew(m);
        return {outcome::news, at->second};
    }

    /// Members without news for so long that nobody tells about them any more.
    void forget(time_point now) {
        for (std::size_t i = 1; i < members_.size();) {
            if (saturating_sub(now, members_[i].heard) < o_.forget_after) {
                ++i;
                continue;
            }
            index_.erase(members_[i].what.id);
            if (i + 1 != members_.size()) {
                members_[i] = std::move(members_.back());
                index_.find(members_[i].what.id)->second = i;
            }
            members_.pop_back();
        }
    }

    /// Adds what is to be told to `copies` nodes and is not marked: this node itself, then the newest news, then the others
    /// in turn.
    void fill(message& m, time_point now, std::size_t copies) {
        m.entries.push_back(members_[0].what);
        std::size_t const enough = o_.times_told * std::max<std::size_t>(log2_members(), 1);
        hot_.clear();
        for (std::size_t i = 1; i < members_.size(); ++i)
            if (members_[i].told < enough && members_[i].mark != mark_ && tells(members_[i], now)) hot_.push_back(i);
        std::size_t const room = o_.max_entries - std::min(o_.max_entries, m.entries.size());
        if (hot_.size() > room) {
            std::nth_element(hot_.begin(), hot_.begin() + static_cast<std::ptrdiff_t>(room), hot_.end(),
                             [this](std::size_t a, std::size_t b) {
                                 auto const left = members_[a].told;
                                 auto const right = members_[b].told;
                                 return left != right ? left < right : a < b;
                             });
            hot_.resize(room);
        }
        for (auto const i : hot_) {
            m.entries.push_back(members_[i].what);
            members_[i].told += copies;
            members_[i].mark = mark_;
        }
        for (std::size_t looked = 1; looked < members_.size() && m.entries.size() < o_.max_entries; ++looked) {
            next_ = next_ + 1 < members_.size() ? next_ + 1 : 1;
            auto const& other = members_[next_];
            if (other.mark != mark_ && !other.what.left && tells(other, now)) m.entries.push_back(other.what);
        }
    }

    template <class Send>
    void deliver(Send& send, message const& m) {
        busy const now_sending(*this);
        for (auto const i : peers_) send(std::as_const(members_[i].what.id), m);
    }

    gossip_options             o_;
    std::vector<member>        members_;  // this node first
    std::map<Id, std::size_t>  index_;
    std::optional<time_point>  last_beat_;
    std::size_t                next_ = 0;  // of those that are told in turn
    std::uint64_t              mark_ = 0;
    bool                       busy_ = false;
    std::vector<std::size_t>   peers_, dead_, hot_;  // kept between calls for their memory
};

}  // namespace sluice
