// runtime/exec/gradcheck.h -- gradients of a function against finite differences.
//
// The function becomes a real scalar r: its output, or the sum of all its real outputs with random
// weights. Compiled gradients of r by every real parameter, state, setting and input are compared
// with central differences of r at f64, along single coordinates and random directions. Draws are
// the same in all evaluations, and what stands under stop_gradient keeps its value at the point.
#ifndef RUNTIME_EXEC_GRADCHECK_H
#define RUNTIME_EXEC_GRADCHECK_H

#include "runtime/exec/point.h"

typedef struct RtGradcheckDef {
    const RtProgramDef *program; // back end, passes, draws that the data replace
    const RtPointData *data;
    const RtState *state; // initial values
    RtPool *pool;         // or NULL
    uint64_t seed;
    double tolerance;
    int samples; // coordinates of each array that are tried; all of them where it has no more
} RtGradcheckDef;

// Good defaults: 1e-6, 16 samples, seed 0.
RtGradcheckDef rt_gradcheck_def(void);

// One array that the function is differentiated by, or all of them together.
typedef struct RtGradArray {
    const char *name; // with its role: "p.key.w"
    int rank;
    int64_t shape[IR_MAX_RANK];
    double largest;     // greatest gradient by an element
    int n_probes;       // coordinates and directions that were tried
    int n_kinks;        // those where r has no derivative near the point, wherever it was moved to
    int n_moved;        // those for which the point was moved away from a kink
    double worst;       // greatest |difference - gradient| / scale
    int64_t worst_at;   // element; -1 for a direction
    double got, wanted; // gradient and difference there
} RtGradArray;

typedef enum RtGradStatus {
    RT_GRAD_CHECKED,
    RT_GRAD_NONE,       // no real output, or nothing real to differentiate by
    RT_GRAD_IMPASSABLE, // an operation on the way has no gradient: errors in the Diag
    RT_GRAD_NOT_FINITE, // r is not finite at any point that was tried
    RT_GRAD_BROKEN,     // errors in the Diag, or a sentence
} RtGradStatus;

typedef struct RtGradcheck {
    RtGradStatus status;
    const IrFunction *fn; // inlined
    RtPoint point;
    RtPointKind kind;  // of the random values
    int n_held;        // values under stop_gradient
    bool *draws_found; // one for each of def->program->draws
    RtGradArray *arrays;
    int n;
    RtGradArray together; // directions through all arrays at once
    double worst;
    const RtGradArray *worst_array;
    int n_probes, n_kinks, n_moved;
    bool ok; // all within the tolerance, and no array without a single comparison
} RtGradcheck;

// Checks `f`, an entry with its calls, at f64; it is rewritten. The scale of an error is the
// greatest gradient by an element of the array, but at least a millionth of the greatest of all
// arrays and a hundred-thousandth of r, since differences see no more. Owned by `a`. `why` gets a
// sentence for RT_GRAD_BROKEN without errors in `d`.
RtGradcheck rt_gradcheck(Arena *a, IrFunction *f, Diag *d, const RtGradcheckDef *def, char *why,
                         size_t why_size);

#endif
