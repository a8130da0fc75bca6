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
