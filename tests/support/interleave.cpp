// SPDX-License-Identifier: BSL-1.0
#include "support/interleave.hpp"
#include "support/fiber.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

#if defined(SLUICE_TEST_SWITCH)
asm(R"(
.text
.globl sluice_test_switch
.type sluice_test_switch,@function
sluice_test_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size sluice_test_switch,.-sluice_test_switch
)");
#endif

namespace test::sim {
namespace {

using detail::op;

constexpr unsigned max_threads = 4;
constexpr unsigned main_thread = max_threads;  // sets up and looks at the end
constexpr unsigned max_procs = 64;  // threads, then their store buffers: with pso, one per variable
constexpr unsigned max_locations = 64;

int number(std::memory_order o) { return static_cast<int>(o); }
bool is_seq_cst(int o) { return o == number(std::memory_order_seq_cst); }
bool acquires(int o) {
    return is_seq_cst(o) || o == number(std::memory_order_acquire) || o == number(std::memory_order_acq_rel);
}
bool releases(int o) {
    return is_seq_cst(o) || o == number(std::memory_order_release) || o == number(std::memory_order_acq_rel);
}
bool is_rmw(op_kind k) { return k >= op_kind::exchange && k <= op_kind::bit_and; }

using clock_vector = std::array<std::uint32_t, max_threads + 1>;  // happens-before, for races
using view = std::array<std::uint8_t, max_locations>;             // the oldest message that may still be read
using trace_clock = std::array<std::uint16_t, max_procs>;         // which steps cannot be moved behind this one
using procs = std::uint64_t;                                      // a set

template <class A>
void join(A& a, A const& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = std::max(a[i], b[i]);
}

constexpr std::uint8_t no_writer = 255;
constexpr std::size_t  nothing = ~std::size_t{0};

constexpr procs only(unsigned p) { return procs{1} << p; }
constexpr bool  has(procs set, unsigned p) { return (set >> p & 1) != 0; }
constexpr unsigned lowest(procs set) { return static_cast<unsigned>(__builtin_ctzll(set)); }

struct message {
    std::uint64_t value = 0;
    clock_vector  clock{};  // what an acquire of it learns
    view          seen{};
    std::uint64_t sc_before = 0;
    std::uint8_t  sc_writer = no_writer;
};

struct location {
    std::vector<message> messages;
    bool                 alive = false;
    std::uint8_t         maker = 0;
    std::uint32_t        made_at = 0;
    clock_vector         used_at{};  // by each thread, the last time
};

struct buffered {
    std::uint8_t  where;
    bool          release;
    message       what;
    trace_clock   order{};  // of the store's step
};

struct thread_state {
    op*                   pending = nullptr;
    bool                  finished = false;
    bool                  parked = false;
    std::size_t           woken_by = 0;  // which event
    unsigned              stale = 0;
    unsigned              spurious = 0;
    view                  seen{};
    clock_vector          clock{};
    std::uint64_t         sc_before = 0;  // the seq_cst accesses that happen before what comes next
    std::vector<buffered> buffer;
};

/// What a step touches, as far as other steps care.
struct footprint {
    std::uint64_t locations = 0;
    bool          write = false;
};

bool conflict(footprint const& a, footprint const& b) {
    return (a.locations & b.locations) != 0 && (a.write || b.write);
}

/// A seq_cst access under weak memory. Their single order is not the order of execution: it is kept as what must come
/// before what, and any read is allowed that does not close a circle.
struct seq_cst_access {
    std::uint8_t  where = 0;
    std::uint8_t  stamp = 0;
    bool          write = false;
    std::uint64_t before = 0;  // transitively
};

struct event {
    std::uint8_t         proc = 0;
    bool                 buffered = false;  // a store that went into the thread's own buffer
    std::uint16_t        stored_at = 0;     // a flush: after which step of its thread, see trace_clock
    footprint            touched;
    trace_clock          clock{};
    op                   step{};
    std::uint64_t        before = 0;
    std::uint8_t         age = 0;  // how many newer messages there were
};

struct node {
    procs         enabled = 0, backtrack = 0, asleep = 0;
    std::uint8_t  proc = 0;
    std::uint8_t  last = 0;
    std::uint16_t preemptions = 0;
    std::uint16_t option = 0, choices = 1;
};

struct machine {
    options                           how;
    detail::scenario const*           client = nullptr;
    void*                             object = nullptr;
    std::array<detail::fiber, max_threads> fibers;
    std::array<thread_state, max_threads + 1> threads;
    std::array<location, max_locations> locations;
    unsigned                          n_locations = 0;
    unsigned                          n_threads = 0;
    unsigned                          n_procs = 0;
    std::array<std::uint8_t, max_procs> owner{};  // a proc's thread
    std::array<std::uint8_t, max_procs> place{};  // pso: a buffer's variable
    unsigned                          running = main_thread;
    bool                              active = false;    // an exploration is under way
    bool                              draining = false;  // finish quickly, nobody looks
    bool                              failed = false;
    std::string                       why;
    std::vector<node>                 nodes;
    std::vector<event>                events;
    std::vector<seq_cst_access>       sc;
    std::array<trace_clock, max_procs> behind{};  // the order of each proc's last step
    std::vector<std::size_t>          races;
    std::size_t                       repeated = 0;  // so many steps of this execution are those of the one before
    std::uint64_t                     random = 0;
    std::uint64_t                     steps = 0;
    std::uint64_t                     main_steps = 0;
    std::vector<std::uint64_t>        outcomes;
    std::vector<void*>                abandoned;

