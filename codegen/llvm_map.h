// codegen/llvm_map.h -- elementwise operations as vector IR.
#ifndef CODEGEN_LLVM_MAP_H
#define CODEGEN_LLVM_MAP_H

#include "codegen/llvm_emit.h"

// Writes the MAP row `op` of operands `x`, all of one type: reals, i32 or i1, of any width.
LLVMValueRef llvm_map(LlvmFn *f, IrOp op, LLVMValueRef const *x);

// Conversion between element types: to i32 towards zero (out of range: the nearest; NaN: 0), to
// bool whether it is not 0.
LLVMValueRef llvm_cast(LlvmFn *f, LLVMValueRef x, IrDtype to);

#endif
