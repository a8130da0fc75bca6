// codegen/llvm_jit.c -- a schedule to native code in memory.
#include "codegen/llvm_jit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>

#include "codegen/cache.h"
#include "codegen/llvm_kernel.h"
#include "codegen/llvm_step.h"
#include "codegen/llvm_target.h"
#include "ir/base/trace.h"

enum { MAX_PATH = 4096, WHY = 512 };

// What becomes one object.
typedef struct Unit {
    const IrKernel *kernel; // NULL: the step function
    CacheKey key;
    Buf object;
    bool done;
} Unit;

// Units and what is needed to make them; shared by the threads that do.
typedef struct Work {
    const LlvmTarget *target;
    const IrSchedule *s;
    const char *cache; // folder, or NULL
    Unit *units;
    int n;
    atomic_int next;

    pthread_mutex_t lock; // of what follows
    BackendReport report;
    bool failed;
    char why[WHY];
} Work;

typedef void StepFn(const BackendCall *call, int32_t thread);

struct BackendStep {
    LLVMOrcLLJITRef jit;
    StepFn *run;
};

// ---- units --------------------------------------------------------------------------------------

static CacheKey unit_key(const LlvmTarget *target, const IrSchedule *s, const IrKernel *kernel) {
    Buf text = {0};
    llvm_target_describe(target, &text);
    if (kernel) {
        IrKernel nameless = *kernel;
        nameless.name = "";
        ir_print_kernel(&text, &nameless, false);
    } else {
        ir_print_schedule(&text, s, false);
    }
    CacheKey key = cache_key(text.data, text.len);
    buf_free(&text);
    return key;
}

static bool emit_unit(LlvmFn *f, const IrSchedule *s, const IrKernel *kernel, char *why,
                      size_t why_size) {
    if (kernel)
        return llvm_kernel_emit(f, kernel, why, why_size);
    llvm_step_emit(f, s);
    return true;
}

static bool make_object(Work *w, Unit *u, LLVMTargetMachineRef machine, char *why,
                        size_t why_size) {
    double start = trace_now();
    LLVMContextRef context = LLVMContextCreate();
    LlvmFn f;
    llvm_fn_open(&f, context, u->kernel ? u->kernel->name : "step", w->target);
    bool ok = emit_unit(&f, w->s, u->kernel, why, why_size);
    llvm_fn_close(&f);

    double emitted = trace_now();
    ok = ok && llvm_optimize(f.module, machine, why, why_size);
    double optimized = trace_now();
    ok = ok && llvm_generate(f.module, machine, LLVMObjectFile, &u->object, why, why_size);
    double generated = trace_now();
    trace_span("kernel", u->kernel ? u->kernel->name : "step", start);
    LLVMDisposeModule(f.module);
    LLVMContextDispose(context);

    pthread_mutex_lock(&w->lock);
    w->report.n_compiled += ok;
    w->report.emit_seconds += emitted - start;
    w->report.optimize_seconds += optimized - emitted;
    w->report.codegen_seconds += generated - optimized;
    pthread_mutex_unlock(&w->lock);
    if (ok && w->cache)
        cache_write(w->cache, u->key, u->object.data, u->object.len);
    return ok;
}

static void fail(Work *w, const char *why) {
    pthread_mutex_lock(&w->lock);
    if (!w->failed)
        snprintf(w->why, sizeof w->why, "%s", why);
    w->failed = true;
    pthread_mutex_unlock(&w->lock);
}

