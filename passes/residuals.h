// passes/residuals.h -- which forward values a loop stores for its reverse loop.
#ifndef PASSES_RESIDUALS_H
#define PASSES_RESIDUALS_H

#include "passes/rewrite.h"

// One step of `loop`, forward and reverse part in one block, and what the reverse part is to have.
typedef struct Residuals {
    PassCtx *cx;
    IrFunction *fn;
    const IrBlock *body;
    const IrNode *loop;
    IrNode *const *carries; // parameters that only the forward loop knows
    int n_carry;
    const PassSet *changes; // what depends on the step
    const PassSet *late;    // what belongs to the reverse part
    const PassSet *wanted;  // forward values that the reverse part reads
    const PassSet *arrays;  // of those: wanted for all steps at once, too
    const PassSet *given;   // forward values that the loop collects in any case
} Residuals;

// The forward values to store: from them, captured values, slices and the index, everything wanted
// can be made again. Carries can only be stored; a value that does not change from step to step
// is always made again. The choice is the one of least cost, arithmetic against bytes, at the
// likely sizes, and depends on nothing else.
PassSet residuals_choose(const Residuals *r);

#endif
