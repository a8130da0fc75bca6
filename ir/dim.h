// ir/dim.h -- sizes of axes: polynomials in named dims, in normal form.
//
// A dim is a polynomial with integer coefficients (`N + M`, `2 * latent`, `T * N`). Dims are
// interned: within one IrDims, equal normal forms are the same pointer, so sizes are compared with
// ==. A dim that is a number is static. A named dim is bounded: its value comes with each call of
// a compiled program and is at most its maximum.
#ifndef IR_DIM_H
#define IR_DIM_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/buf.h"

typedef struct IrDim IrDim; // interned; constant; owned by its IrDims

// A named dim.
typedef struct IrDimVar {
    const char *name;
    int64_t max;    // greatest value it may have, >= 0
    int64_t likely; // value the cost model assumes, 0 for `max`
    int index;      // position in IrDims.vars and in arrays of dim values
} IrDimVar;

// All dims of one program. A zeroed IrDims with `arena` set is empty.
typedef struct IrDims {
    Arena *arena;
    IrDimVar **vars;
    int n_vars, cap_vars;
    IrDim **table; // hash table of polynomials
    int n_table, cap_table;
} IrDims;

IrDim *ir_dim_const(IrDims *ds, int64_t value);

// The dim that is the variable `name`, made on first use; later calls ignore max and likely.
IrDim *ir_dim_var(IrDims *ds, const char *name, int64_t max, int64_t likely);

IrDim *ir_dim_add(IrDims *ds, IrDim *a, IrDim *b);
IrDim *ir_dim_sub(IrDims *ds, IrDim *a, IrDim *b);
IrDim *ir_dim_mul(IrDims *ds, IrDim *a, IrDim *b);

// a / b where the division is exact for every value of the variables, else NULL.
IrDim *ir_dim_div(IrDims *ds, IrDim *a, IrDim *b);

// True when `d` is a number, which goes to *value (if not NULL).
bool ir_dim_is_const(const IrDim *d, int64_t *value);

// The variable that `d` is, or NULL when it is anything else.
const IrDimVar *ir_dim_is_var(const IrDim *d);

// Value for given values of the variables, in the order of IrDims.vars.
int64_t ir_dim_eval(const IrDim *d, const int64_t *values);

// An upper bound: terms with positive coefficients at their maxima, others at 0; saturates at
// INT64_MAX / 4. `ir_dim_likely` evaluates at the likely values.
int64_t ir_dim_max(const IrDim *d);
int64_t ir_dim_likely(const IrDim *d);

// Terms of the normal form, for code generators: value = sum of coefficient * product of factors
// (a variable to the power p stands p times). Static and lives as long as the dim.
typedef struct IrDimTerm {
    int64_t coefficient;
    int n_factors;
    const IrDimVar *const *factors;
} IrDimTerm;
int ir_dim_terms(const IrDim *d, const IrDimTerm **terms);

// `d` with each variable replaced: `to[var->index]`, a dim of `ds` (which may be another IrDims).
IrDim *ir_dim_substitute(IrDims *ds, const IrDim *d, IrDim *const *to);

// Canonical text: "N + M", "2 * latent", "T * N + 1", "32".
void ir_dim_print(Buf *b, const IrDim *d);

#endif
