// passes/schedule.c -- which kernels are cut into pieces for threads, and where threads wait.
//
// Kernels with enough work are put into a `par` over their rows (schedule_rows.c); the others run
// on thread 0, one after another without waiting. A barrier stands exactly where something is read
// or overwritten that another thread may have written, or overwritten that another may still read,
// since the last barrier. Pieces of equal rows belong to the same threads. A loop's body is looked
// at twice, so that barriers also separate its steps.
#include "passes/schedule.h"

#include <string.h>

IrTree *pass_new_tree(const PassWork *w, IrTreeKind kind) {
    IrTree *t = arena_new(w->s->arena, IrTree);
    t->kind = kind;
    return t;
}

void pass_append(const PassWork *w, IrTree *to, IrTree *t) {
    arena_push(w->s->arena, to->children, to->n, to->cap, t);
}

// ---- barriers -----------------------------------------------------------------------------------

// What happened to a buffer since the last barrier. Thread 0 alone used it, or all did, each its
// own rows if `rows` tells which.
typedef struct Touched {
    bool read_by_one, written_by_one, read_by_all, written_by_all;
    const IrTree *par; // one of those that used it
    bool same_rows;    // all of them cut the same rows into the same pieces, and used them alike
    PassRows rows;
} Touched;

// Whether thread and row of what happened are those of this use.
static bool is_own(const Touched *t, const IrTree *par, const PassRows *rows) {
    return t->same_rows && t->par->rows == par->rows && t->par->grain == par->grain &&
           pass_same_rows(&t->rows, rows);
}

static bool conflicts(PassWork *w, const IrKernelCall *c, const IrTree *par,
                      const Touched *touched) {
    for (int i = 0; i < c->kernel->n_args; i++) {
        const Touched *t = &touched[c->args[i].buffer];
        bool writes = c->kernel->args[i].written;
        if (!par && (t->written_by_all || (writes && t->read_by_all)))
            return true;
        if (par && (t->written_by_one || (writes && t->read_by_one)))
            return true;
        if (par && (t->written_by_all || (writes && t->read_by_all))) {
            PassRows rows = pass_arg_rows(w->s, c, i, par->rows);
            if (!is_own(t, par, &rows))
                return true;
        }
    }
    return false;
}

static void touch(PassWork *w, const IrKernelCall *c, const IrTree *par, Touched *touched) {
    for (int i = 0; i < c->kernel->n_args; i++) {
        Touched *t = &touched[c->args[i].buffer];
        bool written = c->kernel->args[i].written;
        if (!par) {
            t->read_by_one = true;
            t->written_by_one |= written;
            continue;
        }
        PassRows rows = pass_arg_rows(w->s, c, i, par->rows);
        bool first = !t->read_by_all && !t->written_by_all;
        t->same_rows = first ? rows.aligned : is_own(t, par, &rows);
        t->par = par;
        t->rows = rows;
        t->read_by_all = true;
        t->written_by_all |= written;
    }
}

static bool any_conflict(PassWork *w, const IrTree *t, const IrTree *par, const Touched *touched) {
    if (t->kind == IR_TREE_KERNEL)
        return conflicts(w, t->call, par, touched);
    for (int i = 0; i < t->n; i++) {
        if (any_conflict(w, t->children[i], par, touched))
            return true;
    }
    return false;
}

static void touch_all(PassWork *w, const IrTree *t, const IrTree *par, Touched *touched) {
    if (t->kind == IR_TREE_KERNEL)
        touch(w, t->call, par, touched);
    for (int i = 0; i < t->n; i++)
        touch_all(w, t->children[i], par, touched);
}

// What may have happened when either has.
static void unite(Touched *to, const Touched *from, int n) {
    for (int i = 0; i < n; i++) {
        Touched *t = &to[i];
        const Touched *u = &from[i];
        bool all = t->read_by_all || t->written_by_all;
        bool other = u->read_by_all || u->written_by_all;
        if (all && other)
            t->same_rows = u->same_rows && is_own(t, u->par, &u->rows);
        else if (other) {
            t->same_rows = u->same_rows;
            t->par = u->par;
            t->rows = u->rows;
        }
        t->read_by_one |= u->read_by_one;
        t->written_by_one |= u->written_by_one;
        t->read_by_all |= u->read_by_all;
        t->written_by_all |= u->written_by_all;
    }
}

static void add_barrier(PassWork *w, IrTree *t, Touched *touched) {
    if (w->insert)
        pass_append(w, t, pass_new_tree(w, IR_TREE_BARRIER));
    memset(touched, 0, (size_t)w->s->n_buffers * sizeof *touched);
}

// All threads read at the end of `t` whether loop `loop` goes on.
static void read_end(PassWork *w, const IrTree *loop, IrTree *t, Touched *touched) {
    if (!loop->ends)
        return;
    Touched *end = &touched[loop->until.buffer];
    if (end->written_by_one || end->written_by_all)
        add_barrier(w, t, touched);
    end->read_by_all = true;
    end->same_rows = false;
}

static void separate(PassWork *w, IrTree *t, Touched *touched) {
    int n_buffers = w->s->n_buffers;
    size_t size = (size_t)n_buffers * sizeof *touched;
    IrTree old = *t;
    if (w->insert) {
        t->children = NULL;
        t->n = t->cap = 0;
    }

    for (int i = 0; i < old.n; i++) {
        IrTree *child = old.children[i];
        if (child->kind == IR_TREE_LOOP) {
            // what the end of one step leaves is there at the start of the next
            Touched *start = arena_array(w->scratch, Touched, n_buffers);
            bool insert = w->insert;
            read_end(w, child, t, touched);
            for (int pass = 0; pass < 3; pass++) {
                w->insert = insert && pass == 2;
                memcpy(start, touched, size);
                separate(w, child, start);
                unite(touched, start, n_buffers);
            }
            w->insert = insert;
        } else if (child->kind == IR_TREE_SEQ) {
            separate(w, child, touched);
        } else {
            const IrTree *par = child->kind == IR_TREE_PAR ? child : NULL;
            if (any_conflict(w, child, par, touched))
                add_barrier(w, t, touched);
            touch_all(w, child, par, touched);
        }
        if (w->insert)
            pass_append(w, t, child);
    }
    if (t->kind == IR_TREE_LOOP)
        read_end(w, t, t, touched);
}

bool pass_schedule(PassCtx *cx, IrSchedule *s) {
    PassWork w = {.s = s, .scratch = cx->scratch, .insert = true};
    w.values = arena_array(cx->scratch, int64_t, s->dims->n_vars);
    for (int i = 0; i < s->dims->n_vars; i++) {
        const IrDimVar *v = s->dims->vars[i];
        w.values[i] = v->likely > 0 ? v->likely : v->max;
    }

    pass_cut(&w, s->root);
    separate(&w, s->root, arena_array(cx->scratch, Touched, s->n_buffers));
    return true;
}
