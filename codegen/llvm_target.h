// codegen/llvm_target.h -- the machine that code is made for, and modules to objects.
#ifndef CODEGEN_LLVM_TARGET_H
#define CODEGEN_LLVM_TARGET_H

#include <llvm-c/TargetMachine.h>

#include "codegen/llvm_emit.h"
#include "ir/base/buf.h"

// Raise it with every change of generated code: objects of other versions are not used.
#define LLVM_CODE_VERSION 7

// Initializes LLVM once for the process.
void llvm_initialize(void);

// Describes this machine, or a named one ("x86-64-v3") of the same architecture. False with a
// sentence when LLVM has no code for it.
bool llvm_target_find(LlvmTarget *t, const char *cpu, char *why, size_t why_size);

// Everything of a target that code depends on, and the versions of LLVM and of this code generator.
void llvm_target_describe(const LlvmTarget *t, Buf *out);

// A code generator for `t`; each thread has its own. `level`: how hard it works. NULL with a
// sentence.
LLVMTargetMachineRef llvm_machine_new(const LlvmTarget *t, LLVMCodeGenOptLevel level, char *why,
                                      size_t why_size);

// Runs the passes over a module. False with a sentence.
bool llvm_optimize(LLVMModuleRef module, LLVMTargetMachineRef machine, char *why, size_t why_size);

// Appends the object or assembly of a module to `out`. False with a sentence.
bool llvm_generate(LLVMModuleRef module, LLVMTargetMachineRef machine, LLVMCodeGenFileType type,
                   Buf *out, char *why, size_t why_size);

#endif
