// runtime/exec/point.h -- a point at which a function is evaluated: sizes, and a value for each
// input.
//
// Values come from data, from the initial values of a State, or at random from a seed. They are
// doubles, so that the same point serves programs at f32 and f64.
#ifndef RUNTIME_EXEC_POINT_H
#define RUNTIME_EXEC_POINT_H

#include "runtime/exec/call.h"

// Arrays by name with their role: "in.x", "p.key.w", "draw.z". A zeroed one is empty.
typedef struct RtPointData {
    const char *const *names;
    const RtTensor *const *tensors;
    int n;
} RtPointData;

typedef enum RtPointKind {
    RT_POINT_NORMAL,   // standard normal
    RT_POINT_SMALL,    // a tenth of that
    RT_POINT_POSITIVE, // uniform from 0.1 to 1.1
    RT_POINT_COUNT
} RtPointKind;

typedef struct RtPoint {
    const IrFunction *fn;
    int64_t *dims; // value of each variable of fn->dims
    int n;         // inputs of fn
    int64_t *counts;
    double **values;
} RtPoint;

// Lowers the maxima of the bounded dims of `f`, which is not yet compiled, to `most`, so that
// little memory is planned; those that the arrays of `data` fix become what is needed.
void rt_point_cap(IrFunction *f, const RtPointData *data, int64_t most);

// Sizes for `f`: where `data` fix them those, else small ones (3 to 5, at most the maximum) that
// follow from `seed` and the name. Owned by `a`. NULL with a sentence in `why` where an array does
// not fit the function.
int64_t *rt_point_dims(Arena *a, const IrFunction *f, const RtPointData *data, uint64_t seed,
                       char *why, size_t why_size);

// A point of `f` at sizes `dims`. All values are from `data` where it has them. Else: parameters
// from `state`, or random where that is NULL; states random and positive, as moments are; settings
// their defaults; inputs and draws random; whole numbers 0 to 3. All real values are rounded to f32
// with `narrow`. False with a sentence in `why` where an array does not fit.
bool rt_point_new(RtPoint *p, Arena *a, const IrFunction *f, const int64_t *dims,
                  const RtPointData *data, const RtState *state, RtPointKind kind, uint64_t seed,
                  bool narrow, char *why, size_t why_size);

// Sets the dims and inputs of `call`, whose program has the inputs of p->fn, in order, and perhaps
// more behind. Parameters and states are written to the memory that the call is bound to.
void rt_point_put(const RtPoint *p, RtCall *call);

#endif
