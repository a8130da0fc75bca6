// tools/gssmc_doctor.c -- gssmc doctor: what this machine has, with versions and where it was
// found.
//
// What is needed: LLVM, OpenBLAS. What is found at run time and may be absent: MuJoCo, NVRTC, the
// CUDA driver and a GPU.
#include <cblas.h>
#include <dlfcn.h>
#include <link.h>
#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ir/base/exits.h"
#include "runtime/exec/roots.h"
#include "tools/gssmc.h"

// A line of the report.
typedef struct Finding {
    const char *name;
    bool found;
    char what[256], where[512];
} Finding;

// Opens the first of `names` (NULL-terminated) that loads, and notes its path.
static void *open_library(Finding *f, const char *const *names) {
    for (; *names; names++) {
        void *lib = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
        struct link_map *map;
        if (!lib)
            continue;
        if (dlinfo(lib, RTLD_DI_LINKMAP, &map) == 0)
            snprintf(f->where, sizeof f->where, "%s", map->l_name);
        f->found = true;
        return lib;
    }
    const char *why = dlerror();
    snprintf(f->what, sizeof f->what, "%s", why ? why : "not found");
    return NULL;
}

// The function `name` of `lib`. A union, since C has no cast from object to function pointers.
static void (*find_function(void *lib, const char *name))(void) {
    union {
        void *object;
        void (*function)(void);
    } u = {.object = lib ? dlsym(lib, name) : NULL};

    return u.function;
}

static void path_of(const void *address, Finding *f) {
    Dl_info info;

    if (dladdr(address, &info) && info.dli_fname)
        snprintf(f->where, sizeof f->where, "%s", info.dli_fname);
}

static void find_cpu(Finding *f) {
    char *name = LLVMGetHostCPUName(), *features = LLVMGetHostCPUFeatures();
    struct utsname system;

    f->found = true;
    bool avx2 = strstr(features, "+avx2"), avx512 = strstr(features, "+avx512f");
    snprintf(f->what, sizeof f->what, "%s, %s, %d threads", name,
             avx512 ? "AVX-512"
             : avx2 ? "AVX2"
                    : "no AVX2",
             rt_pool_available());
    if (uname(&system) == 0)
        snprintf(f->where, sizeof f->where, "%s %s", system.sysname, system.machine);
    LLVMDisposeMessage(name);
    LLVMDisposeMessage(features);
}

static void find_llvm(Finding *f) {
    unsigned major, minor, patch;

    LLVMGetVersion(&major, &minor, &patch);
    f->found = true;
    snprintf(f->what, sizeof f->what, "%u.%u.%u", major, minor, patch);
    union {
        void (*function)(unsigned *, unsigned *, unsigned *);
        void *object;
    } u = {.function = LLVMGetVersion};
    path_of(u.object, f);
}

static void find_blas(Finding *f) {
    f->found = true;
    snprintf(f->what, sizeof f->what, "%s", openblas_get_config());
    union {
        char *(*function)(void);
        void *object;
    } u = {.function = openblas_get_config};
    path_of(u.object, f);
}

static void find_mujoco(Finding *f) {
    void *lib = open_library(f, (const char *const[]){"libmujoco.so.4.0.1", "libmujoco.so", NULL});
    const char *(*version)(void) = (const char *(*)(void))find_function(lib, "mj_versionString");

    if (version)
        snprintf(f->what, sizeof f->what, "%s", version());
}

static void find_nvrtc(Finding *f) {
    void *lib =
        open_library(f, (const char *const[]){"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so",
                                              "/usr/local/cuda/lib64/libnvrtc.so", NULL});
    int (*version)(int *, int *) = (int (*)(int *, int *))find_function(lib, "nvrtcVersion");
    int major, minor;

    if (version && version(&major, &minor) == 0)
        snprintf(f->what, sizeof f->what, "%d.%d", major, minor);
}

static void find_driver(Finding *driver, Finding *gpu) {
    void *lib = open_library(driver, (const char *const[]){"libcuda.so.1", NULL});
    int (*version)(int *) = (int (*)(int *))find_function(lib, "cuDriverGetVersion");
    int (*init)(unsigned) = (int (*)(unsigned))find_function(lib, "cuInit");
    int (*count)(int *) = (int (*)(int *))find_function(lib, "cuDeviceGetCount");
    int (*get)(int *, int) = (int (*)(int *, int))find_function(lib, "cuDeviceGet");
    int (*name)(char *, int, int) =
        (int (*)(char *, int, int))find_function(lib, "cuDeviceGetName");
    int v = 0, n = 0, device;

    if (version && version(&v) == 0)
        snprintf(driver->what, sizeof driver->what, "CUDA %d.%d", v / 1000, v % 1000 / 10);
    snprintf(gpu->what, sizeof gpu->what, "none");
    if (init && init(0) == 0 && count && count(&n) == 0 && n > 0 && get && get(&device, 0) == 0 &&
        name && name(gpu->what, (int)sizeof gpu->what, device) == 0) {
        gpu->found = true;
        snprintf(gpu->where, sizeof gpu->where, "device 0 of %d", n);
    }
}

static void find_models(Finding *f) {
    const char *const *roots;
    int n = rt_model_roots(&roots);

    f->found = n > 0;
    snprintf(f->what, sizeof f->what, n ? "%d folder%s" : "none: set GSSM_MODELS", n,
             n == 1 ? "" : "s");
    if (n)
        snprintf(f->where, sizeof f->where, "%s", roots[0]);
}

int command_doctor(const OptCommand *self, int argc, char **argv) {
    enum { CPU, LLVM, BLAS, MODELS, MUJOCO, NVRTC, DRIVER, GPU, N };
    Finding f[N] = {
        [CPU] = {"cpu"},       [LLVM] = {"llvm"},   [BLAS] = {"openblas"}, [MODELS] = {"models"},
        [MUJOCO] = {"mujoco"}, [NVRTC] = {"nvrtc"}, [DRIVER] = {"driver"}, [GPU] = {"gpu"}};
    bool json = false;
    const Opt table[] = {{"json", 0, OPT_FLAG, &json, NULL, "print JSON"}};

    int code = opt_parse(self, table, 1, argc, argv, &(OptRest){.most = -1});
    if (code != OPT_GO_ON)
        return code;
    find_cpu(&f[CPU]);
    find_llvm(&f[LLVM]);
    find_blas(&f[BLAS]);
    find_models(&f[MODELS]);
    find_mujoco(&f[MUJOCO]);
    find_nvrtc(&f[NVRTC]);
    find_driver(&f[DRIVER], &f[GPU]);
    for (int i = 0; i < N; i++)
        if (json) {
            gssmc_print_json(i ? " {\"name\": " : "[{\"name\": ", f[i].name);
            printf(", \"found\": %s", f[i].found ? "true" : "false");
            gssmc_print_json(", \"what\": ", f[i].what);
            gssmc_print_json(", \"where\": ", f[i].where);
            printf(i + 1 < N ? "},\n" : "}]\n");
        } else
            printf("%-9s %-4s %s%s%s\n", f[i].name, f[i].found ? "yes" : "no", f[i].what,
                   f[i].where[0] ? "   " : "", f[i].where);
    return f[MODELS].found ? EXIT_OK : EXIT_MISSING;
}