    bool weak() const { return how.model == memory::weak; }
    bool buffers() const { return how.model == memory::tso || how.model == memory::pso; }

    std::uint64_t next_random() {
        random += 0x9E3779B97F4A7C15;
        std::uint64_t z = random;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    void fail(std::string text) {
        if (failed || draining) return;
        failed = true;
        why = std::move(text);
    }

    // ------------------------------------------------------------------ orders and sites

    static bool same(site const& s, std::source_location const& w) {
        return s.line == w.line() && s.column == w.column() && std::strcmp(s.file, w.file_name()) == 0;
    }
    int order_of(op const& o, bool failure) const {
        if (how.weaken != nullptr && how.weaken->failure == failure && same(how.weaken->where, o.where))
            return how.weaken->to;
        return failure ? o.failure : o.order;
    }
    void note_site(op const& o) {
        if (how.sites == nullptr || o.kind == op_kind::park || o.kind == op_kind::resume || o.kind == op_kind::wake) return;
        for (auto const& s : *how.sites)
            if (same(s, o.where)) return;
        how.sites->push_back({o.where.file_name(), o.where.function_name(), o.where.line(), o.where.column(), o.kind,
                              o.order, o.kind == op_kind::cas ? o.failure : -1});
    }

    // ------------------------------------------------------------------ memory

    location& at(std::uint8_t l) { return locations[l]; }

    void learn(unsigned t, std::uint8_t l, std::size_t stamp, int o) {
        thread_state& me = threads[t];
        message const& m = at(l).messages[stamp];
        me.seen[l] = std::max(me.seen[l], static_cast<std::uint8_t>(stamp));
        if (acquires(o)) {
            join(me.seen, m.seen);
            join(me.clock, m.clock);
            me.sc_before |= m.sc_before;
        }
    }

    /// What precedes a seq_cst read of this message of variable l. (What happened before the message was released precedes
    /// only what comes after the read; but for accesses of the same variable.)
    std::uint64_t before_read(unsigned t, std::uint8_t l, message const& m) const {
        std::uint64_t direct = threads[t].sc_before;
        for (std::size_t i = 0; i < sc.size(); ++i)
            if (sc[i].where == l) direct |= m.sc_before & std::uint64_t{1} << i;
        if (m.sc_writer != no_writer) direct |= std::uint64_t{1} << m.sc_writer;
        return with_predecessors(direct);
    }
    std::uint64_t with_predecessors(std::uint64_t direct) const {
        std::uint64_t all = direct;
        for (std::size_t i = 0; i < sc.size(); ++i)
            if ((direct >> i & 1) != 0) all |= sc[i].before;
        return all;
    }
    bool may_read_seq_cst(unsigned t, std::uint8_t l, std::size_t stamp) const {
        std::uint64_t const before = before_read(t, l, locations[l].messages[stamp]);
        for (std::size_t i = 0; i < sc.size(); ++i)
            if (sc[i].write && sc[i].where == l && sc[i].stamp > stamp && (before >> i & 1) != 0) return false;
        return true;
    }
    /// Registers the access; call it before what the access itself teaches the thread.
    std::uint8_t enter_seq_cst(unsigned t, std::uint8_t l, std::size_t stamp, bool write) {
        if (!weak() || t == main_thread || draining) return no_writer;
        if (sc.size() == 64) {
            fail("too many seq_cst accesses for this simulator");
            return no_writer;
        }
        seq_cst_access a{l, static_cast<std::uint8_t>(stamp), write, 0};
        auto const me = std::uint64_t{1} << sc.size();
        if (write) {  // the newest of its variable: after all others
            std::uint64_t direct = threads[t].sc_before;
            message const& old = locations[l].messages.back();
            if (old.sc_writer != no_writer) direct |= std::uint64_t{1} << old.sc_writer;
            for (std::size_t i = 0; i < sc.size(); ++i)
                if (sc[i].where == l) direct |= std::uint64_t{1} << i;
            a.before = with_predecessors(direct);
        } else {  // before every newer seq_cst write
            a.before = before_read(t, l, locations[l].messages[stamp]);
            for (std::size_t i = 0; i < sc.size(); ++i) {
                if (!sc[i].write || sc[i].where != l || sc[i].stamp <= stamp) continue;
                for (std::size_t j = 0; j < sc.size(); ++j)
                    if (j == i || (sc[j].before >> i & 1) != 0) sc[j].before |= a.before | me;
            }
        }
        sc.push_back(a);
        threads[t].sc_before |= me;
        return static_cast<std::uint8_t>(sc.size() - 1);
    }

    message make(unsigned t, std::uint64_t value, int o, message const* continued, std::uint8_t writer = no_writer) {
        thread_state& me = threads[t];
        message m;
        if (continued != nullptr) m = *continued;
        m.value = value;
        m.sc_writer = writer;
        if (releases(o)) {
            join(m.seen, me.seen);
            join(m.clock, me.clock);
            m.sc_before |= me.sc_before & ~(writer == no_writer ? 0 : std::uint64_t{1} << writer);
            ++me.clock[t];
        }
        return m;
    }

    void append(unsigned t, std::uint8_t l, message m) {
        location& where = at(l);
        auto const stamp = where.messages.size();
        if (stamp > 250) return fail("too many stores to one variable for this simulator");
        m.seen[l] = static_cast<std::uint8_t>(stamp);
        where.messages.push_back(m);
        threads[t].seen[l] = static_cast<std::uint8_t>(stamp);
    }

    static std::uint64_t compute(op const& o, std::uint64_t old) {
        std::uint64_t const mask = o.size == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * o.size)) - 1;
        switch (o.kind) {
        case op_kind::add: return (old + o.operand) & mask;
        case op_kind::sub: return (old - o.operand) & mask;
        case op_kind::bit_or: return old | o.operand;
        case op_kind::bit_and: return old & o.operand;
        default: return o.operand;
        }
    }

