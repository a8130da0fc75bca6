// tests/support_exact.h -- what each elementwise operation is, said a second time: in libm's terms
// and independently of ir/ops.def; and how far the back ends may be from it.
#ifndef TESTS_SUPPORT_EXACT_H
#define TESTS_SUPPORT_EXACT_H

#include "ir/ir.h"

// One MAP row. Of the first two one is set, unless operands are whole; `whole` where the operation
// takes i32.
typedef struct ExactRow {
    double (*rounded)(double x, double y); // the double next to the value, as IEEE rounds
    long double (*near)(long double x, long double y); // where no back end rounds exactly
    int64_t (*whole)(int64_t x, int64_t y);            // before it wraps
    double native_ulps[2]; // allowed of native code at f32 and f64; 0: the same bits
    double ref_ulps[2];    // and of the reference back end, which has what libm has
    double far;            // beyond |x| of this a result only stays within [-1, 1]; 0: nowhere
} ExactRow;

// The row of a MAP operation; fails the test where there is none.
const ExactRow *exact_row(IrOp op);

// The value of a MAP operation on numbers of `dtype`; i32 wraps.
double exact_map(IrOp op, IrDtype dtype, const double *x);

// The i32 that `x` is modulo 2^32.
double exact_wrap(int64_t x);

// The distance of x from `exact` in units of the last place that f32 (or f64, `wide`) has there.
double exact_ulps(long double x, long double exact, bool wide);

#endif
