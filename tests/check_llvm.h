// tests/check_llvm.h -- what the suites of the LLVM back end share: kernels as text, compiled for
// several processors and by the reference back end, run and compared.
#ifndef TESTS_CHECK_LLVM_H
#define TESTS_CHECK_LLVM_H

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "codegen/backend.h"
#include "codegen/llvm_jit.h"
#include "codegen/llvm_target.h"

enum { MAX_ARGS = 12, MAX_DIMS = 8, MAX_THREADS = 4 };

// One kernel as text, and how to call it once.
typedef struct Case {
    const char *name;
    const char *kernel; // its body, from "args" on; dims are d0, d1, ...
    int n_dims;
    int64_t dims[MAX_DIMS];   // values of d0, d1, ...
    int64_t counts[MAX_ARGS]; // elements of each argument
    const char *ints;         // integer arguments of the call ("@L0, hash 0x1"), or NULL
    int64_t grain;            // rows of a piece; 0: not in pieces
    bool adds;                // the last argument holds zeros before: the kernel adds to it
    double tolerance;         // against the reference, relative to 1 + |value|; 0: the same bits
} Case;

// Memory whose last byte is the last before a page that nobody may touch, with its mapping.
typedef struct CheckMemory {
    void *p, *pages;
    size_t n_bytes;
} CheckMemory;