    std::size_t oldest_readable(unsigned t, std::uint8_t l) {
        return !weak() || t == main_thread || threads[t].stale == 0 ? at(l).messages.size() - 1 : threads[t].seen[l];
    }
    bool may_read(unsigned t, std::uint8_t l, std::size_t stamp, int o) const {
        return !is_seq_cst(o) || may_read_seq_cst(t, l, stamp);
    }

    /// The ways in which the thread's next step can go: way 0 is the plain one, the others are enumerated.
    enum class outcome { read, fail_stale, fail_spurious };
    struct way {
        outcome     what = outcome::read;
        std::size_t stamp = 0;
    };
    void ways(unsigned t, op const& o, std::vector<way>& out) {
        out.clear();
        std::size_t const last = at(o.location).messages.size() - 1;
        out.push_back({outcome::read, last});
        if (o.kind == op_kind::load) {
            for (std::size_t s = last; s-- > oldest_readable(t, o.location);)
                if (may_read(t, o.location, s, order_of(o, false))) out.push_back({outcome::read, s});
        } else if (o.kind == op_kind::cas) {
            for (std::size_t s = last; s-- > oldest_readable(t, o.location);)
                if (at(o.location).messages[s].value != o.expected && may_read(t, o.location, s, order_of(o, true)))
                    out.push_back({outcome::fail_stale, s});
            if (o.may_fail && threads[t].spurious > 0 && at(o.location).messages[last].value == o.expected)
                out.push_back({outcome::fail_spurious, last});
        } else if (o.kind == op_kind::park) {
            if (threads[t].spurious > 0) out.push_back({outcome::fail_spurious, last});
        } else if (o.kind == op_kind::wake) {
            std::size_t const sleepers = asleep_on(o.location);
            if (o.operand == 1)
                for (std::size_t s = 1; s < sleepers; ++s) out.push_back({outcome::read, s});
            out[0].stamp = 0;
        }
    }

    std::size_t asleep_on(std::uint8_t l) const {
        std::size_t n = 0;
        for (unsigned t = 0; t < n_threads; ++t)
            n += threads[t].parked && threads[t].pending != nullptr && threads[t].pending->location == l;
        return n;
    }

    /// Executes the thread's step; fills in its result.
    void execute(unsigned t, op& o, way w, event* e) {
        thread_state& me = threads[t];
        location& where = at(o.location);
        if (!where.alive) return fail("access to an atomic that has been destroyed");
        if (where.made_at > me.clock[where.maker] && !draining)
            return fail("data race: thread " + std::to_string(t) + " uses an atomic that thread " +
                        std::to_string(where.maker) + " made, without happens-before");
        if (o.kind != op_kind::wake) where.used_at[t] = me.clock[t];  // (waking looks at the address only)
        std::size_t const last = where.messages.size() - 1;
        if (e != nullptr) {
            e->before = where.messages[last].value;
            e->age = static_cast<std::uint8_t>(last - (o.kind == op_kind::load || o.kind == op_kind::cas ? w.stamp : last));
        }
        o.success = true;
        switch (o.kind) {
        case op_kind::load: {
            int const order = order_of(o, false);
            if (buffers() && t != main_thread)
                for (auto b = me.buffer.rbegin(); b != me.buffer.rend(); ++b)
                    if (b->where == o.location) {
                        o.value = b->what.value;
                        return;
                    }
            if (w.stamp != last) --me.stale;
            o.value = where.messages[w.stamp].value;
            if (is_seq_cst(order)) enter_seq_cst(t, o.location, w.stamp, false);
            learn(t, o.location, w.stamp, order);
            break;
        }
        case op_kind::store: {
            int const order = order_of(o, false);
            if (buffers() && t != main_thread && !draining && !is_seq_cst(order))
                me.buffer.push_back({o.location, releases(order), make(t, o.operand, order, nullptr)});
            else {
                std::uint8_t const writer = is_seq_cst(order) ? enter_seq_cst(t, o.location, last + 1, true) : no_writer;
                append(t, o.location, make(t, o.operand, order, nullptr, writer));
            }
            o.value = o.operand;
            break;
        }
        case op_kind::cas:
            if (w.what != outcome::read || where.messages[w.stamp].value != o.expected) {
                if (w.stamp != last) --me.stale;
                if (w.what == outcome::fail_spurious) --me.spurious;
                o.success = false;
                o.value = where.messages[w.stamp].value;
                if (is_seq_cst(order_of(o, true))) enter_seq_cst(t, o.location, w.stamp, false);
                learn(t, o.location, w.stamp, order_of(o, true));
                break;
            }
            [[fallthrough]];
        case op_kind::exchange:
        case op_kind::add:
        case op_kind::sub:
        case op_kind::bit_or:
        case op_kind::bit_and: {
            int const order = order_of(o, false);
            message const old = where.messages[last];
            o.value = old.value;
            std::uint8_t const writer = is_seq_cst(order) ? enter_seq_cst(t, o.location, last + 1, true) : no_writer;
            learn(t, o.location, last, order);
            append(t, o.location, make(t, compute(o, old.value), order, &old, writer));
            break;
        }
        case op_kind::park:
            o.value = where.messages[last].value;
            me.seen[o.location] = static_cast<std::uint8_t>(last);
            o.success = (o.value >> 32) == o.operand && w.what == outcome::read && !draining;
            if (w.what == outcome::fail_spurious) --me.spurious;
            me.parked = o.success;
            break;
        case op_kind::wake: {
            std::size_t skip = o.operand == 1 ? w.stamp : 0;
            std::uint64_t left = o.operand;
            o.value = 0;
            for (unsigned s = 0; s < n_threads && left > 0; ++s) {
                thread_state& other = threads[s];
                if (!other.parked || other.pending == nullptr || other.pending->location != o.location) continue;
                if (skip > 0) {
                    --skip;
                    continue;
                }
                other.parked = false;
                other.woken_by = events.empty() ? 0 : events.size() - 1;
                --left;
                ++o.value;
            }
            break;
        }
        case op_kind::resume:
            if (me.parked && !draining) --me.spurious;  // the deadline
            me.parked = false;
            break;
        case op_kind::flush: break;
        }
    }

