// runtime/exec/call.h -- a program bound to a state: memory for its inputs and outputs, and the
// call.
#ifndef RUNTIME_EXEC_CALL_H
#define RUNTIME_EXEC_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/exec/pool.h"
#include "runtime/exec/program.h"

typedef struct RtCall RtCall;

// Binds `p` to `s`: parameters and states are used where they lie in `s`; inputs, settings, draws
// and outputs get memory for the maxima of the dims. `s` may be NULL for a program without
// parameters; `pool` may be NULL for one thread. All must outlive the run. The caller frees it with
// rt_call_free().
RtCall *rt_call_new(const RtProgram *p, RtState *s, RtPool *pool);
void rt_call_free(RtCall *r);

// Points the run at another state with the same entries.
void rt_call_bind(RtCall *r, RtState *s);

// Position among the inputs (roles INPUT, DRAW) or the outputs (roles OUT, GRAD), or -1.
int rt_call_find_input(const RtCall *r, const char *name);
int rt_call_find_output(const RtCall *r, const char *name);

// Sets the bounded dim `name`. False when the program has no such dim. A value out of range is an
// internal error: callers check.
bool rt_call_set_dim(RtCall *r, const char *name, int64_t value);

// Value of a dim at the current values of the program's dims.
int64_t rt_call_dim(const RtCall *r, const IrDim *dim);

// Sets the setting `name` ("dynamics.rate"). False when the program has none of that name.
bool rt_call_set_setting(RtCall *r, const char *name, double value);

// Dense row-major memory of an input or output, and its number of elements at the current dims.
void *rt_call_input_data(RtCall *r, int i);
const void *rt_call_output_data(const RtCall *r, int i);
int64_t rt_call_input_count(const RtCall *r, int i);
int64_t rt_call_output_count(const RtCall *r, int i);

// The same through doubles, converted from or to the element type. `n` elements.
void rt_call_put(RtCall *r, int input, const double *values, int64_t n);
void rt_call_put_at(RtCall *r, int input, int64_t i, double value);
void rt_call_get(const RtCall *r, int output, double *values, int64_t n);

// One step: the whole program, once. Draws are those of `seed` and call number `call`.
void rt_call_run(RtCall *r, uint64_t seed, uint64_t call);

#endif
