// codegen/llvm_scalar.c -- the scalars of a kernel, each computed where it belongs.
//
// A scalar is written when it is first asked for, or earlier: as soon as all loops are open whose
// axes it depends on, if it is wanted. Loops forget what was computed inside them.
#include <stdio.h>
#include <string.h>

#include "codegen/llvm_kernel.h"
#include "codegen/llvm_map.h"
#include "ir/base/diag.h"

static LLVMValueRef integer_argument(LlvmKernel *c, int number) {
    LlvmFn *f = c->f;
    LLVMValueRef at = llvm_byte(f, c->ints, 8 * ((int64_t)c->k->dims->n_vars + number));
    return llvm_load(f, f->i64, at, 8);
}

static LLVMValueRef index_value(LlvmKernel *c, const IrScalar *s) {
    LlvmFn *f = c->f;
    LLVMValueRef first = LLVMBuildTrunc(f->b, c->index[s->axis], f->i32, "");
    if (s->axis != c->spread)
        return first;
    return llvm_add(f, llvm_splat(f, first, c->lanes), llvm_iota(f, f->i32, c->lanes));
}

static LLVMValueRef operation(LlvmKernel *c, const IrScalar *s) {
    LLVMValueRef x[3];
    int n = ir_scalar_n_in(s);
    for (int i = 0; i < n; i++)
        x[i] = llvm_scalar(c, s->in[i]);
    if (s->kind == IR_SCALAR_CAST)
        return llvm_cast(c->f, x[0], s->dtype);
    llvm_level(c->f, x, n);
    if (s->kind == IR_SCALAR_SELECT)
        return llvm_choose(c->f, x[0], x[1], x[2]);
    return llvm_map(c->f, s->op, x);
}

static LLVMValueRef compute(LlvmKernel *c, const IrScalar *s) {
    LlvmFn *f = c->f;
    switch (s->kind) {
    case IR_SCALAR_LOAD:
        return llvm_load_address(c, &s->address);
    case IR_SCALAR_CONST:
        return llvm_num(llvm_type(f, s->dtype), s->value);
    case IR_SCALAR_INDEX:
        return index_value(c, s);
    case IR_SCALAR_EXTENT:
        return LLVMBuildTrunc(f->b, llvm_dim(c, s->dim), f->i32, "");
    case IR_SCALAR_INT:
        return LLVMBuildTrunc(f->b, integer_argument(c, s->number), f->i32, "");
    case IR_SCALAR_DRAW:
        return llvm_draw(c, s);
    case IR_SCALAR_MAP:
    case IR_SCALAR_SELECT:
    case IR_SCALAR_CAST:
        return operation(c, s);
    case IR_SCALAR_REDUCE:
    case IR_SCALAR_PRODUCT:
    case IR_SCALAR_COUNT:
        break;
    }
    diag_bug("scalar of %s has no value here", c->k->name);
}

LLVMValueRef llvm_scalar(LlvmKernel *c, int i) {
    if (c->values[i])
        return c->values[i];
    const IrScalar *s = &c->k->scalars[i];
    LLVMValueRef x = compute(c, s);
    c->values[i] = x;

    // %s3, for who reads the code
    char name[16];
    snprintf(name, sizeof name, "s%d", i);
    if (LLVMIsAInstruction(x) && !*LLVMGetValueName(x))
        LLVMSetValueName2(x, name, strlen(name));
    return x;
}

void llvm_want_address(LlvmKernel *c, const IrAddress *a) {
    if (a->indirect >= 0)
        llvm_want(c, a->indirect);
    if (a->guard >= 0)
        llvm_want(c, a->guard);
}

void llvm_want(LlvmKernel *c, int i) {
    if (c->wanted[i] || c->values[i])
        return;
    c->wanted[i] = true;
    const IrScalar *s = &c->k->scalars[i];
    for (int j = 0; j < ir_scalar_n_in(s); j++)
        llvm_want(c, s->in[j]);
    if (s->kind == IR_SCALAR_LOAD)
        llvm_want_address(c, &s->address);
}

void llvm_want_nothing(LlvmKernel *c) {
    memset(c->wanted, 0, (size_t)c->k->n_scalars * sizeof *c->wanted);
}

static bool operands_known(const LlvmKernel *c, const IrScalar *s) {
    for (int j = 0; j < ir_scalar_n_in(s); j++)
        if (!c->values[s->in[j]])
            return false;
    if (s->kind != IR_SCALAR_LOAD)
        return s->kind != IR_SCALAR_REDUCE && s->kind != IR_SCALAR_PRODUCT;
    const IrAddress *a = &s->address;
    return (a->indirect < 0 || c->values[a->indirect]) && (a->guard < 0 || c->values[a->guard]);
}

void llvm_compute_wanted(LlvmKernel *c) {
    for (int i = 0; i < c->k->n_scalars; i++) {
        bool inside = !(c->depends[i] & ~c->open);
        if (c->wanted[i] && !c->values[i] && inside && operands_known(c, &c->k->scalars[i]))
            llvm_scalar(c, i);
    }
}
