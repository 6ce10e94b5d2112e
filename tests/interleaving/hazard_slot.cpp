// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of detail::hazard_slot: readers that move on, let go and leave beside writers that
// replace and free, the writers under a mutex made of the same simulated memory where there are two.
#include <sluice/core/detail/hazard_slot.hpp>

#include "interleaving/mutex.hpp"
#include "support/interleave_main.hpp"

namespace {

using test::sim::require;

struct object : sluice::detail::hazard_node<object> {
    test::sim::plain<int> value{0};  // 0 before it is made and after it was freed
    int                   freed = 0;
};
using slot = sluice::detail::hazard_slot<object, test::sim::atomic>;

template <int Threads, int Readers>
struct client {
    static constexpr int threads = Threads;
    object               objects[4];
    slot                 s;
    slot::cell           cells[Readers];
    object*              held[Readers] = {};
    int                  last[Readers] = {};
    test::sim::mutex     lock;
    int                  made = 1;

    client() : s(&objects[0]) {
        objects[0].value.set(1);
        for (auto& c : cells) s.enlist(c);
    }

    /// What is read is whole, not freed, and never older than what was read before. Returns its number.
    int read(int r) {
        if (!slot::is_current(held[r], s.watched())) held[r] = s.renew(cells[r]);
        int const v = held[r]->value.get();
        require(v >= 1 && v <= 4, "what is read is there");
        require(v >= last[r], "no reader goes back");
        return last[r] = v;
    }
    void release(int r) {
        held[r] = nullptr;
        slot::release(cells[r]);
    }
    void free_all(object* chain) {
        while (chain != nullptr) {
            object* const next = chain->hazard_next;
            require(chain != s.current(), "the current object stays");
            chain->value.set(0);
            ++chain->freed;
            chain = next;
        }
    }
    void publish(object& next) {
        next.value.set(++made);
        s.replace(&next, static_cast<std::uint64_t>(made));
        free_all(s.collect());
    }
    void publish() { publish(objects[made]); }
    void locked_publish() {
        lock.lock();
        publish();
        lock.unlock();
    }
    void leave(int r) {
        release(r);
        lock.lock();
        s.dismiss(cells[r]);
        object* const garbage = s.collect();
        lock.unlock();
        free_all(garbage);
    }
    /// In the end what no reader holds is freed by one more look, and each object once.
    void finish() {
        free_all(s.collect());
        int alive = 0, bound = 1;
        for (auto& o : objects) alive += o.value.get() != 0 ? 1 : 0;
        for (auto* h : held) bound += h != nullptr ? 1 : 0;
        require(alive <= bound, "one object for each reader that holds one, and the current one");
        for (int r = 0; r < Readers; ++r) release(r);
        free_all(s.collect());
        for (auto& o : objects)
            if (&o != s.current() && o.freed > 0) require(o.value.get() == 0, "freed objects stay so");
        for (int i = 0; i < made - 1; ++i)
            if (&objects[i] != s.current()) require(objects[i].freed >= 1, "nothing is forgotten");
        require(s.current()->value.get() == made, "the last one that was published is current");
        require(s.version() == static_cast<std::uint64_t>(made), "and has its number");
    }
};

struct read_write : client<2, 1> {
    void thread(int i) {
        if (i == 0)
            read(0), read(0);
        else
            publish();
    }
    void finish() {
        require(objects[0].freed <= 1, "once");
        client::finish();
    }
};
/// A reader that looks at its own place meanwhile stays on one version, which is there, and moves on afterwards.
struct pinned : client<2, 1> {
    void thread(int i) {
        if (i == 0) {
            int const         v = read(0);
            slot::place const& own = slot::pinned(cells[0], held[0]);
            require(slot::is_current(held[0], own), "it stays");
            require(held[0]->value.get() == v, "and is there");
            if (!slot::is_current(held[0], s.watched())) held[0] = s.renew(cells[0]);
            require(held[0]->value.get() >= v, "no reader goes back");
        } else {
            publish();
        }
    }
};
struct read_write_write : client<2, 1> {
    void thread(int i) {
        if (i == 0)
            read(0), read(0);
        else
            publish(), publish();
    }
};
/// The object of a freed version comes back as a new one, at the same address.
struct recycle : client<2, 1> {
    void thread(int i) {
        if (i == 0) {
            read(0), read(0);
        } else {
            publish();
            bool const gone = objects[0].freed == 1;
            publish(gone ? objects[0] : objects[2]);
        }
    }
    void finish() {
        read(0);
        require(last[0] == 3, "the newest, whatever its address");
        free_all(s.collect());
    }
};
struct let_go : client<2, 1> {
    void thread(int i) {
        if (i == 0) {
            read(0);
            release(0);
            read(0);
        } else {
            publish();
        }
    }
};
struct let_go_at_once : client<2, 1> {
    void thread(int i) {
        if (i == 0)
            read(0), release(0);
        else
            publish(), free_all(s.collect());
    }
};
struct two_readers : client<3, 2> {
    void thread(int i) {
        if (i < 2)
            read(i);
        else
            publish();
    }
};
struct two_writers : client<3, 1> {
    void thread(int i) {
        if (i == 0)
            read(0);
        else
            locked_publish();
    }
};
struct leaves : client<2, 1> {
    void thread(int i) {
        if (i == 0)
            read(0), leave(0);
        else
            locked_publish();
    }
};
/// A reader that moves on beside one that leaves: the one that leaves collects.
struct leaves_beside : client<3, 2> {
    void thread(int i) {
        if (i == 0) {
            read(0);
        } else if (i == 1) {
            read(1), leave(1);
        } else {
            locked_publish();
        }
    }
};
struct numbers : client<2, 1> {
    void thread(int i) {
        if (i == 0) {
            auto const v = s.version();
            require(static_cast<std::uint64_t>(read(0)) >= v, "who knows the number finds the version");
        } else {
            publish();
        }
    }
};
/// What is told by other means is not overtaken.
struct told : client<2, 1> {
    test::sim::atomic<int> flag{0};
    void                   thread(int i) {
        if (i == 0) {
            read(0);
            bool const after = flag.load(std::memory_order_acquire) == 1;
            int const  v = read(0);
            if (after) require(v == 2, "a reader that was told sees what it was told about");
        } else {
            publish();
            flag.store(1, std::memory_order_release);
        }
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("hazard_slot", {"core/detail/hazard_slot.hpp"})
        .add<read_write>("read2 | publish")
        .add<numbers>("version, read | publish")
        .add<told>("read, told, read | publish, tell")
        .add<let_go_at_once>("read, release | publish, collect")
        .add<let_go>("read, release, read | publish")
        .add<recycle>("read2 | publish, publish again")
        .add<pinned>("read, pin, look, move on | publish")
        .add<read_write_write>("read2 | publish2")
        .add<leaves>("read, leave | publish")
        .add<two_readers>("read | read | publish")
        .add<two_writers>("read | publish | publish", {.stale = 2})
        .add<leaves_beside>("read | read, leave | publish", {.stale = 2})
        .run(argc, argv);
}
