// runtime/exec/pool.h -- threads that enter a step together.
//
// Between steps a worker waits in the kernel after a short time of looking; within a step it
// neither sleeps nor locks (code synchronises by barriers of its own). Results never depend on the
// number of threads.
#ifndef RUNTIME_EXEC_POOL_H
#define RUNTIME_EXEC_POOL_H

typedef struct RtPool RtPool;

// A pool of `n_threads` threads, the caller of rt_pool_run() being one. 0: as many as this process
// may use. The caller frees it with rt_pool_free().
RtPool *rt_pool_new(int n_threads);
void rt_pool_free(RtPool *p);

int rt_pool_size(const RtPool *p);

// Calls work(data, thread, n) on threads 0 .. n - 1 (thread 0 is the caller) and returns when all
// are done. n <= rt_pool_size(). One run at a time.
void rt_pool_run(RtPool *p, int n, void (*work)(void *data, int thread, int n), void *data);

// The same, for code that knows of no RtPool (EnvBatch.run); `pool` is one.
void rt_pool_run_on(void *pool, int n, void (*work)(void *data, int thread, int n), void *data);

// Processors this process may run on.
int rt_pool_available(void);

#endif
