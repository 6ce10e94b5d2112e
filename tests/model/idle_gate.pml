// SPDX-License-Identifier: BSL-1.0
/*
 * The idle gate (include/sluice/executor/detail/idle_gate.md) for Spin: more workers and submissions than the interleaving
 * clients can have, sequentially consistent memory only.
 *
 *   spin -a idle_gate.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m200000
 *
 * A lost wake-up, or a pool that cannot be stopped, is an invalid end state. The assertions say the rest.
 *
 * NW workers, NS submitters, NI pieces of work each. RAMP: a worker that has taken something runs for ever (until the end):
 * each further piece then needs a worker of its own, NW >= NS * NI.
 * WANTED: somebody asks for that many workers only, at any time; the others have to leave although nothing else happens.
 * Planted, one at a time; Spin must find an error in each:
 *   NO_RECHECK       no second look after the announcement
 *   NO_CALL          leave() does not take the call
 *   NO_CHAIN         the last searcher does not look for more (with RAMP)
 *   EARLY_NOTIFY     notify before the work is visible
 *   NO_STOP_LOOK     no look at the end between announcement and sleep
 *   QUIET_STOP       the end wakes nobody
 *   ONE_FOR_ALL      a submitter relies on workers that are merely awake, not searching (with RAMP)
 *   STRAY_WAKE       a sleeper that is woken beside an open call sleeps again: the wake-up was meant for another
 * and with WANTED
 *   LEAVE_UNSEEN     a worker leaves and still counts as a sleeper
 *   NO_PASS_ON       a worker that was woken and finds work tells nobody that there still is one too many (with RAMP)
 *   QUIET_SHRINK     the request wakes nobody
 *   EARLY_CROWD      looks whether it is one too many before the announcement, not after it
 *   QUIET_HAND_OVER  a worker that leaves gives its work back and tells nobody
 */
#ifndef NW
#define NW 2
#endif
#ifndef NS
#define NS 2
#endif
#ifndef NI
#define NI 1
#endif
#ifndef WANTED
#define WANTED NW
#endif
#define MOST_SEARCHERS ((NW + 1) / 2)

byte queue = 0;             /* work that can be seen */
byte taken = 0;
byte epoch = 0, sleepers = 0, calls = 0, searchers = 0;  /* the word; each atomic step below is one operation on it */
bool parked[NW];            /* in the kernel */
bool over = false;
byte submitted = 0, ended = 0;
byte staying = NW, wanted = NW;
bool crowded = false;       /* staying > wanted, but for a moment */

/* Wakes one thread in the kernel, any. */
#if NW > 2
#define WAKE_2 :: parked[2] -> parked[2] = false
#define NOT_2 && !parked[2]
#else
#define WAKE_2
#define NOT_2
#endif
#if NW > 3
#define WAKE_3 :: parked[3] -> parked[3] = false
#define NOT_3 && !parked[3]
#else
#define WAKE_3
#define NOT_3
#endif
inline wake_one() {
    atomic {
        if
        :: parked[0] -> parked[0] = false
        :: parked[1] -> parked[1] = false
        WAKE_2
        WAKE_3
        :: !parked[0] && !parked[1] NOT_2 NOT_3 -> skip
        fi
    }
}

inline notify() {
    atomic { epoch = epoch + 1; asleep = sleepers > calls }
    if
    :: asleep ->
        atomic {
            if
#ifdef ONE_FOR_ALL
            :: sleepers > calls && searchers + calls == 0 && sleepers == NW -> calls++; epoch = epoch + 1; called = true
            :: else -> called = false
#else
            :: sleepers > calls && searchers + calls == 0 -> calls++; epoch = epoch + 1; called = true
            :: else -> called = false
#endif
            fi
        }
        if
        :: called -> wake_one()
        :: else
        fi
    :: else
    fi;
    asleep = false; called = false
}

inline take() {
    atomic {
        if
        :: queue > 0 -> queue--; got = true
        :: else -> got = false
        fi
    }
}

inline leave() {
    atomic {
        sleepers--;
        if
#ifndef NO_CALL
        :: calls > 0 -> calls--; searchers++; searching = true
#endif
        :: else -> searching = false
        fi;
        assert(calls <= sleepers || calls == 0)
    }
}

inline begin_search() {
    atomic {
        if
        :: searchers < MOST_SEARCHERS -> searchers++; searching = true
        :: else -> searching = false
        fi
    }
}

inline end_search() {
    atomic { last = (searchers == 1 && sleepers > calls); searchers--; searching = false }
}

