// SPDX-License-Identifier: BSL-1.0
// Every interleaving of small clients of detail/inbox.hpp.
#include "support/interleave_main.hpp"

#include <sluice/executor/detail/inbox.hpp>

namespace {

using test::sim::require;

struct letter;

/// A link whose accesses are checked for races.
class link {
public:
    link& operator=(letter* n) {
        to_.set(n);
        return *this;
    }
    operator letter*() const { return to_.get(); }

private:
    test::sim::plain<letter*> to_;
};
struct letter {
    link                  next;
    test::sim::plain<int> content, read;
};

/// Letters 2k and 2k + 1 are sent by thread k.
template <int Threads>
struct client {
    static constexpr int                             threads = Threads;
    letter                                           letters[6];
    bool                                             in[6] = {};
    sluice::detail::inbox<letter, test::sim::atomic> box;

    client() { box.open(); }
    void send(int i) {
        letters[i].content.set(100 + i);
        in[i] = box.push(&letters[i]);
    }
    bool read() {
        letter* n = box.take_all();
        bool const some = n != nullptr;
        int  last[3] = {-1, -1, -1};
        for (int count = 0; n != nullptr; n = n->next) {
            require(++count <= 6, "the chain has an end");
            int const i = static_cast<int>(n - letters);
            require(n->content.get() == 100 + i, "the content of a letter is visible to its reader");
            n->read.set(n->read.get() + 1);
            require(last[i / 2] < i, "oldest first");
            last[i / 2] = i;
        }
        return some;
    }
    void finish() {
        read();
        require(box.empty(), "nothing is left");
        for (int i = 0; i < 6; ++i) require(letters[i].read.get() == (in[i] ? 1 : 0), "each letter that was taken is read once");
    }
};

struct two_senders : client<3> {
    void thread(int i) { i < 2 ? send(2 * i) : (void)(read(), read()); }
};
struct one_sender : client<2> {
    void thread(int i) {
        if (i == 1) return (void)(read(), read());
        send(0);
        send(1);
    }
};
/// A worker leaves: it reads until it can close; the next one at its place opens again.
struct leaves : client<2> {
    test::sim::plain<int> place;
    void thread(int i) {
        if (i == 0) {
            send(0);
            send(1);
            return;
        }
        do {
            while (read()) {
            }
        } while (!box.close());
        require(box.close(), "closed is closed");
        require(!in[1] || letters[1].read.get() == 1, "nothing comes into a closed one");
    }
    void finish() {
        require(box.empty(), "a closed one is empty");
        require(!box.push(&letters[4]), "it refuses");
        box.open();
        send(5);
        client::finish();
    }
};
struct opens : client<2> {
    opens() { (void)box.close(); }
    void thread(int i) { i == 0 ? (void)(send(0), send(1)) : box.open(); }
};
/// Whoever closes an empty one sees what was done before an earlier close.
struct closes_twice : client<2> {
    test::sim::plain<int> told;
    bool                  first = false;
    void thread(int i) {
        if (i == 0) {
            told.set(7);
            first = box.close();
        } else if (box.empty() && !box.push(&letters[2])) {  // refused, so it is closed
            require(box.close(), "it is");
            require(told.get() == 7, "what came before the close");
        } else {
            in[2] = true;
            letters[2].content.set(102);
        }
    }
    void finish() {}
};
/// "Push, then look whether the worker is awake" against "say that it sleeps, then look into the inbox".
struct sleeps : client<2> {
    test::sim::atomic<int> awake{1};
    bool                   woken = false, found = false;
    void                   thread(int i) {
        if (i == 0) {
            send(0);
            woken = awake.load(std::memory_order_seq_cst) == 0;
        } else {
            (void)awake.exchange(0, std::memory_order_seq_cst);
            found = !box.empty();
        }
    }
    void finish() {
        require(woken || found, "the letter is seen, or the worker is woken");
        client::finish();
    }
};

}  // namespace

int main(int argc, char** argv) {
    return test::sim::suite("inbox", {"executor/detail/inbox.hpp"})
        .add<two_senders>("send | send | read2", {.stale = 2, .spurious = 1})
        .add<one_sender>("send2 | read2", {.stale = 3, .spurious = 1})
        .add<leaves>("send2 | leave", {.stale = 3})
        .add<opens>("send2 | open")
        .add<closes_twice>("close | close")
        .add<sleeps>("send, look | sleep, look", {.stale = 3})
        .run(argc, argv);
}
