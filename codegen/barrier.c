// codegen/barrier.c -- where the threads of a step wait for each other.
//
// The last thread to arrive opens the next generation; the others spin on its number. A step has
// hundreds of barriers of less than a microsecond each, so nobody sleeps; but when there are more
// threads than free cores, a spinning thread may keep the core that the awaited one needs, so that
// after a while each turn gives the core away.
#include <sched.h>

#include "codegen/backend.h"

enum { ARRIVED, GENERATION };

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

void backend_barrier(atomic_int *words, int n_threads) {
    if (n_threads <= 1)
        return;
    int generation = atomic_load_explicit(&words[GENERATION], memory_order_relaxed);

    // the last one resets the count before it opens the gate: no one can arrive twice in between
    if (atomic_fetch_add_explicit(&words[ARRIVED], 1, memory_order_acq_rel) == n_threads - 1) {
        atomic_store_explicit(&words[ARRIVED], 0, memory_order_relaxed);
        atomic_store_explicit(&words[GENERATION], (int)((unsigned)generation + 1),
                              memory_order_release);
        return;
    }
    for (int spins = 0;
         atomic_load_explicit(&words[GENERATION], memory_order_acquire) == generation;) {
        if (spins < BACKEND_SPINS) {
            spins++;
            pause_briefly();
        } else {
            sched_yield();
        }
    }
}