// Takes one unit after the other until there are none left. The step only passes arguments to
// kernels and grows with the model, so it is generated without optimisation, in linear time.
static void *make_objects(void *data) {
    Work *w = data;
    char why[WHY] = "";
    LLVMTargetMachineRef machines[2] = {0}; // for steps and for kernels

    for (int i; (i = atomic_fetch_add(&w->next, 1)) < w->n;) {
        Unit *u = &w->units[i];
        if (u->done)
            continue;
        LLVMTargetMachineRef *machine = &machines[u->kernel != NULL];
        if (!*machine)
            *machine = llvm_machine_new(w->target,
                                        u->kernel ? LLVMCodeGenLevelDefault : LLVMCodeGenLevelNone,
                                        why, sizeof why);
        if (!*machine || !make_object(w, u, *machine, why, sizeof why)) {
            fail(w, why);
            break;
        }
    }
    for (int k = 0; k < 2; k++) {
        if (machines[k])
            LLVMDisposeTargetMachine(machines[k]);
    }
    return NULL;
}

static void make_missing(Work *w, int n_missing, int n_threads) {
    pthread_t threads[64];
    if (n_threads <= 0)
        n_threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (n_threads > n_missing)
        n_threads = n_missing;
    if (n_threads > 64)
        n_threads = 64;

    int started = 0;
    for (; started < n_threads - 1; started++)
        if (pthread_create(&threads[started], NULL, make_objects, w))
            break;
    make_objects(w);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

// ---- linking ------------------------------------------------------------------------------------

static bool succeeded(LLVMErrorRef error, char *why, size_t why_size) {
    if (!error)
        return true;
    char *text = LLVMGetErrorMessage(error);
    snprintf(why, why_size, "LLVM: %s", text);
    LLVMDisposeErrorMessage(text);
    return false;
}

static bool add_objects(LLVMOrcLLJITRef jit, const Work *w, char *why, size_t why_size) {
    LLVMOrcJITDylibRef lib = LLVMOrcLLJITGetMainJITDylib(jit);
    LLVMOrcDefinitionGeneratorRef process;
    char prefix = LLVMOrcLLJITGetGlobalPrefix(jit);
    LLVMErrorRef error =
        LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&process, prefix, NULL, NULL);
    if (!succeeded(error, why, why_size))
        return false;
    LLVMOrcJITDylibAddGenerator(lib, process);

    for (int i = 0; i < w->n; i++) {
        const Buf *o = &w->units[i].object;
        LLVMMemoryBufferRef buffer =
            LLVMCreateMemoryBufferWithMemoryRangeCopy(o->data, o->len, "object");
        if (!succeeded(LLVMOrcLLJITAddObjectFile(jit, lib, buffer), why, why_size))
            return false;
    }
    return true;
}

static bool link_units(BackendStep *step, const Work *w, char *why, size_t why_size) {
    LLVMOrcExecutorAddress address = 0;
    if (!succeeded(LLVMOrcCreateLLJIT(&step->jit, NULL), why, why_size))
        return false;
    if (!add_objects(step->jit, w, why, why_size) ||
        !succeeded(LLVMOrcLLJITLookup(step->jit, &address, "step"), why, why_size))
        return false;
    step->run = (StepFn *)(uintptr_t)address;
    return true;
}

// ---- compiling ----------------------------------------------------------------------------------

// Lists the distinct kernels and the step function.
static void list_units(Work *w, Arena *a) {
    w->units = arena_array(a, Unit, w->s->n_kernels + 1);
    for (int i = 0; i < w->s->n_kernels; i++) {
        bool seen = false;
        for (int j = 0; j < w->n; j++)
            seen = seen || w->units[j].kernel->hash == w->s->kernels[i]->hash;
        if (!seen)
            w->units[w->n++].kernel = w->s->kernels[i];
    }
    w->n++;
    for (int i = 0; i < w->n; i++)
        w->units[i].key = unit_key(w->target, w->s, w->units[i].kernel);
}

static int find_missing(Work *w) {
    int n = 0;
    for (int i = 0; i < w->n; i++) {
        Unit *u = &w->units[i];
        u->done = w->cache && cache_read(w->cache, u->key, &u->object);
        if (!u->done)
            buf_reset(&u->object);
        n += !u->done;
    }
    w->report.n_kernels = w->n;
    w->report.n_cached = w->n - n;
    return n;
}

