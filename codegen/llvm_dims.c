// codegen/llvm_dims.c -- sizes in native code: polynomials of the dims of a call.
#include "codegen/llvm_dims.h"

#include <string.h>

static LLVMValueRef variable(LlvmDims *ds, const IrDimVar *v) {
    LlvmFn *f = ds->f;
    LLVMValueRef x = llvm_load(f, f->i64, llvm_byte(f, ds->values, 8 * (int64_t)v->index), 8);
    LLVMSetValueName2(x, v->name, strlen(v->name));
    return x;
}

static LLVMValueRef polynomial(LlvmDims *ds, const IrDim *d) {
    LlvmFn *f = ds->f;
    const IrDimTerm *terms;
    int n = ir_dim_terms(d, &terms);
    LLVMValueRef sum = NULL;

    for (int t = 0; t < n; t++) {
        LLVMValueRef x = NULL;
        for (int i = 0; i < terms[t].n_factors; i++) {
            LLVMValueRef v = variable(ds, terms[t].factors[i]);
            x = x ? llvm_mul(f, x, v) : v;
        }
        LLVMValueRef coefficient = llvm_int(f, terms[t].coefficient);
        x = x ? llvm_mul(f, x, coefficient) : coefficient;
        sum = sum ? llvm_add(f, sum, x) : x;
    }
    return sum ? sum : llvm_int(f, 0);
}

LLVMValueRef llvm_dims_value(LlvmDims *ds, const IrDim *d) {
    int64_t value;
    if (!d)
        return llvm_int(ds->f, 0);
    if (ir_dim_is_const(d, &value))
        return llvm_int(ds->f, value);
    for (int i = 0; i < ds->n; i++)
        if (ds->known[i] == d)
            return ds->sizes[i];

    LLVMBuilderRef here = ds->f->b;
    ds->f->b = ds->f->entry;
    LLVMValueRef x = polynomial(ds, d);
    ds->f->b = here;

    int cap = ds->cap;
    arena_push(ds->arena, ds->known, ds->n, ds->cap, d);
    if (ds->cap != cap)
        ds->sizes =
            arena_grow(ds->arena, ds->sizes, (size_t)cap, (size_t)ds->cap, sizeof *ds->sizes);
    ds->sizes[ds->n - 1] = x;
    return x;
}
