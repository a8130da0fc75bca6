// codegen/llvm_target.c -- the machine that code is made for, and modules to objects.
#include "codegen/llvm_target.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>

// The code written by llvm_kernel.c is in good order already: what is left is to turn stack slots
// into registers, to merge equal addresses and to move what is constant out of loops.
static const char passes[] =
    "function(mem2reg,early-cse,loop-mssa(licm<allowspeculation>),instsimplify,simplifycfg)";

// Loop strength reduction costs most of the time of code generation and finds nothing: addresses
// are written the way it would leave them.
static void initialize(void) {
    static const char *const options[] = {"gssm", "-disable-lsr"};
    LLVMParseCommandLineOptions(2, options, NULL);
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    LLVMInitializeNativeAsmParser();
}

void llvm_initialize(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialize);
}

static int vector_bytes(const LlvmTarget *t) {
    const char *f = t->features, *cpu = t->cpu;
    bool wide = strstr(f, "+avx512f") && strstr(f, "+avx512vl") && strstr(f, "+avx512bw") &&
                strstr(f, "+avx512dq");
    if (wide || !strcmp(cpu, "x86-64-v4"))
        return 64;
    return strstr(f, "+avx2") || !strcmp(cpu, "x86-64-v3") ? 32 : 16;
}

static bool copy_text(char *to, size_t size, char *text) {
    int n = snprintf(to, size, "%s", text);
    LLVMDisposeMessage(text);
    return n >= 0 && (size_t)n < size;
}

bool llvm_target_find(LlvmTarget *t, const char *cpu, char *why, size_t why_size) {
    llvm_initialize();
    *t = (LlvmTarget){0};
    bool fits = copy_text(t->triple, sizeof t->triple, LLVMGetDefaultTargetTriple());
    if (cpu) {
        snprintf(t->cpu, sizeof t->cpu, "%s", cpu);
    } else {
        fits = fits && copy_text(t->cpu, sizeof t->cpu, LLVMGetHostCPUName()) &&
               copy_text(t->features, sizeof t->features, LLVMGetHostCPUFeatures());
    }
    t->vector_bytes = vector_bytes(t);

    LLVMTargetMachineRef machine = NULL;
    if (fits)
        machine = llvm_machine_new(t, LLVMCodeGenLevelDefault, why, why_size);
    else
        snprintf(why, why_size, "the description of this processor is too long");
    if (machine)
        LLVMDisposeTargetMachine(machine);
    return machine != NULL;
}

void llvm_target_describe(const LlvmTarget *t, Buf *out) {
    unsigned major, minor, patch;
    LLVMGetVersion(&major, &minor, &patch);
    buf_printf(out, "gssm code %d, llvm %u.%u.%u, passes %s\n%s %s %s%s\n", LLVM_CODE_VERSION,
               major, minor, patch, passes, t->triple, t->cpu, t->features,
               t->gemm_blas ? " blas" : "");
}

LLVMTargetMachineRef llvm_machine_new(const LlvmTarget *t, LLVMCodeGenOptLevel level, char *why,
                                      size_t why_size) {
    LLVMTargetRef target;
    char *error = NULL;
    if (LLVMGetTargetFromTriple(t->triple, &target, &error)) {
        snprintf(why, why_size, "LLVM has no code for %s: %s", t->triple, error);
        LLVMDisposeMessage(error);
        return NULL;
    }
    LLVMTargetMachineRef machine =
        LLVMCreateTargetMachine(target, t->triple, t->cpu, t->features, level, LLVMRelocPIC,
                                LLVMCodeModelDefault);
    if (!machine)
        snprintf(why, why_size, "LLVM has no code generator for %s", t->triple);
    return machine;
}

bool llvm_optimize(LLVMModuleRef module, LLVMTargetMachineRef machine, char *why, size_t why_size) {
#ifndef NDEBUG
    char *broken = NULL;
    if (LLVMVerifyModule(module, LLVMReturnStatusAction, &broken)) {
        char *text = LLVMPrintModuleToString(module);
        fprintf(stderr, "%s\n%s\n", text, broken);
        LLVMDisposeMessage(text);
        diag_bug("generated code does not verify");
    }
    LLVMDisposeMessage(broken);
#endif
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetModuleDataLayout(module, layout);
    LLVMDisposeTargetData(layout);

    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(module, passes, machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (!error)
        return true;
    char *text = LLVMGetErrorMessage(error);
    snprintf(why, why_size, "LLVM: %s", text);
    LLVMDisposeErrorMessage(text);
    return false;
}

bool llvm_generate(LLVMModuleRef module, LLVMTargetMachineRef machine, LLVMCodeGenFileType type,
                   Buf *out, char *why, size_t why_size) {
    LLVMMemoryBufferRef buffer = NULL;
    char *error = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(machine, module, type, &error, &buffer)) {
        snprintf(why, why_size, "LLVM: %s", error);
        LLVMDisposeMessage(error);
        return false;
    }
    buf_put(out, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
    LLVMDisposeMemoryBuffer(buffer);
    return true;
}
