// codegen/ref_reduce.c -- sums, maxima, minima and argmax in lanes.
//
// Element j of the last axis goes to lane j % 16; at the end lanes l and l + 8 are combined, then
// l and l + 4, 2, 1. The vector is either along the last axis, and then its elements are spread
// over the lanes (elements of lanes[0]), or along a parallel axis, and then it holds one reduction
// in each element (lane l of all of them is lanes[l]).
#include <math.h>

#include "codegen/ref.h"

// x != x is about NaN, and vacuous for whole numbers
#pragma GCC diagnostic ignored "-Wtautological-compare"

// combine_<name>: acc[i] = acc[i] op x[i] for i < n. A NaN stays; a tie keeps what was there.
#define COMBINE(name, type, plus)                                          \
    static void combine_##name(IrOp op, type *acc, const type *x, int n) { \
        for (int i = 0; op == IR_OP_sum && i < n; i++)                     \
            acc[i] = plus(acc[i], x[i]);                                   \
        for (int i = 0; op == IR_OP_reduce_max && i < n; i++)              \
            acc[i] = acc[i] >= x[i] || acc[i] != acc[i] ? acc[i] : x[i];   \
        for (int i = 0; op == IR_OP_reduce_min && i < n; i++)              \
            acc[i] = acc[i] <= x[i] || acc[i] != acc[i] ? acc[i] : x[i];   \
    }
#define PLUS(x, y) ((x) + (y))

// Whole numbers wrap.
static int32_t wrapping_add(int32_t x, int32_t y) {
    uint32_t low = (uint32_t)x + (uint32_t)y;
    return low <= INT32_MAX ? (int32_t)low : (int32_t)((int64_t)low - ((int64_t)1 << 32));
}

COMBINE(f32, float, PLUS)
COMBINE(f64, double, PLUS)
COMBINE(i32, int32_t, wrapping_add)

// acc[i] = acc[i] op x[from + i] for i < n.
static void combine(IrOp op, IrDtype dtype, RefReg *acc, const RefReg *x, int from, int n) {
    switch (dtype) {
    case IR_F32:
        combine_f32(op, acc->f, x->f + from, n);
        return;
    case IR_F64:
        combine_f64(op, acc->d, x->d + from, n);
        return;
    case IR_I32:
        combine_i32(op, acc->i, x->i + from, n);
        return;
    case IR_BOOL:
    case IR_DTYPE_COUNT:
        break;
    }
    diag_bug("values of this type cannot be reduced");
}

// ---- argmax -------------------------------------------------------------------------------------

// The first element comes first, then whatever is larger, or the first NaN, for ever.
static void argmax_one(RefAcc *acc, int slot, double x, int64_t index) {
    double best = acc->best[slot];
    if (acc->found[slot] && (isnan(best) || !(x > best || isnan(x))))
        return;
    acc->found[slot] = true;
    acc->best[slot] = x;
    acc->best_index[slot] = index;
}

static void argmax_add(RefAcc *acc, IrDtype dtype, const RefReg *x, bool vector_is_last, int64_t at,
                       int n) {
    for (int i = 0; i < n; i++)
        argmax_one(acc, vector_is_last ? 0 : i, ref_number(x, dtype, i),
                   vector_is_last ? at + i : at);
}

// ---- reductions ---------------------------------------------------------------------------------

void ref_reduce_begin(RefAcc *acc, const IrScalar *s) {
    double start = s->op == IR_OP_sum ? 0 : s->op == IR_OP_reduce_max ? -INFINITY : INFINITY;
    if (s->op == IR_OP_argmax) {
        for (int i = 0; i < REF_WIDTH; i++) {
            acc->found[i] = false;
            acc->best_index[i] = 0;
        }
        return;
    }
    for (int l = 0; l < IR_LANES; l++)
        for (int i = 0; i < REF_WIDTH; i++)
            ref_put_number(&acc->lanes[l], s->dtype, i, start); // i32: the ends of its range
}

void ref_reduce_add(RefAcc *acc, const IrScalar *s, IrDtype in, const RefReg *x,
                    bool vector_is_last, int64_t j, int64_t at, int n) {
    if (s->op == IR_OP_argmax) {
        argmax_add(acc, in, x, vector_is_last, at, n);
        return;
    }
    if (!vector_is_last) {
        combine(s->op, s->dtype, &acc->lanes[j % IR_LANES], x, 0, n);
        return;
    }
    for (int i = 0; i < n; i += IR_LANES)
        combine(s->op, s->dtype, &acc->lanes[0], x, i, n - i < IR_LANES ? n - i : IR_LANES);
}

void ref_reduce_end(RefAcc *acc, const IrScalar *s, bool vector_is_last, RefReg *out, int n) {
    if (s->op == IR_OP_argmax) {
        for (int i = 0; i < n; i++)
            out->i[i] = (int32_t)acc->best_index[i];
        return;
    }
    for (int half = IR_LANES / 2; half > 0; half /= 2) {
        if (vector_is_last)
            combine(s->op, s->dtype, &acc->lanes[0], &acc->lanes[0], half, half);
        for (int l = 0; !vector_is_last && l < half; l++)
            combine(s->op, s->dtype, &acc->lanes[l], &acc->lanes[l + half], 0, n);
    }
    *out = acc->lanes[0];
}
