// runtime/exec/state.h -- parameters, states and optimiser states of a world, once, by name.
#ifndef RUNTIME_EXEC_STATE_H
#define RUNTIME_EXEC_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/map.h"
#include "ir/ir.h"
#include "runtime/exec/memory.h"
#include "runtime/record/safetensors.h"

// Entries keep the order of the function of initial values. Their memory is one block; each begins
// at a multiple of 64 bytes, so that equal shapes give equal layouts.
typedef struct RtState {
    Arena arena;
    RtMemory memory;
    int n;
    RtTensor *tensors; // "dynamics.decoder.0.w", "dynamics.fit.m.key.w"
    IrRole *roles;     // PARAM or STATE
    Map names;         // name -> RtTensor
} RtState;

// A zeroed state with an entry for each output of `init` (static shapes). The caller frees it with
// rt_state_free().
RtState *rt_state_new(const IrFunction *init);
RtState *rt_state_clone(const RtState *s);
void rt_state_free(RtState *s);

// The entry called `name`, or NULL.
RtTensor *rt_state_find(const RtState *s, const char *name);

// Copies the values of entries whose names begin with `prefix` ("" for all) from `from`, which has
// the same entries.
void rt_state_copy(RtState *to, const RtState *from, const char *prefix);

// Number of elements of role PARAM whose names begin with `prefix`.
int64_t rt_state_count(const RtState *s, const char *prefix);

#endif