    // ------------------------------------------------------------------ scheduling

    bool must_drain(unsigned t, op const& o) const {
        if (!buffers() || threads[t].buffer.empty()) return false;
        if (o.kind == op_kind::store) return is_seq_cst(order_of(o, false));
        if (o.kind == op_kind::park) return true;
        if (!is_rmw(o.kind)) return false;
        if (how.model == memory::tso || releases(order_of(o, false))) return true;
        for (auto const& b : threads[t].buffer)
            if (b.where == o.location) return true;
        return false;
    }

    /// The buffer of the thread's stores to l.
    unsigned buffer_of(unsigned t, std::uint8_t l) const {
        if (how.model == memory::tso) return max_threads + t;
        unsigned p = max_threads;
        while (p < n_procs && (owner[p] != t || place[p] != l)) ++p;
        return p;
    }
    void make_buffer(unsigned t, std::uint8_t l) {
        if (buffer_of(t, l) < n_procs) return;
        if (n_procs == max_procs) return fail("too many variables in the store buffers for this simulator");
        owner[n_procs] = static_cast<std::uint8_t>(t);
        place[n_procs++] = l;
    }
    /// Which of its thread's buffered stores the buffer can send to memory next.
    std::size_t flushable(unsigned proc) const {
        auto const& b = threads[owner[proc]].buffer;
        if (how.model == memory::tso) return b.empty() ? nothing : 0;
        for (std::size_t i = 0; i < b.size(); ++i)
            if (b[i].where == place[proc]) return b[i].release && i != 0 ? nothing : i;
        return nothing;
    }

    bool enabled(unsigned proc) const {
        if (proc >= max_threads) return flushable(proc) != nothing;
        thread_state const& t = threads[proc];
        if (t.finished || t.pending == nullptr) return false;
        if (t.pending->kind == op_kind::resume) return !t.parked || (t.pending->may_fail && t.spurious > 0);
        return !must_drain(proc, *t.pending);
    }

    /// What the proc's next step may touch.
    footprint touched_by(unsigned proc) {
        footprint f;
        if (proc >= max_threads) {
            f.locations = std::uint64_t{1} << threads[owner[proc]].buffer[flushable(proc)].where;
            f.write = true;
            return f;
        }
        op const& o = *threads[proc].pending;
        if (into_buffer(o)) return f;
        f.locations = std::uint64_t{1} << o.location;
        f.write = o.kind != op_kind::load;
        if (o.kind == op_kind::cas && at(o.location).messages.back().value != o.expected) f.write = false;
        return f;
    }
    bool into_buffer(op const& o) const {
        return o.kind == op_kind::store && buffers() && !is_seq_cst(order_of(o, false));
    }

    // ------------------------------------------------------------------ which steps depend on each other

    /// Of two procs. A thread and its own buffers need no order but that of must_wait_for and must_flush_after: the thread
    /// reads the same whether from its buffer or from memory.
    bool dependent(event const& a, event const& b) const {
        return owner[a.proc] != owner[b.proc] && conflict(a.touched, b.touched);
    }
    bool dependent(event const& a, unsigned proc) {
        return owner[a.proc] != owner[proc] && conflict(a.touched, touched_by(proc));
    }
    void follow(trace_clock& c, trace_clock const& earlier) const {
        for (unsigned p = 0; p < n_procs; ++p) c[p] = std::max(c[p], earlier[p]);
    }

