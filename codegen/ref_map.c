// codegen/ref_map.c -- elementwise operations, from the expressions of ir/ops.def.
//
// The table is expanded for f32, for f64, for i32 (in 64 bits, where nothing overflows; what is
// kept wraps) and for bool.
#include <math.h>

#include "codegen/ref.h"

// expressions such as (x != x ? x : 0) are about NaN, and vacuous for whole numbers
#pragma GCC diagnostic ignored "-Wtautological-compare"

// One function `prefix`_`name`: elements of `member`, computed as `real`, kept as `type` in `to`.
#define VECTOR(prefix, name, inputs, real, member, to, type, expr)                      \
    static void prefix##_##name(RefReg *out, const RefReg *const *in, int n) {          \
        const RefReg *x_ = in[0], *y_ = in[(inputs) > 1 ? 1 : 0], *z_ = in[(inputs)-1]; \
        for (int i_ = 0; i_ < n; i_++) {                                                \
            real x = x_->member[i_], y = y_->member[i_], z = z_->member[i_];            \
            (void)x, (void)y, (void)z;                                                  \
            out->to[i_] = (type)(expr);                                                 \
        }                                                                               \
    }

#define R(fn)                                      fn##f
#define F32_SAME(name, inputs, expr)               VECTOR(f32, name, inputs, float, f, f, float, expr)
#define F32_REAL(name, inputs, expr)               VECTOR(f32, name, inputs, float, f, f, float, expr)
#define F32_INT(name, inputs, expr)                // i32 operands only
#define F32_BOOL(name, inputs, expr)               VECTOR(f32, name, inputs, float, f, b, uint8_t, expr)
#define F32_LOGIC(name, inputs, expr)              // bool operands only
#define MAP(name, inputs, result, grad, expr, doc) F32_##result(name, inputs, expr)
#include "ir/ops.def"
#undef R

#define R(fn)                                      fn
#define F64_SAME(name, inputs, expr)               VECTOR(f64, name, inputs, double, d, d, double, expr)
#define F64_REAL(name, inputs, expr)               VECTOR(f64, name, inputs, double, d, d, double, expr)
#define F64_INT(name, inputs, expr)                // i32 operands only
#define F64_BOOL(name, inputs, expr)               VECTOR(f64, name, inputs, double, d, b, uint8_t, expr)
#define F64_LOGIC(name, inputs, expr)              // bool operands only
#define MAP(name, inputs, result, grad, expr, doc) F64_##result(name, inputs, expr)
#include "ir/ops.def"
#undef R

// whole numbers are finite
#undef isfinite
#define isfinite(x) ((void)(x), 1)

// The i32 that x is modulo 2^32.
static int32_t wrap(int64_t x) {
    uint32_t low = (uint32_t)(uint64_t)x;
    return low <= INT32_MAX ? (int32_t)low : (int32_t)((int64_t)low - ((int64_t)1 << 32));
}

#define I32_SAME(name, inputs, expr)               VECTOR(i32, name, inputs, int64_t, i, i, int32_t, wrap(expr))
#define I32_REAL(name, inputs, expr)               // real operands only
#define I32_INT(name, inputs, expr)                VECTOR(i32, name, inputs, int64_t, i, i, int32_t, wrap(expr))
#define I32_BOOL(name, inputs, expr)               VECTOR(i32, name, inputs, int64_t, i, b, uint8_t, expr)
#define I32_LOGIC(name, inputs, expr)              // bool operands only
#define MAP(name, inputs, result, grad, expr, doc) I32_##result(name, inputs, expr)
#include "ir/ops.def"

#define LOG_SAME(name, inputs, expr)               // numbers only
#define LOG_REAL(name, inputs, expr)               // numbers only
#define LOG_INT(name, inputs, expr)                // numbers only
#define LOG_BOOL(name, inputs, expr)               VECTOR(bool, name, inputs, int, b, b, uint8_t, expr)
#define LOG_LOGIC(name, inputs, expr)              VECTOR(bool, name, inputs, int, b, b, uint8_t, expr)
#define MAP(name, inputs, result, grad, expr, doc) LOG_##result(name, inputs, expr)
#include "ir/ops.def"

// clang-format off
#define ROW_SAME(name)  {f32_##name, f64_##name, i32_##name, NULL},
#define ROW_REAL(name)  {f32_##name, f64_##name, NULL,       NULL},
#define ROW_INT(name)   {NULL,       NULL,       i32_##name, NULL},
#define ROW_BOOL(name)  {f32_##name, f64_##name, i32_##name, bool_##name},
#define ROW_LOGIC(name) {NULL,       NULL,       NULL,       bool_##name},
// clang-format on

static RefMapFn *const fns[IR_OP_COUNT][IR_DTYPE_COUNT] = {
#define MAP(name, inputs, result, grad, expr, doc) [IR_OP_##name] = ROW_##result(name)
#include "ir/ops.def"
};

RefMapFn *ref_map_fn(IrOp op, IrDtype dtype) {
    return fns[op][dtype];
}
