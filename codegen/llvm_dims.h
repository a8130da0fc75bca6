// codegen/llvm_dims.h -- sizes in native code: polynomials of the dims of a call.
#ifndef CODEGEN_LLVM_DIMS_H
#define CODEGEN_LLVM_DIMS_H

#include "codegen/llvm_emit.h"
#include "ir/dim.h"

// Sizes that a function has computed already; each is computed once, in its entry block.
typedef struct LlvmDims {
    LlvmFn *f;
    Arena *arena;
    LLVMValueRef values; // pointer to the values of the variables, in order
    int n, cap;
    const IrDim **known;
    LLVMValueRef *sizes;
} LlvmDims;

// Value of `d`, an i64. NULL is 0.
LLVMValueRef llvm_dims_value(LlvmDims *ds, const IrDim *d);

#endif
