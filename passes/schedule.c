// passes/schedule.c -- which kernels are cut into pieces for threads, and where threads wait.
//
// A kernel with enough work becomes a `par` over its rows; the others run on thread 0, one after
// another without waiting. A barrier stands exactly where something is read or overwritten that
// another thread may have written, or overwritten that another may still read, since the last
// barrier. A loop's body is looked at twice, so that barriers also separate its steps.
#include "passes/schedule.h"

#include <string.h>

typedef struct Work {
    IrSchedule *s;
    Arena *scratch;
    int64_t *values; // likely values of the dims
    bool insert;     // barriers are put in; else only counted
} Work;

static IrTree *new_tree(const Work *w, IrTreeKind kind) {
    IrTree *t = arena_new(w->s->arena, IrTree);
    t->kind = kind;
    return t;
}

static void append(const Work *w, IrTree *to, IrTree *t) {
    arena_push(w->s->arena, to->children, to->n, to->cap, t);
}

// ---- pieces -------------------------------------------------------------------------------------

static double cost_of(const Work *w, const IrKernelCall *c) {
    int n = c->kernel->dims->n_vars;
    int64_t *values = arena_array(w->scratch, int64_t, n);
    for (int i = 0; i < n; i++)
        values[i] = ir_dim_eval(c->dims[i], w->values);
    return ir_kernel_flops(c->kernel, values) + ir_kernel_bytes(c->kernel, values) / 2;
}

IrDim *pass_call_rows(IrSchedule *s, const IrKernelCall *c) {
    const IrKernel *k = c->kernel;
    if (k->n_axes == 0 || k->axes[0].reduced)
        return NULL;
    for (int i = 0; i < k->n_axes; i++) {
        int64_t extent;
        if (ir_dim_is_const(k->axes[i].extent, &extent) && extent == 0)
            return NULL;
    }
    for (int i = 0; i < k->n_stores; i++) {
        if (k->stores[i].accumulate)
            return NULL;
    }
    return ir_dim_substitute(s->dims, k->axes[0].extent, c->dims);
}

enum { MOST_PIECES = 16, TILE_ROWS = 6 };

// Rows of a piece, a function of sizes and target alone.
static int64_t grain_of(const Work *w, double cost, int64_t rows) {
    double least = w->s->target ? w->s->target->flops_per_row_piece : 0;
    least = least > 0 ? least : 50e3;
    if (rows <= 1 || cost < 2 * least)
        return 0;
    double pieces = cost / least;
    pieces = pieces > MOST_PIECES ? MOST_PIECES : pieces;
    int64_t grain = (int64_t)((double)rows / pieces);
    grain = (grain + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
    return grain < 1 ? 1 : grain;
}

static IrTree *with_pieces(const Work *w, IrTree *t) {
    IrDim *rows = pass_call_rows(w->s, t->call);
    if (!rows)
        return t;
    int64_t grain = grain_of(w, cost_of(w, t->call), ir_dim_eval(rows, w->values));
    if (grain == 0)
        return t;
    IrTree *par = new_tree(w, IR_TREE_PAR);
    par->rows = rows;
    par->grain = grain;
    append(w, par, t);
    return par;
}

static void cut(const Work *w, IrTree *t) {
    for (int i = 0; i < t->n; i++) {
        if (t->children[i]->kind == IR_TREE_KERNEL)
            t->children[i] = with_pieces(w, t->children[i]);
        else
            cut(w, t->children[i]);
    }
}

// ---- barriers -----------------------------------------------------------------------------------

// What happened to a buffer since the last barrier.
enum { READ_BY_ONE = 1, WRITTEN_BY_ONE = 2, READ_BY_ALL = 4, WRITTEN_BY_ALL = 8 };

typedef unsigned char Touched; // of each buffer

static bool conflicts(const IrKernelCall *c, bool all, const Touched *touched) {
    for (int i = 0; i < c->kernel->n_args; i++) {
        Touched t = touched[c->args[i].buffer];
        Touched bad = all ? WRITTEN_BY_ONE | WRITTEN_BY_ALL : WRITTEN_BY_ALL;
        if (c->kernel->args[i].written)
            bad |= all ? READ_BY_ONE | READ_BY_ALL : READ_BY_ALL;
        if (t & bad)
            return true;
    }
    return false;
}

static void touch(const IrKernelCall *c, bool all, Touched *touched) {
    for (int i = 0; i < c->kernel->n_args; i++) {
        bool written = c->kernel->args[i].written;
        touched[c->args[i].buffer] |= all ? (written ? WRITTEN_BY_ALL | READ_BY_ALL : READ_BY_ALL)
                                          : (written ? WRITTEN_BY_ONE | READ_BY_ONE : READ_BY_ONE);
    }
}

static bool any_conflict(const IrTree *t, bool all, const Touched *touched) {
    if (t->kind == IR_TREE_KERNEL)
        return conflicts(t->call, all, touched);
    for (int i = 0; i < t->n; i++) {
        if (any_conflict(t->children[i], all, touched))
            return true;
    }
    return false;
}

static void touch_all(const IrTree *t, bool all, Touched *touched) {
    if (t->kind == IR_TREE_KERNEL)
        touch(t->call, all, touched);
    for (int i = 0; i < t->n; i++)
        touch_all(t->children[i], all, touched);
}

static void separate(Work *w, IrTree *t, Touched *touched) {
    int n_buffers = w->s->n_buffers;
    IrTree old = *t;
    if (w->insert) {
        t->children = NULL;
        t->n = t->cap = 0;
    }

    for (int i = 0; i < old.n; i++) {
        IrTree *child = old.children[i];
        bool nested = child->kind == IR_TREE_SEQ || child->kind == IR_TREE_LOOP;
        if (child->kind == IR_TREE_BARRIER) {
            memset(touched, 0, (size_t)n_buffers);
        } else if (!nested) {
            bool all = child->kind == IR_TREE_PAR;
            if (any_conflict(child, all, touched)) {
                if (w->insert)
                    append(w, t, new_tree(w, IR_TREE_BARRIER));
                memset(touched, 0, (size_t)n_buffers);
            }
            touch_all(child, all, touched);
        } else if (child->kind == IR_TREE_SEQ) {
            separate(w, child, touched);
        } else {
            // what the end of one step leaves is there at the start of the next
            Touched *start = arena_array(w->scratch, Touched, n_buffers);
            bool insert = w->insert;
            w->insert = false;
            for (int pass = 0; pass < 2; pass++) {
                memcpy(start, touched, (size_t)n_buffers);
                separate(w, child, start);
                for (int b = 0; b < n_buffers; b++)
                    touched[b] |= start[b];
            }
            w->insert = insert;
            memcpy(start, touched, (size_t)n_buffers);
            separate(w, child, start);
            for (int b = 0; b < n_buffers; b++)
                touched[b] |= start[b];
        }
        if (w->insert)
            append(w, t, child);
    }
}

bool pass_schedule(PassCtx *cx, IrSchedule *s) {
    Work w = {.s = s, .scratch = cx->scratch, .insert = true};
    w.values = arena_array(cx->scratch, int64_t, s->dims->n_vars);
    for (int i = 0; i < s->dims->n_vars; i++) {
        const IrDimVar *v = s->dims->vars[i];
        w.values[i] = v->likely > 0 ? v->likely : v->max;
    }

    cut(&w, s->root);
    separate(&w, s->root, arena_array(cx->scratch, Touched, s->n_buffers));
    return true;
}
