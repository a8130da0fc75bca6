// ir/eval.c -- elementwise operations on numbers.
//
// Expands the `expr` column three times: at f32, at f64, and for whole numbers (rows whose result
// has the type of the operands). i32 is computed in 64 bits, where nothing overflows, and wraps.
#include <math.h>

#include "ir/build.h"

typedef float EvalF32(float x, float y, float z);
typedef double EvalF64(double x, double y, double z);
typedef int64_t EvalI32(int64_t x, int64_t y, int64_t z);

// expressions such as (x != x ? x : 0) are about NaN, and vacuous for whole numbers
#pragma GCC diagnostic ignored "-Wtautological-compare"

#define R(fn) fn##f
#define MAP(name, inputs, result, grad, expr, doc)       \
    static float f32_##name(float x, float y, float z) { \
        (void)x, (void)y, (void)z;                       \
        return (float)(expr);                            \
    }
#include "ir/ops.def"
#undef R

#define R(fn) fn
#define MAP(name, inputs, result, grad, expr, doc)           \
    static double f64_##name(double x, double y, double z) { \
        (void)x, (void)y, (void)z;                           \
        return (double)(expr);                               \
    }
#include "ir/ops.def"
#undef R

#define WHOLE_SAME(name, expr)                                   \
    static int64_t i32_##name(int64_t x, int64_t y, int64_t z) { \
        (void)x, (void)y, (void)z;                               \
        return expr;                                             \
    }
#define WHOLE_REAL(name, expr)
#define WHOLE_BOOL(name, expr)
#define WHOLE_LOGIC(name, expr)
#define MAP(name, inputs, result, grad, expr, doc) WHOLE_##result(name, expr)
#include "ir/ops.def"

static EvalF32 *const eval_f32[IR_OP_COUNT] = {
#define MAP(name, inputs, result, grad, expr, doc) [IR_OP_##name] = f32_##name,
#include "ir/ops.def"
};

static EvalF64 *const eval_f64[IR_OP_COUNT] = {
#define MAP(name, inputs, result, grad, expr, doc) [IR_OP_##name] = f64_##name,
#include "ir/ops.def"
};

static EvalI32 *const eval_i32[IR_OP_COUNT] = {
#define TABLE_SAME(name) [IR_OP_##name] = i32_##name,
#define TABLE_REAL(name)
#define TABLE_BOOL(name)
#define TABLE_LOGIC(name)
#define MAP(name, inputs, result, grad, expr, doc) TABLE_##result(name)
#include "ir/ops.def"
};

// The i32 that `x` is modulo 2^32.
static double wrap(int64_t x) {
    uint32_t low = (uint32_t)(uint64_t)x;
    return low <= INT32_MAX ? (double)low : (double)((int64_t)low - ((int64_t)1 << 32));
}

double ir_eval_map(IrOp op, IrDtype dtype, const double *x) {
    int n = ir_op_info[op].n_in;
    double a = x[0], b = n > 1 ? x[1] : 0, c = n > 2 ? x[2] : 0;
    if (dtype == IR_F32)
        return (double)eval_f32[op]((float)a, (float)b, (float)c);
    if (dtype == IR_I32 && eval_i32[op])
        return wrap(eval_i32[op]((int64_t)a, (int64_t)b, (int64_t)c));
    return eval_f64[op](a, b, c);
}