    /// The steps without which the thread's next one could not be: no other order of these is possible.
    void must_wait_for(unsigned t, op const& o, trace_clock& c) const {
        if (o.kind == op_kind::resume) {
            bool const deadline = o.may_fail && threads[t].spurious > 0;
            if (!threads[t].parked && !deadline) follow(c, events[threads[t].woken_by].clock);
            return;
        }
        if (!buffers()) return;
        bool const all = o.kind == op_kind::store ? is_seq_cst(order_of(o, false))
                                                  : o.kind == op_kind::park ||
                                                        (is_rmw(o.kind) &&
                                                         (how.model == memory::tso || releases(order_of(o, false))));
        for (unsigned p = max_threads; p < n_procs; ++p)
            if (owner[p] == t && (all || (is_rmw(o.kind) && place[p] == o.location))) follow(c, behind[p]);
    }
    /// pso: a release store leaves the buffer after all older stores.
    void must_flush_after(unsigned t, std::uint16_t stored_at, trace_clock& c) const {
        for (event const& e : events)
            if (e.proc >= max_threads && owner[e.proc] == t && e.stored_at < stored_at) follow(c, e.clock);
    }

    /// Finds what the step comes after, and the races: steps that depend on this one, could be next to it, and could come
    /// after it. `c`: what it had to wait for.
    void put_in_order(event& e, trace_clock c) {
        bool const looks = how.preemptions < 0 && how.random_runs == 0 && events.size() > repeated;
        races.clear();
        follow(c, behind[e.proc]);
        for (std::size_t i = events.size() - 1; i-- > 0;) {
            event const& other = events[i];
            if (c[other.proc] > i || !dependent(other, e)) continue;
            if (looks) races.push_back(i);
            follow(c, other.clock);
        }
        c[e.proc] = static_cast<std::uint16_t>(events.size());
        e.clock = c;
        behind[e.proc] = c;
        for (std::size_t i : races) go_back_to(i);
    }

    /// Step i is to come after the last one as well: all that does not come after step i may go before it. One of the procs
    /// that can begin with that must be tried there, one that is not asleep, or nothing comes of it; the racing proc itself
    /// need not be among them.
    void go_back_to(std::size_t i) {
        node&                              n = nodes[i];
        std::array<std::size_t, max_procs> first;
        procs                              seen = 0, initial = 0;
        for (std::size_t k = i + 1; k < events.size(); ++k) {
            event const& e = events[k];
            if (has(seen, e.proc)) continue;
            if (k + 1 < events.size() && e.clock[events[i].proc] > i) continue;
            bool free = true;
            for (procs rest = seen; rest != 0 && free; rest &= rest - 1) free = e.clock[lowest(rest)] <= first[lowest(rest)];
            seen |= only(e.proc);
            first[e.proc] = k;
            if (free) initial |= only(e.proc);
        }
        if ((initial & ~n.enabled) != 0 || initial == 0) {
            std::fputs("sim: a step that could not be where the order of steps lets it be\n", stderr);
            std::abort();
        }
        if ((initial & (n.backtrack | n.asleep)) != 0) return;
        unsigned const last = events.back().proc;
        n.backtrack |= only(has(initial, last) ? last : lowest(initial));
    }

    /// Lets the thread run to its next access or to its end.
    void run_to_next_access(unsigned t) {
        threads[t].pending = nullptr;
        running = t;
        fibers[t].resume();
        running = main_thread;
    }

    static void thread_main(void* argument) {
        auto const t = static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(argument));
        machine& m = instance();
        for (;;) {
            m.client->thread(m.object, static_cast<int>(t));
            m.threads[t].pending = nullptr;
            m.threads[t].finished = true;
            m.fibers[t].suspend();
        }
    }

    static machine& instance() {
        static machine* const m = new machine;
        return *m;
    }

    void restart_fibers() {
        for (unsigned t = 0; t < n_threads; ++t)
            fibers[t].start(&thread_main, reinterpret_cast<void*>(static_cast<std::uintptr_t>(t)));
    }

    enum class ending { complete, redundant, failed };

    ending run_once() {
        n_locations = 0;
        main_steps = 0;
        repeated = nodes.empty() ? 0 : nodes.size() - 1;
        events.clear();
        sc.clear();
        for (auto& b : behind) b.fill(0);
        n_procs = how.model == memory::tso ? 2 * max_threads : max_threads;
        for (unsigned p = 0; p < n_procs; ++p) owner[p] = static_cast<std::uint8_t>(p % max_threads);
        for (unsigned t = 0; t <= max_threads; ++t) {
            thread_state& s = threads[t];
            s.pending = nullptr;
            s.finished = s.parked = false;
            s.stale = how.stale;
            s.spurious = how.spurious;
            s.seen.fill(0);
            s.clock.fill(0);
            s.sc_before = 0;
            s.clock[t] = 1;
            s.buffer.clear();
        }
        running = main_thread;
        object = client->make();
        for (unsigned t = 0; t < n_threads; ++t) {  // starting a thread synchronises with its beginning
            threads[t].seen = threads[main_thread].seen;
            threads[t].clock[main_thread] = threads[main_thread].clock[main_thread];
        }
        ++threads[main_thread].clock[main_thread];
        for (unsigned t = 0; t < n_threads && !failed; ++t) run_to_next_access(t);

        std::size_t depth = 0;
        procs asleep = 0;
        ending result = ending::complete;
        for (; !failed; ++depth) {
            procs can = 0;
            for (unsigned p = 0; p < n_procs; ++p)
                if (owner[p] < n_threads && enabled(p)) can |= only(p);
            if (can == 0) {
                for (unsigned t = 0; t < n_threads; ++t)
                    if (!threads[t].finished) fail("lost wake-up: every thread that has not ended is asleep");
                break;
            }
            if (depth >= how.max_steps) {
                fail("no progress: " + std::to_string(how.max_steps) + " steps and no end");
                break;
            }
            if (!choose(depth, can, asleep)) {
                result = ending::redundant;
                break;
            }
            asleep = step(nodes[depth]);
        }
        if (!failed && result == ending::complete) {
            for (unsigned t = 0; t < n_threads; ++t) {
                join(threads[main_thread].seen, threads[t].seen);
                join(threads[main_thread].clock, threads[t].clock);
            }
            running = main_thread;
            client->finish(object);
        }
        if (failed) {
            abandon();
            return ending::failed;
        }
        draining = true;
        bool ended = result == ending::complete;
        if (!ended) ended = drain();
        if (ended)
            client->destroy(object);
        else
            abandon();
        draining = false;
        if (!ended) restart_fibers();
        return result;
    }

