// codegen/backend.h -- what a back end is: a schedule in, something that runs it out.
#ifndef CODEGEN_BACKEND_H
#define CODEGEN_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ir/schedule.h"

// Everything a step needs from outside. Constant during the call, shared by the threads.
typedef struct BackendCall {
    void *const *inputs;  // one pointer for each input of the function, in order
    void *const *outputs; // one for each output; ignored for updates in place
    const int64_t *dims;  // value of each variable of the schedule's IrDims, in order
    void *arena;          // schedule.arena_bytes, aligned to 64
    uint64_t seed;        // of draws
    uint64_t call;        // call number of draws
    int n_threads;        // that call `run` together
    atomic_int *barrier;  // two zeroed words: arrived, generation; used by the threads of this call
} BackendCall;

typedef struct BackendStep BackendStep; // a compiled schedule; constant; each back end defines it

typedef struct BackendOptions {
    bool no_cache;         // do not read or write objects on disk
    const char *cache_dir; // NULL: $GSSM_CACHE, else $XDG_CACHE_HOME/gssm, else ~/.cache/gssm
    int compile_threads;   // 0: all
    bool gemm_blas;        // products through OpenBLAS (--gemm=blas)
} BackendOptions;

// Times and counts of a compilation, for reports.
typedef struct BackendReport {
    int n_kernels, n_cached, n_compiled;
    double emit_seconds, optimize_seconds, codegen_seconds, link_seconds;
    size_t code_bytes;
} BackendReport;

typedef struct Backend {
    const char *name; // "ref", "cpu"
    IrTarget target;  // filled by `open`

    // Prepares the back end (finds the CPU's features, ...). Idempotent. False with a sentence.
    bool (*open)(char *why, size_t why_size);

    // Compiles `s`, which must outlive the step. NULL with a sentence in `why`.
    BackendStep *(*compile)(const IrSchedule *s, const BackendOptions *options,
                            BackendReport *report, char *why, size_t why_size);

    // Thread `thread` of call->n_threads enters the step; all of them must.
    void (*run)(const BackendStep *step, const BackendCall *call, int thread);

    // Writes what --emit names: "llvm", "llvm-opt", "asm", "obj". False if it has no such form.
    bool (*emit)(const IrSchedule *s, const BackendOptions *options, const char *form, FILE *out,
                 char *why, size_t why_size);

    void (*free)(BackendStep *step);
} Backend;

extern Backend ref_backend;
extern Backend llvm_backend; // named "cpu"

// By name, or NULL.
Backend *backend_find(const char *name);

// Turns that a thread waits at a barrier before it gives its core away at each further one: some
// tens of microseconds, more than any piece of work between two barriers of an unloaded machine.
enum { BACKEND_SPINS = 2000 };

// Waits until all `n_threads` threads of a call are here. `words` are BackendCall.barrier. What a
// thread wrote before is seen by all after. Spins, and gives way to others after a while.
void backend_barrier(atomic_int *words, int n_threads);

#endif
