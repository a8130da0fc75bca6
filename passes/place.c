// passes/place.c -- one arena for all that a step keeps only while it runs.
//
// A buffer lives from its first to its last use in the order of the tree. Threads are apart by as
// much as two barriers allow, so what several threads use lives from barrier to barrier. What is
// made outside of a loop and used inside lives through the loop, and so does what one step leaves
// for the next. Buffers whose lives overlap get different memory: the largest are placed first,
// each in the smallest gap where it fits.
#include "passes/pass.h"

#include <stdlib.h>

enum { ALIGN = 64, PAGE = 4096 };

typedef struct Life {
    int buffer;
    int first, last;
    int64_t size, offset;
    bool used;
} Life;

typedef struct Work {
    IrSchedule *s;
    Arena *scratch;
    Life *lives; // by buffer
    int time;    // counts kernels and barriers
    int epoch;   // time of the last barrier
    int *shared; // buffers that several threads used since then
    int n_shared;
    bool *is_shared;
} Work;

static void use(Work *w, int buffer, int time) {
    Life *l = &w->lives[buffer];
    if (!l->used) {
        l->used = true;
        l->first = l->last = time;
    }
    l->first = l->first < time ? l->first : time;
    l->last = l->last > time ? l->last : time;
}

// Several threads are somewhere between the last barrier and the next.
static void share(Work *w, int buffer) {
    use(w, buffer, w->epoch);
    if (!w->is_shared[buffer]) {
        w->is_shared[buffer] = true;
        w->shared[w->n_shared++] = buffer;
    }
}

static void end_epoch(Work *w) {
    for (int i = 0; i < w->n_shared; i++) {
        use(w, w->shared[i], w->time);
        w->is_shared[w->shared[i]] = false;
    }
    w->n_shared = 0;
    w->epoch = ++w->time;
}

static void use_call(Work *w, const IrKernelCall *c, bool all) {
    w->time++;
    for (int i = 0; i < c->kernel->n_args; i++) {
        use(w, c->args[i].buffer, w->time);
        if (all)
            share(w, c->args[i].buffer);
    }
}

// Whether the first thing that happens to `buffer` in `t` is that a kernel writes all it ever
// reads there: then one step leaves nothing in it for the next. Without looking at addresses, only
// a buffer whose first use writes and does not read, and whose memory does not depend on the loop.
typedef enum First { FIRST_NONE, FIRST_WRITE, FIRST_READ } First;

static First first_use(const IrTree *t, int buffer) {
    if (t->kind == IR_TREE_KERNEL) {
        const IrKernelCall *c = t->call;
        First first = FIRST_NONE;
        for (int i = 0; i < c->kernel->n_args; i++) {
            if (c->args[i].buffer != buffer)
                continue;
            if (!c->kernel->args[i].written || c->args[i].n_loops > 0)
                return FIRST_READ;
            for (int k = 0; k < c->kernel->n_scalars; k++) {
                const IrScalar *s = &c->kernel->scalars[k];
                if (s->kind == IR_SCALAR_LOAD && s->address.arg == i)
                    return FIRST_READ;
            }
            first = FIRST_WRITE;
        }
        return first;
    }
    if (t->ends && t->until.buffer == buffer)
        return FIRST_READ;
    for (int i = 0; i < t->n; i++) {
        First first = first_use(t->children[i], buffer);
        if (first == FIRST_WRITE && t->kind == IR_TREE_LOOP)
            return FIRST_READ; // perhaps no step at all
        if (first != FIRST_NONE)
            return first;
    }
    return FIRST_NONE;
}

// After a loop that may have had no step its barriers may not have been: what several threads used
// before it, back to `epoch`, they may still use.
static void resume_epoch(Work *w, int epoch, const int *shared, int n_shared) {
    for (int i = 0; i < n_shared; i++) {
        if (!w->is_shared[shared[i]]) {
            w->is_shared[shared[i]] = true;
            w->shared[w->n_shared++] = shared[i];
        }
    }
    for (int i = 0; i < w->n_shared; i++)
        use(w, w->shared[i], epoch);
    w->epoch = epoch;
}

static bool has_pieces(const IrTree *t) {
    bool found = t->kind == IR_TREE_PAR;
    for (int i = 0; i < t->n && !found; i++)
        found = has_pieces(t->children[i]);
    return found;
}

static void walk(Work *w, const IrTree *t, bool all) {
    int before = w->time;
    switch (t->kind) {
    case IR_TREE_KERNEL:
        use_call(w, t->call, all);
        return;
    case IR_TREE_BARRIER:
        end_epoch(w);
        return;
    case IR_TREE_SEQ:
    case IR_TREE_PAR:
        for (int i = 0; i < t->n; i++)
            walk(w, t->children[i], all || t->kind == IR_TREE_PAR);
        return;
    case IR_TREE_LOOP:
        break;
    case IR_TREE_COUNT:
        return;
    }

    int epoch = w->epoch, n_shared = w->n_shared;
    int *shared = arena_array(w->scratch, int, n_shared);
    for (int i = 0; i < n_shared; i++)
        shared[i] = w->shared[i];
    w->time++;
    if (t->ends)
        share(w, t->until.buffer);
    for (int i = 0; i < t->n; i++)
        walk(w, t->children[i], all);
    w->time++;
    if (t->ends) {
        use(w, t->until.buffer, w->time);
        share(w, t->until.buffer);
    }

    // what a step finds from before lives through all steps; so does what one thread may still be
    // at when another begins the next step
    bool ahead = has_pieces(t);
    IrTree body = {.kind = IR_TREE_SEQ, .n = t->n, .children = t->children};
    for (int b = 0; b < w->s->n_buffers; b++) {
        Life *l = &w->lives[b];
        if (!l->used || l->last <= before)
            continue;
        bool outside = l->first <= before;
        if (outside || (ahead && l->last >= w->epoch) || first_use(&body, b) != FIRST_WRITE) {
            use(w, b, before + 1);
            use(w, b, w->time);
        }
    }

    int64_t steps;
    if (!ir_dim_is_const(t->steps, &steps) || steps == 0 || t->ends)
        resume_epoch(w, epoch, shared, n_shared);
}