    /// Keeps what a failed schedule leaves behind reachable: the object, and what its atomics point to.
    void abandon() {
        abandoned.push_back(object);
        for (unsigned l = 0; l < n_locations; ++l)
            for (message const& m : locations[l].messages)
                if (m.value > 4096) abandoned.push_back(reinterpret_cast<void*>(static_cast<std::uintptr_t>(m.value)));
    }

    /// Decides what nodes[depth] runs. False: everything from here on has been seen in another order.
    bool choose(std::size_t depth, procs can, procs asleep) {
        if (how.random_runs > 0) {
            nodes.resize(std::max(nodes.size(), depth + 1));
            node& n = nodes[depth];
            n = {};
            n.enabled = can;
            unsigned k = static_cast<unsigned>(next_random() % static_cast<unsigned>(__builtin_popcountll(can)));
            unsigned p = 0;
            for (;; ++p)
                if (has(can, p) && k-- == 0) break;
            n.proc = static_cast<std::uint8_t>(p);
            n.option = static_cast<std::uint16_t>(next_random() % 2 == 0 ? 0 : next_random() % 1024);
            return true;
        }
        bool const reduce = how.preemptions < 0;
        if (depth < nodes.size()) return true;  // part of the prefix that is being repeated
        node n;
        n.enabled = can;
        n.asleep = reduce ? asleep : 0;
        n.last = depth == 0 ? 0 : nodes[depth - 1].proc;
        procs allowed = can & ~n.asleep;
        if (!reduce) {
            if (depth > 0) n.preemptions = static_cast<std::uint16_t>(nodes[depth - 1].preemptions + preempts(nodes[depth - 1]));
            if (n.last < max_threads && has(can, n.last) && n.preemptions >= how.preemptions)
                allowed &= only(n.last) | ~(only(max_threads) - 1);
        }
        if (allowed == 0) return false;
        n.proc = has(allowed, n.last) ? n.last : static_cast<std::uint8_t>(lowest(allowed));
        n.backtrack = reduce ? only(n.proc) : allowed;
        nodes.push_back(n);
        return true;
    }

    static std::uint16_t preempts(node const& n) {
        return n.last < max_threads && has(n.enabled, n.last) && n.proc != n.last && n.proc < max_threads;
    }

    /// Runs the node's step; answers with the procs that need not be tried next.
    procs step(node& n) {
        ++steps;
        unsigned const proc = n.proc;
        unsigned const t = owner[proc];
        events.emplace_back();
        event& e = events.back();
        e.proc = static_cast<std::uint8_t>(proc);
        if (proc >= max_threads) {
            n.choices = 1;
            std::size_t const which = flushable(proc);
            buffered const b = threads[t].buffer[which];
            threads[t].buffer.erase(threads[t].buffer.begin() + static_cast<std::ptrdiff_t>(which));
            e.touched = {std::uint64_t{1} << b.where, true};
            e.step.kind = op_kind::flush;
            e.step.location = b.where;
            e.step.value = b.what.value;
            e.stored_at = b.order[t];
            trace_clock before = b.order;
            if (b.release && how.model == memory::pso) must_flush_after(t, e.stored_at, before);
            put_in_order(e, before);
            if (!at(b.where).alive)
                fail("access to an atomic that has been destroyed");
            else
                append(t, b.where, b.what);
        } else {
            op& o = *threads[t].pending;
            ways(t, o, way_list);
            n.choices = static_cast<std::uint16_t>(way_list.size());
            way const w = way_list[n.option % n.choices];
            e.touched = touched_by(t);
            if (o.kind == op_kind::cas && w.what != outcome::read) e.touched.write = false;
            e.buffered = into_buffer(o);
            e.step = o;
            trace_clock before{};
            must_wait_for(t, o, before);
            put_in_order(e, before);
            note_site(o);
            execute(t, o, w, &e);
            e.step = o;
            if (e.buffered && !failed) {
                threads[t].buffer.back().order = e.clock;
                make_buffer(t, e.step.location);
            }
            if (!failed) run_to_next_access(t);
        }
        if (how.preemptions >= 0 || how.random_runs > 0) return 0;
        procs still = 0;
        for (procs rest = n.asleep & ~only(proc); rest != 0; rest &= rest - 1)
            if (unsigned const p = lowest(rest); enabled(p) && !dependent(e, p)) still |= only(p);
        return still;
    }

