// codegen/llvm_map.c -- elementwise operations as vector IR.
//
// One rule for each MAP row of ops.def; a row without its rule stops the build. The meaning of a
// row is its C expression, also for NaN, equal operands and signed zeros.
#include "codegen/llvm_map.h"

#include <math.h>

#include "codegen/llvm_math.h"

static LLVMValueRef zero_like(LLVMValueRef x) {
    return LLVMConstNull(LLVMTypeOf(x));
}

static LLVMValueRef map_neg(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_neg(f, x[0]);
}

static LLVMValueRef map_abs(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_abs(f, x[0]);
}

static LLVMValueRef map_sign(LlvmFn *f, LLVMValueRef const *x) {
    LLVMTypeRef type = LLVMTypeOf(x[0]);
    LLVMValueRef zero = zero_like(x[0]);
    LLVMValueRef y = llvm_choose(f, llvm_is_nan(f, x[0]), x[0], zero);
    y = llvm_choose(f, llvm_less(f, x[0], zero), llvm_num(type, -1), y);
    return llvm_choose(f, llvm_less(f, zero, x[0]), llvm_num(type, 1), y);
}

static LLVMValueRef map_exp(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_exp(f, x[0]);
}

static LLVMValueRef map_expm1(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_expm1(f, x[0]);
}

static LLVMValueRef map_log(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_log(f, x[0]);
}

static LLVMValueRef map_log1p(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_log1p(f, x[0]);
}

static LLVMValueRef map_sqrt(LlvmFn *f, LLVMValueRef const *x) {
    LLVMTypeRef type = LLVMTypeOf(x[0]);
    LLVMValueRef in = x[0];
    return llvm_intrinsic(f, "llvm.sqrt", &type, 1, &in, 1);
}

static LLVMValueRef map_tanh(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_tanh(f, x[0]);
}

static LLVMValueRef map_sigmoid(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_sigmoid(f, x[0]);
}

static LLVMValueRef map_sin(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_sin(f, x[0]);
}

static LLVMValueRef map_cos(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_cos(f, x[0]);
}

static LLVMValueRef map_floor(LlvmFn *f, LLVMValueRef const *x) {
    LLVMTypeRef type = LLVMTypeOf(x[0]);
    LLVMValueRef in = x[0];
    return llvm_intrinsic(f, "llvm.floor", &type, 1, &in, 1);
}

static LLVMValueRef map_round(LlvmFn *f, LLVMValueRef const *x) {
    LLVMTypeRef type = LLVMTypeOf(x[0]);
    LLVMValueRef in = x[0];
    return llvm_intrinsic(f, "llvm.roundeven", &type, 1, &in, 1);
}

static LLVMValueRef map_relu(LlvmFn *f, LLVMValueRef const *x) {
    LLVMValueRef zero = zero_like(x[0]);
    return llvm_choose(f, llvm_less_equal(f, x[0], zero), zero, x[0]);
}

static LLVMValueRef map_add(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_add(f, x[0], x[1]);
}

static LLVMValueRef map_sub(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_sub(f, x[0], x[1]);
}

static LLVMValueRef map_mul(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_mul(f, x[0], x[1]);
}

static LLVMValueRef map_div(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_div(f, x[0], x[1]);
}

// Divisors of 0 and -1, for which the machine's division fails, are replaced by 1.
static LLVMValueRef safe_divisor(LlvmFn *f, LLVMValueRef y) {
    LLVMTypeRef type = LLVMTypeOf(y);
    LLVMValueRef bad =
        llvm_or(f, llvm_equal(f, y, zero_like(y)), llvm_equal(f, y, llvm_num(type, -1)));
    return llvm_choose(f, bad, llvm_num(type, 1), y);
}

// Whether a rest of the other sign than the divisor is left.
static LLVMValueRef is_rounded_up(LlvmFn *f, LLVMValueRef rest, LLVMValueRef y) {
    LLVMValueRef zero = zero_like(y);
    LLVMValueRef signs = llvm_not_equal(f, llvm_less(f, rest, zero), llvm_less(f, y, zero));
    return llvm_and(f, llvm_not_equal(f, rest, zero), signs);
}