static inline CheckMemory check_memory(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (bytes + page - 1) / page * page;
    CheckMemory m = {.n_bytes = used + page};
    m.pages = mmap(NULL, m.n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(m.pages != MAP_FAILED);
    ck_assert_int_eq(mprotect((char *)m.pages + used, page, PROT_NONE), 0);
    m.p = (char *)m.pages + used - bytes;
    return m;
}

static inline void check_release(CheckMemory *m) {
    if (m->pages)
        munmap(m->pages, m->n_bytes);
    *m = (CheckMemory){0};
}

// A schedule, its memory, and where its outputs are.
typedef struct Run {
    Arena *arena; // at a place of its own: what it holds points to it
    IrSchedule *s;
    int64_t dims[MAX_DIMS];
    int n_in, n_out;
    void *in[MAX_ARGS], *out[MAX_ARGS];
    CheckMemory inputs[MAX_ARGS], outputs[MAX_ARGS], memory;
    int64_t n_elements[MAX_ARGS]; // of outputs
} Run;

static inline double check_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// A number on [0, 1) from a state.
static inline double check_uniform(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (double)(*state >> 11) * 0x1p-53;
}

static inline void check_fill(void *p, IrDtype dtype, int64_t n, uint64_t salt) {
    uint64_t state = salt * 0x9e3779b97f4a7c15u + 1;
    for (int64_t i = 0; i < n; i++) {
        double x = check_uniform(&state);
        switch (dtype) {
        case IR_F32:
            ((float *)p)[i] = (float)(4 * x - 2);
            break;
        case IR_F64:
            ((double *)p)[i] = 4 * x - 2;
            break;
        case IR_I32:
            ((int32_t *)p)[i] = (int32_t)(20 * x) - 5;
            break;
        case IR_BOOL:
            ((uint8_t *)p)[i] = x < 0.5;
            break;
        case IR_DTYPE_COUNT:
            break;
        }
    }
}

// ---- schedules ----------------------------------------------------------------------------------

static inline void check_parse(Run *r, const char *text) {
    Diag d = {0};
    r->arena = calloc(1, sizeof *r->arena);
    r->s = ir_parse_schedule(r->arena, &d, "test", text, strlen(text));
    if (!r->s) {
        diag_print(&d, stderr, false);
        fputs(text, stderr);
    }
    ck_assert_ptr_nonnull(r->s);
    diag_free(&d);
}

// The text of a schedule that calls the one kernel of `c`: arguments that it writes are outputs.
static inline void check_case_text(const Case *c, Buf *text) {
    Buf in = {0}, out = {0}, buffers = {0}, args = {0};
    int n_args = 0, n_in = 0, n_out = 0;
    const char *p = strstr(c->kernel, "args [");
    ck_assert_ptr_nonnull(p);

    for (p += strlen("args ["); *p != ']'; n_args++) {
        char dtype[8], use[8];
        p += strspn(p, ", ");
        ck_assert_int_eq(sscanf(p, "%7[a-z0-9] %7[a-z]", dtype, use), 2);
        p += strlen(dtype) + 1 + strlen(use);
        bool written = strcmp(use, "out") == 0;
        long n = (long)c->counts[n_args];
        buf_printf(written ? &out : &in, "%s %d %s v%d: %s[%ld]\n", written ? "output" : "input",
                   written ? n_out : n_in, written ? "out" : "in", n_args, dtype, n);
        buf_printf(&buffers, "buffer %%v%d: %s[%ld] %s %d\n", n_args, dtype, n,
                   written ? "output" : "input", written ? n_out : n_in);
        buf_printf(&args, "%s%%v%d", n_args ? ", " : "", n_args);
        n_out += written;
        n_in += !written;
    }
    buf_printf(text, "schedule @%s target=cpu arena=0 residual=0\n", c->name);
    for (int i = 0; i < c->n_dims; i++)
        buf_printf(text, "dim D%d max=100000\n", i);
    buf_printf(text, "%s%s%s", buf_text(&in), buf_text(&out), buf_text(&buffers));
    buf_printf(text, "kernel @k0 \"%s\" {\n", c->name);
    for (int i = 0; i < c->n_dims; i++)
        buf_printf(text, "%sd%d%s", i ? " " : "  dims ", i, i + 1 == c->n_dims ? "\n" : "");
    buf_printf(text, "%s}\n", c->kernel);
    if (c->adds)
        buf_printf(text,
                   "kernel @k1 \"zeros\" {\n  args [f32 out]\n  axes [| %ld]\n"
                   "  s0 = const 0 : f32\n  store a0[i0] = s0\n}\n",
                   (long)c->counts[n_args - 1]);
    buf_puts(text, "tree {\n");
    if (c->adds)
        buf_printf(text, "call @k1(%%v%d)\n", n_args - 1);
    const char *rows = strstr(c->kernel, "axes [") + strlen("axes [");
    if (c->grain && *rows == 'd')
        buf_printf(text, "par rows=D%c grain=%ld {\n", rows[1], (long)c->grain);
    else if (c->grain)
        buf_printf(text, "par rows=%d grain=%ld {\n", atoi(rows), (long)c->grain);
    buf_printf(text, "call @k0(%s)", buf_text(&args));
    for (int i = 0; i < c->n_dims; i++)
        buf_printf(text, "%sD%d%s", i ? ", " : " dims=[", i, i + 1 == c->n_dims ? "]" : "");
    if (c->ints)
        buf_printf(text, " ints=[%s]", c->ints);
    buf_printf(text, "\n%s}\n", c->grain ? "}\n" : "");
    buf_free(&in);
    buf_free(&out);
    buf_free(&buffers);
    buf_free(&args);
}

static inline void check_allocate(Run *r, const int64_t *dims) {
    IrSchedule *s = r->s;
    memcpy(r->dims, dims, (size_t)s->dims->n_vars * sizeof *dims);
    r->memory = check_memory(((size_t)s->arena_bytes + 63) / 64 * 64);
    r->n_in = s->fn->body->n_params;
    r->n_out = s->fn->body->n_results;
    for (int i = 0; i < s->n_buffers; i++) {
        const IrBuffer *b = &s->buffers[i];
        int64_t n = ir_dim_eval(b->count, r->dims);
        if (b->storage == IR_STORAGE_INPUT && !r->in[b->slot]) {
            r->inputs[b->slot] = check_memory((size_t)n * ir_dtype_size(b->dtype));
            r->in[b->slot] = r->inputs[b->slot].p;
            check_fill(r->in[b->slot], b->dtype, n, (uint64_t)b->slot + 1);
        }
        if (b->storage == IR_STORAGE_OUTPUT && !r->out[b->slot]) {
            r->outputs[b->slot] = check_memory((size_t)n * ir_dtype_size(b->dtype));
            r->out[b->slot] = r->outputs[b->slot].p;
            r->n_elements[b->slot] = n;
        }
    }
}

static inline Run check_open(const Case *c) {
    Run r = {0};
    Buf text = {0};
    check_case_text(c, &text);
    check_parse(&r, buf_text(&text));
    buf_free(&text);
    check_allocate(&r, c->dims);
    return r;
}

static inline void check_close(Run *r) {
    for (int i = 0; i < MAX_ARGS; i++) {
        check_release(&r->inputs[i]);
        check_release(&r->outputs[i]);
    }
    check_release(&r->memory);
    arena_free(r->arena);
    free(r->arena);
}

static inline IrDtype check_output_dtype(const Run *r, int i) {
    return r->s->fn->body->results[i]->types[0].dtype;
}

// Bytes of output i.
static inline size_t check_output_bytes(const Run *r, int i) {
    return (size_t)r->n_elements[i] * ir_dtype_size(check_output_dtype(r, i));
}

// ---- running ------------------------------------------------------------------------------------

typedef struct CheckThread {
    pthread_t thread;
    const Backend *backend;
    const BackendStep *step;
    const BackendCall *call;
    int number;
} CheckThread;

static inline void *check_enter(void *data) {
    const CheckThread *t = data;
    t->backend->run(t->step, t->call, t->number);
    return NULL;
}

static inline void check_run(Run *r, const Backend *backend, const BackendStep *step,
                             int n_threads) {
    atomic_int barrier[2] = {0};
    BackendCall call = {.inputs = r->in,
                        .outputs = r->out,
                        .dims = r->dims,
                        .arena = r->memory.p,
                        .seed = 42,
                        .call = 7,
                        .n_threads = n_threads,
                        .barrier = barrier};
    CheckThread threads[MAX_THREADS];
    for (int i = 0; i < r->n_out; i++)
        memset(r->out[i], 0, check_output_bytes(r, i));
    for (int i = 0; i < n_threads; i++)
        threads[i] = (CheckThread){.backend = backend, .step = step, .call = &call, .number = i};
    for (int i = 1; i < n_threads; i++)
        ck_assert_int_eq(pthread_create(&threads[i].thread, NULL, check_enter, &threads[i]), 0);
    check_enter(&threads[0]);
    for (int i = 1; i < n_threads; i++)
        pthread_join(threads[i].thread, NULL);
}

static inline void *check_copy_output(const Run *r, int i) {
    size_t n = check_output_bytes(r, i);
    void *copy = malloc(n + 1);
    memcpy(copy, r->out[i], n);
    return copy;
}

static inline const LlvmTarget *check_target(const char *cpu, LlvmTarget *t) {
    char why[256];
    ck_assert_msg(llvm_target_find(t, cpu, why, sizeof why), "%s", why);
    return t;
}

static inline BackendStep *check_compile(const Run *r, const char *cpu) {
    static LlvmTarget t;
    char why[512] = "";
    BackendReport report;
    BackendOptions options = {.no_cache = true, .compile_threads = 1};
    BackendStep *step =
        llvm_jit_compile(check_target(cpu, &t), r->s, &options, &report, why, sizeof why);
    ck_assert_msg(step != NULL, "%s", why);
    return step;
}

static inline BackendStep *check_compile_ref(const Run *r) {
    char why[512] = "";
    BackendReport report;
    ck_assert(ref_backend.open(why, sizeof why));
    BackendStep *step =
        ref_backend.compile(r->s, &(BackendOptions){.no_cache = true}, &report, why, sizeof why);
    ck_assert_msg(step != NULL, "%s", why);
    return step;
}

// Element j of an output as a number.
static inline double check_element(const void *p, IrDtype dtype, int64_t j) {
    switch (dtype) {
    case IR_F32:
        return ((const float *)p)[j];
    case IR_F64:
        return ((const double *)p)[j];
    case IR_I32:
        return ((const int32_t *)p)[j];
    case IR_BOOL:
        return ((const uint8_t *)p)[j];
    case IR_DTYPE_COUNT:
        break;
    }
    return NAN;
}

#endif
