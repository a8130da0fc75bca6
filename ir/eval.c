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
#define F32(name, expr)                                  \
    static float f32_##name(float x, float y, float z) { \
        (void)x, (void)y, (void)z;                       \
        return (float)(expr);                            \
    }
#define F32_SAME  F32
#define F32_REAL  F32
#define F32_BOOL  F32
#define F32_LOGIC F32
#define F32_INT(name, expr)
#define MAP(name, inputs, result, grad, expr, doc) F32_##result(name, expr)
#include "ir/ops.def"
#undef R

#define R(fn) fn
#define F64(name, expr)                                      \
    static double f64_##name(double x, double y, double z) { \
        (void)x, (void)y, (void)z;                           \
        return (double)(expr);                               \
    }
#define F64_SAME  F64
#define F64_REAL  F64
#define F64_BOOL  F64
#define F64_LOGIC F64
#define F64_INT(name, expr)
#define MAP(name, inputs, result, grad, expr, doc) F64_##result(name, expr)
#include "ir/ops.def"
#undef R

#define WHOLE_SAME(name, expr)                                   \
    static int64_t i32_##name(int64_t x, int64_t y, int64_t z) { \
        (void)x, (void)y, (void)z;                               \
        return expr;                                             \
    }
#define WHOLE_INT WHOLE_SAME
#define WHOLE_REAL(name, expr)
#define WHOLE_BOOL(name, expr)
#define WHOLE_LOGIC(name, expr)
#define MAP(name, inputs, result, grad, expr, doc) WHOLE_##result(name, expr)
#include "ir/ops.def"

// i32 is there where the result has the type of the operands, and alone where they are whole.
// clang-format off
#define ROW_SAME(name)  {f32_##name, f64_##name, i32_##name},
#define ROW_REAL(name)  {f32_##name, f64_##name, NULL},
#define ROW_INT(name)   {NULL,       NULL,       i32_##name},
#define ROW_BOOL(name)  {f32_##name, f64_##name, NULL},
#define ROW_LOGIC(name) {f32_##name, f64_##name, NULL},
// clang-format on

static const struct {
    EvalF32 *f32;
    EvalF64 *f64;
    EvalI32 *i32;
} rows[IR_OP_COUNT] = {
#define MAP(name, inputs, result, grad, expr, doc) [IR_OP_##name] = ROW_##result(name)
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
    if (rows[op].i32 && (dtype == IR_I32 || !rows[op].f64))
        return wrap(rows[op].i32((int64_t)a, (int64_t)b, (int64_t)c));
    if (dtype == IR_F32)
        return (double)rows[op].f32((float)a, (float)b, (float)c);
    return rows[op].f64(a, b, c);
}
