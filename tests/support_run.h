// tests/support_run.h -- graphs lowered to kernels, run by the reference back end or compiled, and
// compared with their direct evaluation.
#ifndef TESTS_SUPPORT_RUN_H
#define TESTS_SUPPORT_RUN_H

#include "codegen/backend.h"
#include "ir/schedule.h"
#include "tests/support_eval.h"

// A target that cuts even small kernels into pieces, so that tests see threads and barriers.
extern const IrTarget run_small_pieces;

// A copy of `f`, owned by `a`, as kernels and a tree; the schedule is verified.
IrSchedule *run_lower(Arena *a, const IrFunction *f, const IrTarget *target);

// `call->n_threads` threads (at most 8) enter a compiled step; all have left when this returns.
void run_threads(const Backend *backend, const BackendStep *step, const BackendCall *call);

// The outputs of a schedule's step run by `n_threads`, in order; updates as their new values.
EvalTensor **run_schedule(const Eval *e, const IrSchedule *s, EvalTensor *const *in, int n_threads);

// Lowers `f` and runs it for random inputs with 1, 2 and 3 threads, which must agree to the bit.
// Gives the greatest distance to the direct evaluation. Dim i is `size` + i, or its maximum if that
// is less; with size 0 all are 0.
double run_distance(const IrFunction *f, int64_t size, uint64_t salt);

// The same after all passes, by the reference back end and by native code, for each of `sizes`.
double run_compiled_distance(const IrFunction *f, const int64_t *sizes, int n_sizes, uint64_t salt);

// run_distance for text that holds one function.
double run_text_distance(const char *text, int64_t size);

// Number of nodes of a kind in `t`.
int run_count(const IrTree *t, IrTreeKind kind);

#endif
