// codegen/ref_run.c -- the reference back end: walks the tree of a schedule and interprets it.
//
// Every thread walks the whole tree and keeps its own loop indices. A call outside of `par` is for
// thread 0; piece p of a `par` is for thread p % n_threads.
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/ref.h"
#include "ir/random.h"

// A node of the schedule's tree, with the number of its call.
typedef struct RefTree RefTree;
struct RefTree {
    const IrTree *tree;
    RefTree *children;
    int call; // KERNEL: counts up through the tree
};

struct BackendStep {
    Arena arena;
    const IrSchedule *schedule;
    RefPlan **plans; // one for each kernel
    RefTree root;
    int n_calls;
    int max_scalars, max_reduces;
    bool gemm_blas;
};

// A thread within a step.
typedef struct RefThread {
    const BackendStep *step;
    const BackendCall *call;
    int thread;
    Arena arena;
    int64_t *loops;    // index of each loop
    RefFrame **frames; // one for each call, made when it is reached first
    RefReg *regs;      // shared by the frames
    RefAcc *accs;
} RefThread;

// The rows of the piece that a thread is in.
typedef struct Piece {
    bool present;
    int64_t lo, hi;
} Piece;

// ---- calls --------------------------------------------------------------------------------------

static char *buffer_base(const RefThread *t, const IrBuffer *b) {
    const IrSchedule *s = t->step->schedule;
    switch (b->storage) {
    case IR_STORAGE_INPUT:
        return t->call->inputs[b->slot];
    case IR_STORAGE_OUTPUT:
        if (s->update_in_place && s->update_in_place[b->slot])
            return t->call->inputs[s->fn->outputs[b->slot].target];
        return t->call->outputs[b->slot];
    case IR_STORAGE_ARENA:
        return (char *)t->call->arena + b->offset;
    case IR_STORAGE_COUNT:
        break;
    }
    diag_bug("buffer %s has no storage", b->name);
}

static RefArg locate_arg(const RefThread *t, const IrCallArg *a) {
    const IrBuffer *b = &t->step->schedule->buffers[a->buffer];
    const int64_t *dims = t->call->dims;
    int64_t offset = a->offset ? ir_dim_eval(a->offset, dims) : 0;
    for (int i = 0; i < a->n_loops; i++)
        if (a->strides[i])
            offset += t->loops[a->loops[i]] * ir_dim_eval(a->strides[i], dims);

    // an empty buffer may have no memory, and then nothing is read from it
    char *base = buffer_base(t, b);
    return (RefArg){.base = base ? base + offset * (int64_t)ir_dtype_size(b->dtype) : NULL,
                    .lo = -offset,
                    .hi = ir_dim_eval(b->count, dims) - offset};
}

static uint64_t eval_int(const RefThread *t, const IrCallInt *n) {
    uint64_t key;
    switch (n->kind) {
    case IR_INT_LOOP:
        return (uint64_t)t->loops[n->loop];
    case IR_INT_HASH:
        return n->hash;
    case IR_INT_KEY:
        key = ir_random_key(t->call->seed, n->hash);
        for (int i = 0; i < n->n_loops; i++)
            key += ir_random_loop(n->loop_hashes[i], t->loops[n->loops[i]]);
        return key;
    case IR_INT_COUNT:
        break;
    }
    diag_bug("an integer argument has no kind");
}

static RefFrame *ensure_frame(RefThread *t, const IrKernelCall *c, int number) {
    if (t->frames[number])
        return t->frames[number];
    RefFrame *f = arena_new(&t->arena, RefFrame);
    ref_frame_init(f, &t->arena, t->step->plans[c->index], c, t->call->dims);
    f->regs = t->regs;
    f->accs = t->accs;
    f->use_blas = t->step->gemm_blas;
    f->draw_call = t->call->call;
    t->frames[number] = f;
    return f;
}

static void run_call(RefThread *t, const IrKernelCall *c, int number, Piece piece) {
    if (!piece.present && t->thread != 0)
        return;
    RefFrame *f = ensure_frame(t, c, number);
    for (int i = 0; i < c->kernel->n_args; i++)
        f->args[i] = locate_arg(t, &c->args[i]);
    for (int i = 0; i < c->kernel->n_ints; i++)
        f->ints[i] = eval_int(t, &c->ints[i]);
    if (piece.present)
        ref_frame_run(f, piece.lo, piece.hi);
    else
        ref_frame_run(f, 0, c->kernel->n_axes ? f->extents[0] : 0);
}

// ---- tree ---------------------------------------------------------------------------------------

static void run_tree(RefThread *t, const RefTree *n, Piece piece);

static void run_children(RefThread *t, const RefTree *n, Piece piece) {
    for (int i = 0; i < n->tree->n; i++)
        run_tree(t, &n->children[i], piece);
}