static LLVMValueRef map_floor_div(LlvmFn *f, LLVMValueRef const *x) {
    LLVMTypeRef type = LLVMTypeOf(x[0]);
    LLVMValueRef by = safe_divisor(f, x[1]);
    LLVMValueRef q = LLVMBuildSDiv(f->b, x[0], by, ""), r = LLVMBuildSRem(f->b, x[0], by, "");
    q = llvm_choose(f, is_rounded_up(f, r, by), llvm_sub(f, q, llvm_num(type, 1)), q);
    q = llvm_choose(f, llvm_equal(f, x[1], llvm_num(type, -1)), llvm_neg(f, x[0]), q);
    return llvm_choose(f, llvm_equal(f, x[1], zero_like(q)), zero_like(q), q);
}

// The rest by -1, like that by 1, is 0.
static LLVMValueRef map_mod(LlvmFn *f, LLVMValueRef const *x) {
    LLVMValueRef by = safe_divisor(f, x[1]);
    LLVMValueRef r = LLVMBuildSRem(f->b, x[0], by, "");
    r = llvm_choose(f, is_rounded_up(f, r, by), llvm_add(f, r, by), r);
    return llvm_choose(f, llvm_equal(f, x[1], zero_like(r)), x[0], r);
}

static LLVMValueRef map_pow(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_pow(f, x[0], x[1]);
}

static LLVMValueRef map_max(LlvmFn *f, LLVMValueRef const *x) {
    LLVMValueRef first = llvm_or(f, llvm_less_equal(f, x[1], x[0]), llvm_is_nan(f, x[0]));
    return llvm_choose(f, first, x[0], x[1]);
}

static LLVMValueRef map_min(LlvmFn *f, LLVMValueRef const *x) {
    LLVMValueRef first = llvm_or(f, llvm_less_equal(f, x[0], x[1]), llvm_is_nan(f, x[0]));
    return llvm_choose(f, first, x[0], x[1]);
}

static LLVMValueRef map_less(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_less(f, x[0], x[1]);
}

static LLVMValueRef map_less_equal(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_less_equal(f, x[0], x[1]);
}

static LLVMValueRef map_equal(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_equal(f, x[0], x[1]);
}

static LLVMValueRef map_not_equal(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_not_equal(f, x[0], x[1]);
}

static LLVMValueRef map_logical_and(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_and(f, x[0], x[1]);
}

static LLVMValueRef map_logical_or(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_or(f, x[0], x[1]);
}

static LLVMValueRef map_logical_not(LlvmFn *f, LLVMValueRef const *x) {
    return llvm_not(f, x[0]);
}

static LLVMValueRef map_is_finite(LlvmFn *f, LLVMValueRef const *x) {
    if (!llvm_is_real(x[0]))
        return LLVMConstAllOnes(llvm_like(f->i1, x[0]));
    return llvm_less(f, llvm_abs(f, x[0]), llvm_num(LLVMTypeOf(x[0]), INFINITY));
}

typedef LLVMValueRef MapRule(LlvmFn *f, LLVMValueRef const *x);

static MapRule *const map_rule[IR_OP_COUNT] = {
#define MAP(name, inputs, result, grad, expr, doc) [IR_OP_##name] = map_##name,
#include "ir/ops.def"
};

LLVMValueRef llvm_map(LlvmFn *f, IrOp op, LLVMValueRef const *x) {
    return map_rule[op](f, x);
}

LLVMValueRef llvm_cast(LlvmFn *f, LLVMValueRef x, IrDtype to) {
    LLVMTypeRef type = llvm_like(llvm_type(f, to), x);
    bool real = llvm_is_real(x), is_bool = llvm_element(LLVMTypeOf(x)) == f->i1;
    if (LLVMTypeOf(x) == type)
        return x;

    switch (to) {
    case IR_F32:
    case IR_F64:
        if (is_bool)
            return LLVMBuildUIToFP(f->b, x, type, "");
        if (!real)
            return LLVMBuildSIToFP(f->b, x, type, "");
        return to == IR_F32 ? LLVMBuildFPTrunc(f->b, x, type, "")
                            : LLVMBuildFPExt(f->b, x, type, "");
    case IR_I32: {
        if (is_bool)
            return LLVMBuildZExt(f->b, x, type, "");
        LLVMTypeRef types[] = {type, LLVMTypeOf(x)};
        return llvm_intrinsic(f, "llvm.fptosi.sat", types, 2, &x, 1);
    }
    case IR_BOOL:
        return llvm_not_equal(f, x, zero_like(x));
    case IR_DTYPE_COUNT:
        break;
    }
    diag_bug("no such dtype");
}