inline work_on() {
    taken++;
    got = false;
#ifdef RAMP
    over; /* until the end */
#endif
}

inline chain() {
#ifndef NO_CHAIN
    if
    :: last && queue > 0 -> notify()
    :: else
    fi;
#endif
    last = false
}

inline stir_one() {
    atomic { epoch = epoch + 1 }
    wake_one()
}

inline pass_on() {
#ifndef NO_PASS_ON
    if
    :: woken && crowded -> stir_one()
    :: else
    fi;
#endif
    woken = false
}

/* Under the lock of the roster. */
inline may_leave() {
    atomic {
        if
        :: staying > wanted -> staying--; left = true
        :: else -> left = false
        fi;
        crowded = (staying > wanted)
    }
}

/* Has a piece of work in hand, and is one too many: gives it to the others. */
inline leave_or_work_on() {
#if WANTED < NW && !defined(RAMP)
    if
    :: crowded ->
        if
        :: sleepers == 0 -> may_leave()
        :: else
        fi
    :: else
    fi;
    if
    :: left ->
        queue++;
#ifndef QUIET_HAND_OVER
        notify();
#endif
        goto done
    :: else
    fi;
#endif
    work_on()
}

proctype worker(byte me) {
    bool searching, got, last, asleep, called, ends, idle, woken, left, early;
    byte key;
search:
    begin_search();
look:
    if
    :: searching ->
        take();
        if
        :: got -> end_search(); chain(); pass_on(); leave_or_work_on(); goto search
        :: else
        fi
    :: else
    fi;
#ifdef EARLY_CROWD
    early = crowded;
#endif
    atomic {  /* announce */
        sleepers++;
        if
        :: searching -> searchers--; searching = false
        :: else
        fi;
        key = epoch
    }
#ifdef NO_STOP_LOOK
    ends = false;
#else
    ends = over;
#endif
#ifndef NO_RECHECK
    if
    :: !ends ->
        take();
        if
        :: got ->
            leave();
            if
            :: searching -> end_search()
            :: else -> last = (sleepers > 0)
            fi;
            chain(); pass_on(); leave_or_work_on(); goto search
        :: else
        fi
    :: else
    fi;
#endif
    if
    :: ends ->
        leave();
        if
        :: searching -> end_search()
        :: else
        fi;
        goto done
    :: else
    fi;
#if WANTED < NW
#ifndef EARLY_CROWD
    early = crowded;
#endif
    if
    :: early ->
        early = false;
#ifdef LEAVE_UNSEEN
        may_leave();
        if
        :: left -> goto done
        :: else
        fi;
#endif
        leave();
        if
        :: searching -> goto look
        :: else ->
            may_leave();
            if
            :: left -> goto done
            :: else -> goto search
            fi
        fi
    :: else
    fi;
#endif
sleep:
#ifdef STRAY_WAKE
    idle = (epoch == key);
#else
    atomic { idle = (epoch == key && calls == 0) }
#endif
    if
    :: idle ->
        atomic {  /* the kernel looks at the epoch once more */
            if
            :: epoch == key -> parked[me] = true
            :: else
            fi
        };
        !parked[me];
        goto sleep
    :: else
    fi;
    leave();
#if WANTED < NW
    woken = true;
#endif
    if
    :: searching -> goto look
    :: else -> goto search
    fi;
done:
    ended++
}

proctype submitter() {
    bool asleep, called;
    byte i;
    for (i : 1 .. NI) {
#ifdef EARLY_NOTIFY
        notify(); queue++
#else
        queue++; notify()
#endif
    }
    submitted++
}

proctype resizer() {
    byte i;
    atomic { wanted = WANTED; crowded = (staying > wanted) }
#ifndef QUIET_SHRINK
    atomic { epoch = epoch + 1 }
    for (i : 1 .. NW - WANTED) { wake_one() }
#endif
}

init {
    byte i;
    atomic {
        for (i : 0 .. NW - 1) { run worker(i) }
        for (i : 1 .. NS) { run submitter() }
#if WANTED < NW
        run resizer()
#endif
    }
    submitted == NS && taken == NS * NI && staying == WANTED;  /* otherwise: somebody sleeps over work, or stays */
    over = true;
#ifndef QUIET_STOP
    epoch = epoch + 1;
    i = 0;
    do
    :: i < NW -> parked[i] = false; i++
    :: else -> break
    od;
#endif
    ended == NW;
    assert(queue == 0 && sleepers == 0 && searchers == 0 && calls == 0)
}