static void run_loop(RefThread *t, const RefTree *n, Piece piece) {
    int64_t steps = ir_dim_eval(n->tree->steps, t->call->dims);
    for (int64_t i = 0; i < steps; i++) {
        if (n->tree->ends && *(const uint8_t *)locate_arg(t, &n->tree->until).base)
            break;
        t->loops[n->tree->loop] = n->tree->reverse ? steps - 1 - i : i;
        run_children(t, n, piece);
    }
}

static void run_par(RefThread *t, const RefTree *n) {
    int64_t rows = ir_dim_eval(n->tree->rows, t->call->dims), grain = n->tree->grain;
    for (int64_t lo = t->thread * grain; lo < rows; lo += t->call->n_threads * grain) {
        int64_t hi = lo + grain < rows ? lo + grain : rows;
        run_children(t, n, (Piece){.present = true, .lo = lo, .hi = hi});
    }
}

static void run_tree(RefThread *t, const RefTree *n, Piece piece) {
    switch (n->tree->kind) {
    case IR_TREE_SEQ:
        run_children(t, n, piece);
        return;
    case IR_TREE_LOOP:
        run_loop(t, n, piece);
        return;
    case IR_TREE_PAR:
        run_par(t, n);
        return;
    case IR_TREE_BARRIER:
        backend_barrier(t->call->barrier, t->call->n_threads);
        return;
    case IR_TREE_KERNEL:
        run_call(t, n->tree->call, n->call, piece);
        return;
    case IR_TREE_COUNT:
        return;
    }
}

static void ref_run(const BackendStep *step, const BackendCall *call, int thread) {
    RefThread t = {.step = step, .call = call, .thread = thread};
    t.loops = arena_array(&t.arena, int64_t, step->schedule->n_loops);
    t.frames = arena_array(&t.arena, RefFrame *, step->n_calls);
    t.regs = arena_array(&t.arena, RefReg, step->max_scalars);
    t.accs = arena_array(&t.arena, RefAcc, step->max_reduces);
    run_tree(&t, &step->root, (Piece){0});
    arena_free(&t.arena);
}

// ---- back end -----------------------------------------------------------------------------------

static void plan_tree(BackendStep *step, RefTree *to, const IrTree *tree) {
    to->tree = tree;
    to->children = arena_array(&step->arena, RefTree, tree->n);
    if (tree->kind == IR_TREE_KERNEL)
        to->call = step->n_calls++;
    for (int i = 0; i < tree->n; i++)
        plan_tree(step, &to->children[i], tree->children[i]);
}

static void ref_free(BackendStep *step) {
    if (!step)
        return;
    Arena arena = step->arena; // holds the step itself
    arena_free(&arena);
}

static BackendStep *ref_compile(const IrSchedule *s, const BackendOptions *options,
                                BackendReport *report, char *why, size_t why_size) {
    Buf wrong = {0};
    bool valid = ir_verify_schedule(s, &wrong);
    if (!valid)
        snprintf(why, why_size, "the schedule of %s is not valid:\n%s", s->fn->name,
                 buf_text(&wrong));
    buf_free(&wrong);
    if (!valid)
        return NULL;

    Arena arena = {0};
    BackendStep *step = arena_new(&arena, BackendStep);
    step->arena = arena;
    step->schedule = s;
    step->gemm_blas = options && options->gemm_blas;
    if (step->gemm_blas)
        openblas_set_num_threads(1);
    step->plans = arena_array(&step->arena, RefPlan *, s->n_kernels);
    for (int i = 0; i < s->n_kernels; i++) {
        RefPlan *p = ref_plan_new(&step->arena, s->kernels[i]);
        step->plans[i] = p;
        if (p->kernel->n_scalars > step->max_scalars)
            step->max_scalars = p->kernel->n_scalars;
        if (p->n_reduces > step->max_reduces)
            step->max_reduces = p->n_reduces;
    }
    plan_tree(step, &step->root, s->root);
    if (report)
        *report = (BackendReport){.n_kernels = s->n_kernels, .n_compiled = s->n_kernels};
    return step;
}

static bool ref_open(char *why, size_t why_size) {
    (void)why, (void)why_size;
    return true;
}

static bool ref_emit(const IrSchedule *s, const BackendOptions *options, const char *form,
                     FILE *out, char *why, size_t why_size) {
    (void)s, (void)options, (void)out;
    snprintf(why, why_size, "the reference back end makes no code: it has no form '%s'", form);
    return false;
}

Backend ref_backend = {
    .name = "ref",
    .target = {.name = "ref",
               .vector_bytes = 32,
               .l1_bytes = 32 << 10,
               .l2_bytes = 1 << 20,
               .flops_per_row_piece = 20000},
    .open = ref_open,
    .compile = ref_compile,
    .run = ref_run,
    .emit = ref_emit,
    .free = ref_free,
};
