// codegen/llvm_step.h -- the tree of a schedule as one native function.
//
//     void step(const BackendCall *call, int32_t thread)
//
// Loops are native loops, pieces are dealt to threads, barriers are inline, and each kernel is one
// direct call. Pointers and integers of a call that no loop changes are written once, at the start.
#ifndef CODEGEN_LLVM_STEP_H
#define CODEGEN_LLVM_STEP_H

#include "codegen/llvm_emit.h"
#include "ir/schedule.h"

// Writes the step function into the module of `f`; kernels are declared there, not defined.
void llvm_step_emit(LlvmFn *f, const IrSchedule *s);

#endif
