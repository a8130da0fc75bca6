// tests/support_native.h -- a graph compiled by both back ends from one schedule, and run at any
// sizes in memory that shows what is read or written outside.
#ifndef TESTS_SUPPORT_NATIVE_H
#define TESTS_SUPPORT_NATIVE_H

#include "codegen/backend.h"
#include "tests/support_eval.h"

// Memory that ends at a page which nobody may touch.
typedef struct NativeMemory {
    char *pages, *end;
    size_t size;
} NativeMemory;

typedef struct Native {
    IrFunction *fn; // after the passes
    IrSchedule *s;
    BackendStep *ref, *native;
    NativeMemory *inputs, *outputs, arena;
} Native;

// `f` (which stays as it is) through the default pipeline and both back ends, but without lowrank,
// which is right for finite numbers only; `in_pieces` cuts even small kernels into pieces. The
// results live in `a`; the caller frees them with native_close().
Native native_open(Arena *a, const IrFunction *f, bool in_pieces);
void native_close(Native *n);

// The outputs of a call, by `ref` or the native step. All memory that is not an input is NaN (-1)
// before; inputs and outputs have exactly the size that e->dims says. Fails the test where
// something was written before an output.
EvalTensor **native_run(Native *n, const Eval *e, bool by_ref, EvalTensor *const *in,
                        int n_threads);

#endif
