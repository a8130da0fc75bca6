// codegen/llvm_backend.c -- the back end "cpu": native code by LLVM.
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <cblas.h>

#include "codegen/backend.h"
#include "codegen/llvm_jit.h"
#include "codegen/llvm_target.h"

// This machine, found once by `open`.
static LlvmTarget host;
static bool host_found;
static char host_why[256];
static pthread_once_t host_once = PTHREAD_ONCE_INIT;

static int64_t cache_bytes(int name, int64_t otherwise) {
    long n = sysconf(name);
    return n > 0 ? n : otherwise;
}

static void find_host(void) {
    host_found = llvm_target_find(&host, NULL, host_why, sizeof host_why);
    if (!host_found)
        return;
    llvm_backend.target.vector_bytes = host.vector_bytes;
    llvm_backend.target.l1_bytes = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32 << 10);
    llvm_backend.target.l2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 512 << 10);
}

static bool llvm_open(char *why, size_t why_size) {
    pthread_once(&host_once, find_host);
    if (!host_found)
        snprintf(why, why_size, "%s", host_why);
    return host_found;
}

static LlvmTarget target_for(const BackendOptions *options) {
    LlvmTarget target = host;
    target.gemm_blas = options->gemm_blas;
    if (target.gemm_blas)
        openblas_set_num_threads(1); // threads are ours
    return target;
}

static BackendStep *llvm_compile(const IrSchedule *s, const BackendOptions *options,
                                 BackendReport *report, char *why, size_t why_size) {
    if (!llvm_open(why, why_size))
        return NULL;
    LlvmTarget target = target_for(options);
    return llvm_jit_compile(&target, s, options, report, why, why_size);
}

static bool llvm_emit(const IrSchedule *s, const BackendOptions *options, const char *form,
                      FILE *out, char *why, size_t why_size) {
    if (!llvm_open(why, why_size))
        return false;
    LlvmTarget target = target_for(options);
    return llvm_jit_emit(&target, s, form, out, why, why_size);
}

Backend llvm_backend = {
    .name = "cpu",
    .target =
        {
            .name = "cpu",
            .vector_bytes = 32,
            .l1_bytes = 32 << 10,
            .l2_bytes = 512 << 10,
            .flops_per_row_piece = 100e3,
        },
    .open = llvm_open,
    .compile = llvm_compile,
    .run = llvm_jit_run,
    .emit = llvm_emit,
    .free = llvm_jit_free,
};
