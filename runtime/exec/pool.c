// runtime/exec/pool.c -- threads that enter a step together.
#include "runtime/exec/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ir/base/exits.h"

enum { LOOKS = 2000, MAX_THREADS = 256 }; // looks: some ten microseconds

typedef struct Worker {
    RtPool *pool;
    pthread_t thread;
    int index;
} Worker;

struct RtPool {
    int n_threads;
    Worker *workers;
    atomic_int round;   // changes when there is work, or the end
    atomic_int running; // workers that have not finished this round
    bool stop;
    int n;
    void (*work)(void *data, int thread, int n);
    void *data;
};

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void wait_while(atomic_int *word, int value) {
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != value)
            return;
        relax();
    }
    while (atomic_load_explicit(word, memory_order_acquire) == value)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(atomic_int *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, MAX_THREADS, NULL, NULL, 0);
}

static void *worker_main(void *arg) {
    Worker *w = arg;
    RtPool *p = w->pool;
    int seen = 0;

    for (;;) {
        wait_while(&p->round, seen);
        seen = atomic_load_explicit(&p->round, memory_order_acquire);
        if (p->stop)
            return NULL;
        if (w->index < p->n)
            p->work(p->data, w->index, p->n);
        if (atomic_fetch_sub_explicit(&p->running, 1, memory_order_acq_rel) == 1)
            wake(&p->running);
    }
}

int rt_pool_available(void) {
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

RtPool *rt_pool_new(int n_threads) {
    RtPool *p = calloc(1, sizeof *p);
    int n = n_threads > 0 ? n_threads : rt_pool_available();

    n = n > MAX_THREADS ? MAX_THREADS : n;
    if (!p || !(p->workers = calloc((size_t)n, sizeof *p->workers)))
        goto fail;
    p->n_threads = 1;
    for (int i = 1; i < n; i++) {
        Worker *w = &p->workers[i];
        *w = (Worker){.pool = p, .index = i};
        if (pthread_create(&w->thread, NULL, worker_main, w))
            goto fail;
        p->n_threads++;
    }
    return p;

fail:
    fprintf(stderr, "gssm: cannot start %d threads\n", n);
    exit(EXIT_SYSTEM);
}

void rt_pool_free(RtPool *p) {
    if (!p)
        return;
    p->stop = true;
    atomic_fetch_add_explicit(&p->round, 1, memory_order_release);
    wake(&p->round);
    for (int i = 1; i < p->n_threads; i++)
        pthread_join(p->workers[i].thread, NULL);
    free(p->workers);
    free(p);
}

int rt_pool_size(const RtPool *p) {
    return p->n_threads;
}

void rt_pool_run(RtPool *p, int n, void (*work)(void *data, int thread, int n), void *data) {
    if (n <= 1 || p->n_threads == 1) {
        work(data, 0, 1);
        return;
    }
    p->n = n < p->n_threads ? n : p->n_threads;
    p->work = work;
    p->data = data;
    atomic_store_explicit(&p->running, p->n_threads - 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->round, 1, memory_order_release);
    wake(&p->round);
    work(data, 0, p->n);
    for (int left; (left = atomic_load_explicit(&p->running, memory_order_acquire)) > 0;)
        wait_while(&p->running, left);
}

void rt_pool_run_on(void *pool, int n, void (*work)(void *data, int thread, int n), void *data) {
    rt_pool_run(pool, n, work, data);
}