    /// Ends the threads of a schedule that is of no more interest, so that what they hold is given back.
    bool drain() {
        for (unsigned t = 0; t < n_threads; ++t) {
            for (auto const& b : threads[t].buffer)
                if (at(b.where).alive) append(t, b.where, b.what);
            threads[t].buffer.clear();
        }
        for (unsigned round = 0; round < 1000; ++round) {
            bool all = true;
            for (unsigned t = 0; t < n_threads; ++t) {
                if (threads[t].finished) continue;
                all = false;
                if (threads[t].pending != nullptr) {
                    ways(t, *threads[t].pending, way_list);
                    execute(t, *threads[t].pending, way_list[0], nullptr);
                }
                run_to_next_access(t);
            }
            if (all) return true;
        }
        return false;
    }

    /// Changes the last choice that can be changed. False: there is none.
    bool next_schedule() {
        while (!nodes.empty()) {
            node& n = nodes.back();
            if (n.option + 1 < n.choices) {
                ++n.option;
                return true;
            }
            n.asleep |= only(n.proc);
            procs const left = n.backtrack & ~n.asleep;
            if (left != 0) {
                n.proc = static_cast<std::uint8_t>(lowest(left));
                n.option = 0;
                n.choices = 1;
                return true;
            }
            nodes.pop_back();
        }
        return false;
    }

    // ------------------------------------------------------------------ report

    std::string schedule() {
        static char const* const kinds[] = {"load", "store", "exchange", "cas", "add", "sub", "or", "and",
                                            "park", "wake", "resume", "flush"};
        std::string out;
        char line[400];
        for (std::size_t i = 0; i < events.size(); ++i) {
            event const& e = events[i];
            op const& o = e.step;
            unsigned const t = owner[e.proc];
            char values[120] = "";
            auto const value = static_cast<unsigned long long>(o.value);
            auto const operand = static_cast<unsigned long long>(o.operand);
            switch (o.kind) {
            case op_kind::load:
                if (e.age > 0)
                    std::snprintf(values, sizeof values, "-> %llx (%u older than the newest)", value, e.age);
                else
                    std::snprintf(values, sizeof values, "-> %llx", value);
                break;
            case op_kind::store: std::snprintf(values, sizeof values, "<- %llx", operand); break;
            case op_kind::flush: std::snprintf(values, sizeof values, "<- %llx, reaches memory", value); break;
            case op_kind::cas:
                std::snprintf(values, sizeof values, "%llx <- %llx %s %llx", static_cast<unsigned long long>(o.expected),
                              operand, o.success ? "done, was" : "failed, saw", value);
                break;
            case op_kind::park: std::snprintf(values, sizeof values, o.success ? "asleep" : "returns at once"); break;
            case op_kind::wake: std::snprintf(values, sizeof values, "wakes %llu", value); break;
            case op_kind::resume: break;
            default: std::snprintf(values, sizeof values, "%llx, was %llx", operand, value); break;
            }
            bool const has_order = o.kind < op_kind::park;
            bool const has_place = o.kind != op_kind::flush;
            std::snprintf(line, sizeof line, "  %3zu  thread %u  %-8s #%-2u %-38s %-8s", i + 1, t,
                          kinds[static_cast<int>(o.kind)], o.location, values,
                          has_order ? order_name(order_of(o, o.kind == op_kind::cas && !o.success)) : "");
            out += line;
            if (has_place) {
                site const s{o.where.file_name(), o.where.function_name(), o.where.line(), o.where.column(), o.kind, 0, 0};
                out += ' ';
                out += site_name(s);
                out += ':';
                out += std::to_string(s.line);
            }
            out += '\n';
        }
        return out;
    }

    result explore(detail::scenario const& s, options const& o) {
        how = o;
        client = &s;
        n_threads = static_cast<unsigned>(s.threads);
        if (n_threads < 1 || n_threads > max_threads) std::abort();
        active = true;
        failed = false;
        why.clear();
        nodes.clear();
        steps = 0;
        outcomes.clear();
        random = o.seed;
        restart_fibers();
        result r;
        for (;;) {
            ending const e = run_once();
            if (e == ending::redundant)
                ++r.redundant;
            else
                ++r.executions;
            if (e == ending::failed) {
                static char const* const models[] = {"sequential", "tso", "pso", "weak"};
                r.failed = true;
                r.what = why + "\n  memory: " + models[static_cast<int>(how.model)] + ", schedule " +
                         std::to_string(r.executions) + ", values in hexadecimal, #n is the n-th atomic made\n" + schedule();
                break;
            }
            if (how.random_runs > 0) {
                if (r.executions >= how.random_runs) break;
            } else if (!next_schedule()) {
                break;
            }
            if (r.executions + r.redundant >= how.max_executions) {
                r.complete = false;
                break;
            }
        }
        r.steps = steps;
        r.outcomes = outcomes;
        active = false;
        return r;
    }

    std::vector<way> way_list;
};

machine& the_machine() { return machine::instance(); }

}  // namespace