// ---- offsets ------------------------------------------------------------------------------------

static int larger_first(const void *va, const void *vb) {
    const Life *a = *(Life *const *)va, *b = *(Life *const *)vb;
    if (a->size != b->size)
        return a->size > b->size ? -1 : 1;
    return a->buffer < b->buffer ? -1 : a->buffer > b->buffer;
}

static bool is_lower(const Life *a, const Life *b) {
    return a->offset < b->offset || (a->offset == b->offset && a->buffer < b->buffer);
}

// The start of the smallest gap between `placed` (in order of offsets) that holds `l`.
static int64_t best_offset(const Life *l, Life *const *placed, int n) {
    int64_t end = 0, best = -1, best_gap = INT64_MAX;
    for (int i = 0; i < n; i++) {
        const Life *p = placed[i];
        if (p->last < l->first || l->last < p->first)
            continue;
        int64_t gap = p->offset - end;
        if (gap >= l->size && gap < best_gap) {
            best_gap = gap;
            best = end;
        }
        end = p->offset + p->size > end ? p->offset + p->size : end;
    }
    return best >= 0 ? best : end;
}

static int64_t round_up(int64_t size) {
    int64_t rounded = (size + ALIGN - 1) / ALIGN * ALIGN;

    // neighbours of page size would compete for the same lines of the cache
    return rounded > 0 && rounded % PAGE == 0 ? rounded + ALIGN : rounded;
}

static void pack(IrSchedule *s, Life *lives, Arena *scratch) {
    Life **order = arena_array(scratch, Life *, s->n_buffers);
    Life **placed = arena_array(scratch, Life *, s->n_buffers);
    int n = 0;
    for (int b = 0; b < s->n_buffers; b++) {
        lives[b].buffer = b;
        if (!lives[b].used || s->buffers[b].storage != IR_STORAGE_ARENA)
            continue;
        lives[b].size =
            round_up(ir_dim_max(s->buffers[b].count) * (int64_t)ir_dtype_size(s->buffers[b].dtype));
        order[n++] = &lives[b];
    }
    qsort(order, (size_t)n, sizeof *order, larger_first);

    s->arena_bytes = 0;
    for (int i = 0; i < n; i++) {
        Life *l = order[i];
        l->offset = best_offset(l, placed, i);
        s->buffers[l->buffer].offset = l->offset;
        if (l->offset + l->size > s->arena_bytes)
            s->arena_bytes = l->offset + l->size;

        // in order
        int at = i;
        for (; at > 0 && is_lower(l, placed[at - 1]); at--)
            placed[at] = placed[at - 1];
        placed[at] = l;
    }
}

// ---- report -------------------------------------------------------------------------------------

// Marks buffers that one loop fills slice by slice and another reads: forward values kept for
// gradients. `by` holds 1 + the loop that fills a buffer.
static void find_residuals(const IrTree *t, int *by, bool *kept) {
    for (int i = 0; t->kind == IR_TREE_KERNEL && i < t->call->kernel->n_args; i++) {
        const IrCallArg *a = &t->call->args[i];
        if (a->n_loops == 0)
            continue;
        int loop = a->loops[a->n_loops - 1];
        if (t->call->kernel->args[i].written)
            by[a->buffer] = 1 + loop;
        else if (by[a->buffer] && by[a->buffer] != 1 + loop)
            kept[a->buffer] = true;
    }
    for (int i = 0; i < t->n; i++)
        find_residuals(t->children[i], by, kept);
}

static int64_t count_residuals(const IrSchedule *s, const Life *lives, Arena *scratch) {
    int64_t bytes = 0;
    bool *kept = arena_array(scratch, bool, s->n_buffers);
    find_residuals(s->root, arena_array(scratch, int, s->n_buffers), kept);
    for (int b = 0; b < s->n_buffers; b++)
        bytes += kept[b] ? lives[b].size : 0; // outputs and inputs have none here
    return bytes;
}

bool pass_place(PassCtx *cx, IrSchedule *s) {
    Work w = {.s = s,
              .scratch = cx->scratch,
              .lives = arena_array(cx->scratch, Life, s->n_buffers),
              .shared = arena_array(cx->scratch, int, s->n_buffers),
              .is_shared = arena_array(cx->scratch, bool, s->n_buffers)};
    walk(&w, s->root, false);
    end_epoch(&w);
    pack(s, w.lives, cx->scratch);
    s->residual_bytes = count_residuals(s, w.lives, cx->scratch);
    return true;
}
