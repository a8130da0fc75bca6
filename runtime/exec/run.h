// runtime/exec/run.h -- a program bound to a state: memory for its inputs and outputs, and the
// call.
#ifndef RUNTIME_EXEC_RUN_H
#define RUNTIME_EXEC_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/exec/pool.h"
#include "runtime/exec/program.h"

typedef struct RtRun RtRun;

// Binds `p` to `s`: parameters and states are used where they lie in `s`; inputs, settings, draws
// and outputs get memory for the maxima of the dims. `s` may be NULL for a program without
// parameters; `pool` may be NULL for one thread. All must outlive the run. The caller frees it with
// rt_run_free().
RtRun *rt_run_new(const RtProgram *p, RtState *s, RtPool *pool);
void rt_run_free(RtRun *r);

// Points the run at another state with the same entries.
void rt_run_bind(RtRun *r, RtState *s);

// Position among the inputs (roles INPUT, DRAW) or the outputs (roles OUT, GRAD), or -1.
int rt_run_find_input(const RtRun *r, const char *name);
int rt_run_find_output(const RtRun *r, const char *name);

// Sets the bounded dim `name`. False when the program has no such dim. A value out of range is an
// internal error: callers check.
bool rt_run_set_dim(RtRun *r, const char *name, int64_t value);

// Sets the setting `name` ("dynamics.rate"). False when the program has none of that name.
bool rt_run_set_setting(RtRun *r, const char *name, double value);

// Dense row-major memory of an input or output, and its number of elements at the current dims.
void *rt_run_input_data(RtRun *r, int i);
const void *rt_run_output_data(const RtRun *r, int i);
int64_t rt_run_input_count(const RtRun *r, int i);
int64_t rt_run_output_count(const RtRun *r, int i);

// The same through doubles, converted from or to the element type. `n` elements.
void rt_run_put(RtRun *r, int input, const double *values, int64_t n);
void rt_run_get(const RtRun *r, int output, double *values, int64_t n);

// One step: the whole program, once. Draws are those of `seed` and call number `call`.
void rt_run_step(RtRun *r, uint64_t seed, uint64_t call);

#endif