namespace detail {

std::uint8_t new_location(std::uint64_t initial) {
    machine& m = the_machine();
    if (m.n_locations == max_locations) {
        m.fail("too many atomics for this simulator");
        std::fprintf(stderr, "sim: more than %u atomics in one scenario\n", max_locations);
        std::abort();
    }
    auto const l = static_cast<std::uint8_t>(m.n_locations++);
    location& where = m.locations[l];
    where.alive = true;
    where.messages.clear();
    where.maker = static_cast<std::uint8_t>(m.running);  // making it is not atomic: others need happens-before
    where.made_at = m.threads[m.running].clock[m.running];
    where.used_at.fill(0);
    message first;
    first.value = initial;
    where.messages.push_back(first);
    for (auto& t : m.threads) t.seen[l] = 0;
    return l;
}

void drop_location(std::uint8_t l) {
    machine& m = the_machine();
    location& where = m.locations[l];
    where.alive = false;
    if (!m.active || m.draining) return;
    for (unsigned t = 0; t <= max_threads; ++t)  // an access that comes later is found then
        if (t != m.running && where.used_at[t] > m.threads[m.running].clock[t])
            m.fail("data race: thread " + std::to_string(m.running) + " destroys an atomic that thread " + std::to_string(t) +
                   " uses, without happens-before");
}

void perform(op& o) {
    machine& m = the_machine();
    if (!m.active) {
        std::fprintf(stderr, "sim: an atomic was used outside of explore()\n");
        std::abort();
    }
    if (m.running == main_thread) {
        if (++m.main_steps > 100'000) {  // nobody can stop this thread but by ending the program
            std::puts("no progress: the constructor, finish() or the destructor of a scenario does not end");
            std::fflush(stdout);
            std::_Exit(4);
        }
        m.note_site(o);
        machine::way w{machine::outcome::read, m.at(o.location).messages.size() - 1};
        m.execute(main_thread, o, w, nullptr);
        return;
    }
    unsigned const t = m.running;
    m.threads[t].pending = &o;
    m.fibers[t].suspend();
}

void plain_access(plain_state& s, bool write, std::source_location where) {
    machine& m = the_machine();
    if (!m.active || m.draining) return;
    unsigned const t = m.running;
    clock_vector const& now = m.threads[t].clock;
    bool race = s.written_at > now[s.writer];
    unsigned with = s.writer;
    if (write)
        for (unsigned i = 0; i <= max_threads; ++i)
            if (i != t && s.read_at[i] > now[i]) {
                race = true;
                with = i;
            }
    if (race) {
        m.fail(std::string("data race: thread ") + std::to_string(t) + (write ? " writes" : " reads") + " what thread " +
               std::to_string(with) + (with == s.writer && s.written_at > now[s.writer] ? " writes" : " reads") +
               " without happens-before, line " + std::to_string(where.line()));
        if (t != main_thread) m.fibers[t].suspend();  // for ever: a failure ends the exploration
        return;
    }
    if (write) {
        s.writer = static_cast<std::uint8_t>(t);
        s.written_at = now[t];
    } else {
        s.read_at[t] = now[t];
    }
}

result explore(scenario const& s, options const& o) { return the_machine().explore(s, o); }

}  // namespace detail

void outcome(std::uint64_t value) {
    auto& all = the_machine().outcomes;
    auto const at = std::lower_bound(all.begin(), all.end(), value);
    if (at == all.end() || *at != value) all.insert(at, value);
}

void require(bool condition, char const* what) {
    if (condition) return;
    machine& m = the_machine();
    if (m.draining) return;
    m.fail(what);
    if (m.running != main_thread) m.fibers[m.running].suspend();
}

char const* order_name(int order) {
    switch (static_cast<std::memory_order>(order)) {
    case std::memory_order_relaxed: return "relaxed";
    case std::memory_order_consume: return "consume";
    case std::memory_order_acquire: return "acquire";
    case std::memory_order_release: return "release";
    case std::memory_order_acq_rel: return "acq_rel";
    default: return "seq_cst";
    }
}

std::string site_name(site const& s) {
    static char const* const calls[] = {"load", "store", "exchange", "compare_exchange", "fetch_add", "fetch_sub",
                                        "fetch_or", "fetch_and", "wait", "wake", "wait", "flush"};
    std::string const file = s.file;
    std::string const short_file = file.substr(file.find_last_of('/') + 1);

    std::string function = s.function;
    auto const is_word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    std::string const nameless = "(anonymous namespace)";  // clang names template arguments that live there with parentheses
    for (std::size_t p; (p = function.find(nameless)) != std::string::npos;) function.erase(p, nameless.size());
    function = function.substr(0, function.find('('));
    std::size_t begin = function.size();
    while (begin > 0 && (is_word(function[begin - 1]) || function[begin - 1] == '~')) --begin;
    function = function.substr(begin);

    std::ifstream in(file);
    std::string text;
    for (std::uint32_t i = 0; i < s.line && std::getline(in, text);) ++i;
    std::string const call = calls[static_cast<int>(s.kind)];
    std::string object = "?";
    std::size_t best = std::string::npos;
    for (std::size_t p = text.find("." + call); p != std::string::npos; p = text.find("." + call, p + 1)) {
        std::size_t const column = s.column;
        std::size_t const distance = p > column ? p - column : column - p;
        if (best != std::string::npos && distance >= best) continue;
        best = distance;
        std::size_t b = p;
        int depth = 0;
        while (b > 0 && (is_word(text[b - 1]) || text[b - 1] == '.' || text[b - 1] == '>' || text[b - 1] == ']' || depth > 0)) {
            --b;
            if (text[b] == ']') ++depth;
            if (text[b] == '[') --depth;
        }
        object = text.substr(b, p - b);
        if (auto const bracket = object.find('['); bracket != std::string::npos) object = object.substr(0, bracket) + "[]";
    }
    return short_file + " " + function + " " + object + "." + call;
}

}  // namespace test::sim
