// tests/support_eval.h -- evaluates a graph directly, in double, as its operations are documented.
//
// Slow and plain: what passes and back ends do is compared with it. Loops are run step by step, a
// map as a loop, a call by entering the function, a gradient by finite differences. All reals are
// doubles whatever their dtype, so a graph and its rewritten form agree to rounding.
#ifndef TESTS_SUPPORT_EVAL_H
#define TESTS_SUPPORT_EVAL_H

#include "ir/ir.h"

typedef struct EvalTensor {
    IrDtype dtype;
    int rank;
    int64_t shape[IR_MAX_RANK];
    int64_t n;
    double *x; // row-major
} EvalTensor;

// A scan or map around the node that is evaluated.
typedef struct EvalLoop {
    const struct EvalLoop *outer;
    const char *name;
    int64_t index;
} EvalLoop;

typedef struct Eval {
    Arena *arena;        // owns all results
    const int64_t *dims; // value of each variable, in the order of IrDims.vars
    uint64_t seed, call; // of draws

    // where the evaluation is; zero at first
    const char *prefix;
    const EvalLoop *loops;
} Eval;

// A tensor of zeros.
EvalTensor *eval_zeros(const Eval *e, const IrType *t);

// Inputs for `f`: reals spread around 0 (never within 0.05 of it), i32 small and not negative.
// The same `salt` gives the same values.
EvalTensor **eval_random_inputs(const Eval *e, const IrFunction *f, uint64_t salt);

// The outputs of `f`, one tensor each.
EvalTensor **eval_function(const Eval *e, const IrFunction *f, EvalTensor *const *in);

// The elements of `t` as its dtype has them in memory, to and from `t->n` of them.
void eval_store(const EvalTensor *t, void *to);
void eval_load(EvalTensor *t, const void *from);

// Greatest |x - y| / max(1, |x|, |y|) over all elements; infinite where shapes or NaNs differ.
double eval_distance(const EvalTensor *x, const EvalTensor *y);

#endif
