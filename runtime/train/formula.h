// runtime/train/formula.h -- small expressions of a recipe as numbers: schedules and conditions.
//
// A formula is an expression of the graph language over named numbers (`1e-3 * 0.9 ** (iteration /
// 10)`, `imagined_cost > 0.985`). It is turned into a list of instructions once; names become
// pointers, so that evaluating it costs a few nanoseconds an operation and allocates nothing.
#ifndef RUNTIME_TRAIN_FORMULA_H
#define RUNTIME_TRAIN_FORMULA_H

#include "ir/base/map.h"
#include "ir/lang/expr.h"

// Named numbers, which keep their place. A zeroed one is empty; NAN is a number not known yet.
typedef struct RtVars {
    Arena arena;
    Map map; // name -> double *
} RtVars;

// The number called `name`; made, and NAN, where there was none.
double *rt_vars_ensure(RtVars *v, const char *name);

// The number called `name`, or NULL.
double *rt_vars_find(const RtVars *v, const char *name);

void rt_vars_free(RtVars *v);

typedef struct RtFormula RtFormula;

// The formula of `e` over the names in `v`, which must outlive it; owned by `a`. A name may be a
// field: `fit.mse` is the number called so. NULL with errors in `d` (a name that is not known, with
// the nearest one; a form that is no number; a function that is not elementwise).
RtFormula *rt_formula_new(Arena *a, Diag *d, const Expr *e, const RtVars *v);

// Its value now. Truth is 1 and 0; what compares with NAN is false.
double rt_formula_value(const RtFormula *f);

#endif
