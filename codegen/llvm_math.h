// codegen/llvm_math.h -- exp, log, tanh and their kin as vector IR.
//
// Polynomials of our own for f32 and f64, the same code for vectors and single elements: no
// mathematical library is called, so a value's bits depend on its operand alone. Errors are below
// 2 ulp, of f64 pow and tanh below 4. NaN, infinities and signed zeros are those of C.
#ifndef CODEGEN_LLVM_MATH_H
#define CODEGEN_LLVM_MATH_H

#include "codegen/llvm_emit.h"

LLVMValueRef llvm_exp(LlvmFn *f, LLVMValueRef x);
LLVMValueRef llvm_expm1(LlvmFn *f, LLVMValueRef x);
LLVMValueRef llvm_log(LlvmFn *f, LLVMValueRef x);
LLVMValueRef llvm_log1p(LlvmFn *f, LLVMValueRef x);
LLVMValueRef llvm_tanh(LlvmFn *f, LLVMValueRef x);
LLVMValueRef llvm_sigmoid(LlvmFn *f, LLVMValueRef x);
LLVMValueRef llvm_sin(LlvmFn *f, LLVMValueRef x);
LLVMValueRef llvm_cos(LlvmFn *f, LLVMValueRef x);
LLVMValueRef llvm_pow(LlvmFn *f, LLVMValueRef x, LLVMValueRef y);

#endif