BackendStep *llvm_jit_compile(const LlvmTarget *target, const IrSchedule *s,
                              const BackendOptions *options, BackendReport *report, char *why,
                              size_t why_size) {
    char dir[MAX_PATH];
    Arena arena = {0};
    Work w = {.target = target, .s = s, .lock = PTHREAD_MUTEX_INITIALIZER};
    if (!options->no_cache && cache_dir(dir, sizeof dir, options->cache_dir))
        w.cache = dir;
    llvm_initialize();
    list_units(&w, &arena);
    int n_missing = find_missing(&w);
    if (n_missing)
        make_missing(&w, n_missing, options->compile_threads);

    BackendStep *step = calloc(1, sizeof *step);
    if (!step)
        arena_out_of_memory(sizeof *step);
    double start = trace_now();
    bool ok = !w.failed && link_units(step, &w, w.why, sizeof w.why);
    w.report.link_seconds = trace_now() - start;
    trace_span("stage", "link", start);
    for (int i = 0; i < w.n; i++) {
        w.report.code_bytes += w.units[i].object.len;
        buf_free(&w.units[i].object);
    }
    if (report)
        *report = w.report;
    arena_free(&arena);
    if (ok)
        return step;
    snprintf(why, why_size, "%s", w.why);
    llvm_jit_free(step);
    return NULL;
}

void llvm_jit_run(const BackendStep *step, const BackendCall *call, int thread) {
    step->run(call, thread);
}

void llvm_jit_free(BackendStep *step) {
    if (!step)
        return;
    if (step->jit)
        LLVMConsumeError(LLVMOrcDisposeLLJIT(step->jit));
    free(step);
}

// ---- text and objects for people ----------------------------------------------------------------

static bool write_module(LLVMModuleRef module, LLVMTargetMachineRef machine, const char *form,
                         FILE *out, char *why, size_t why_size) {
    bool obj = !strcmp(form, "obj"), plain = !strcmp(form, "llvm");
    if (!plain && !llvm_optimize(module, machine, why, why_size))
        return false;
    if (plain || !strcmp(form, "llvm-opt")) {
        char *text = LLVMPrintModuleToString(module);
        fputs(text, out);
        LLVMDisposeMessage(text);
        return true;
    }
    Buf code = {0};
    bool ok = llvm_generate(module, machine, obj ? LLVMObjectFile : LLVMAssemblyFile, &code, why,
                            why_size);
    if (ok)
        fwrite(code.data, 1, code.len, out);
    buf_free(&code);
    return ok;
}

bool llvm_jit_emit(const LlvmTarget *target, const IrSchedule *s, const char *form, FILE *out,
                   char *why, size_t why_size) {
    static const char *const forms[] = {"llvm", "llvm-opt", "asm", "obj"};
    bool known = false;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        known = known || !strcmp(form, forms[i]);
    if (!known) {
        snprintf(why, why_size, "the cpu back end writes llvm, llvm-opt, asm and obj, not %s",
                 form);
        return false;
    }

    llvm_initialize();
    LLVMTargetMachineRef machine = llvm_machine_new(target, LLVMCodeGenLevelDefault, why, why_size);
    if (!machine)
        return false;
    LLVMContextRef context = LLVMContextCreate();
    LlvmFn f;
    llvm_fn_open(&f, context, s->fn ? s->fn->name : "step", target);
    Arena arena = {0};
    Work w = {.target = target, .s = s};
    list_units(&w, &arena);
    bool ok = true;
    for (int i = 0; i < w.n; i++)
        ok = ok && emit_unit(&f, s, w.units[i].kernel, why, why_size);
    llvm_fn_close(&f);
    ok = ok && write_module(f.module, machine, form, out, why, why_size);

    arena_free(&arena);
    LLVMDisposeModule(f.module);
    LLVMContextDispose(context);
    LLVMDisposeTargetMachine(machine);
    return ok;
}
