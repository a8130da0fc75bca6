// tests/support_native.c -- a graph compiled by both back ends from one schedule.
#include "tests/support_native.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ir/build.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "tests/support_run.h"

// ---- memory -------------------------------------------------------------------------------------

// `bytes` that end at the guard, with all before them set to 0xff.
static void *memory_take(NativeMemory *m, size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (bytes / page + 2) * page;
    if (m->size < size) {
        if (m->pages)
            munmap(m->pages, m->size + page);
        m->pages =
            mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ck_assert(m->pages != MAP_FAILED);
        m->end = m->pages + size;
        m->size = size;
        ck_assert_int_eq(mprotect(m->end, page, PROT_NONE), 0);
    }
    memset(m->end - bytes - page, 0xff, bytes + page);
    return m->end - bytes;
}

static void memory_release(NativeMemory *m) {
    if (m->pages)
        munmap(m->pages, m->size + (size_t)sysconf(_SC_PAGESIZE));
}

// Whether the page before the last `bytes` is as memory_take() left it.
static bool memory_is_whole(const NativeMemory *m, size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (const char *p = m->end - bytes - page; p < m->end - bytes; p++)
        if (*p != (char)0xff)
            return false;
    return true;
}

static size_t bytes_of(const EvalTensor *t) {
    return (size_t)t->n * ir_dtype_size(t->dtype);
}

// ---- compilation --------------------------------------------------------------------------------

static BackendStep *compile(Backend *backend, const IrSchedule *s) {
    char why[512] = "";
    BackendReport report = {0};
    BackendOptions options = {.no_cache = true, .compile_threads = 1};
    BackendStep *step = backend->compile(s, &options, &report, why, sizeof why);
    ck_assert_msg(step != NULL, "%s: %s", backend->name, why);
    return step;
}

Native native_open(Arena *a, const IrFunction *f, bool in_pieces) {
    char why[256] = "";
    ck_assert_msg(llvm_backend.open(why, sizeof why), "%s", why);
    ck_assert_msg(ref_backend.open(why, sizeof why), "%s", why);
    IrTarget *target = arena_new(a, IrTarget);
    *target = llvm_backend.target;
    if (in_pieces)
        target->flops_per_row_piece = run_small_pieces.flops_per_row_piece;

    Diag d = {0};
    PassOptions options = {.verify_each = true, .disabled[PASS_lowrank] = true};
    Native n = {.fn = ir_clone_function(a, f)};
    bool good = pass_run_pipeline(n.fn, &options, &d, a, NULL) &&
                (n.s = pass_lower(n.fn, target, &options, &d, a, NULL));
    if (!good)
        diag_print(&d, stderr, false);
    ck_assert(good);
    diag_free(&d);

    n.ref = compile(&ref_backend, n.s);
    n.native = compile(&llvm_backend, n.s);
    n.inputs = arena_array(a, NativeMemory, f->body->n_params + 1);
    n.outputs = arena_array(a, NativeMemory, f->body->n_results + 1);
    return n;
}

void native_close(Native *n) {
    for (int i = 0; i < n->fn->body->n_params; i++)
        memory_release(&n->inputs[i]);
    for (int i = 0; i < n->fn->body->n_results; i++)
        memory_release(&n->outputs[i]);
    memory_release(&n->arena);
    ref_backend.free(n->ref);
    llvm_backend.free(n->native);
}

// ---- running ------------------------------------------------------------------------------------

EvalTensor **native_run(Native *n, const Eval *e, bool by_ref, EvalTensor *const *in,
                        int n_threads) {
    const IrBlock *body = n->fn->body;
    void **inputs = arena_array(e->arena, void *, body->n_params + 1);
    void **outputs = arena_array(e->arena, void *, body->n_results + 1);
    EvalTensor **out = arena_array(e->arena, EvalTensor *, body->n_results + 1);
    for (int i = 0; i < body->n_params; i++) {
        inputs[i] = memory_take(&n->inputs[i], bytes_of(in[i]));
        eval_store(in[i], inputs[i]);
    }
    for (int i = 0; i < body->n_results; i++) {
        out[i] = eval_zeros(e, &body->results[i]->types[0]);
        outputs[i] = memory_take(&n->outputs[i], bytes_of(out[i]));
    }

    atomic_int barrier[2] = {0};
    BackendCall call = {.inputs = inputs,
                        .outputs = outputs,
                        .dims = e->dims,
                        .arena = memory_take(&n->arena, ((size_t)n->s->arena_bytes + 63) / 64 * 64),
                        .seed = e->seed,
                        .call = e->call,
                        .n_threads = n_threads,
                        .barrier = barrier};
    run_threads(by_ref ? &ref_backend : &llvm_backend, by_ref ? n->ref : n->native, &call);

    for (int i = 0; i < body->n_results; i++) {
        if (!memory_is_whole(&n->outputs[i], bytes_of(out[i])))
            ck_abort_msg("something was written before output %s", n->fn->outputs[i].name);
        eval_load(out[i], outputs[i]);
    }
    return out;
}
