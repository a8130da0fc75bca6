// codegen/llvm_jit.h -- a schedule to native code in memory.
//
// Each distinct kernel is one module and one object, and so is the step function. Objects come from
// the cache where it has them; the others are made by several threads and put there. Then all are
// linked.
#ifndef CODEGEN_LLVM_JIT_H
#define CODEGEN_LLVM_JIT_H

#include "codegen/backend.h"
#include "codegen/llvm_emit.h"

// Compiles `s`, which must outlive the step, for `target`. NULL with a sentence.
BackendStep *llvm_jit_compile(const LlvmTarget *target, const IrSchedule *s,
                              const BackendOptions *options, BackendReport *report, char *why,
                              size_t why_size);
void llvm_jit_run(const BackendStep *step, const BackendCall *call, int thread);
void llvm_jit_free(BackendStep *step);

// Writes all kernels and the step function as one module in `form`: "llvm", "llvm-opt", "asm" or
// "obj". False with a sentence.
bool llvm_jit_emit(const LlvmTarget *target, const IrSchedule *s, const char *form, FILE *out,
                   char *why, size_t why_size);

#endif
