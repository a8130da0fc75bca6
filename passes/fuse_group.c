// passes/fuse_group.c -- which items share a kernel.
//
// In order, each item starts as a group of its own and then takes in the groups whose values it
// reads, the latest first, as long as the index spaces agree, no group would have to come both
// before and after it, and each value is read only at the index at which it is computed. So maps
// join products, reductions and other maps; two reductions over the same axes join each other; the
// stages of a softmax, or the three results of an optimiser for one array, end up in one kernel.
#include <assert.h>

#include "passes/fuse.h"

enum { MAX_ITEMS = 40, MIN_ROWS = 4, SMALL = 2048 };

// ---- index spaces -------------------------------------------------------------------------------

static bool is_axis_in(const int *axes, int n, int axis) {
    for (int i = 0; i < n; i++) {
        if (axes[i] == axis)
            return true;
    }
    return false;
}

static int free_axes(const IrNode *dot, int side, int *axes) {
    const IrAttrs *a = &dot->attrs;
    int n = 0;
    for (int i = a->n_batch; i < dot->in[side]->types[0].rank; i++) {
        if (!is_axis_in(side ? a->rhs_axes : a->lhs_axes, a->n_contract, i))
            axes[n++] = i;
    }
    return n;
}

static void add_axis(FuseGroup *g, IrDim *extent, bool reduced) {
    int i = g->n_par + g->n_red;
    if (i == IR_MAX_AXES)
        ir_bug(g->items[0]->node, "more than %d axes in one kernel", IR_MAX_AXES);
    g->extents[i] = extent;
    *(reduced ? &g->n_red : &g->n_par) += 1;
}

static void space_of_reduce(FuseGroup *g, const IrNode *n) {
    const IrType *x = &n->in[0]->types[0];
    int last = x->rank - 1;
    const int *axes = n->op == IR_OP_argmax ? &last : n->attrs.axes;
    int n_axes = n->op == IR_OP_argmax ? 1 : n->attrs.n_axes;

    g->rank = x->rank;
    for (int reduced = 0; reduced < 2; reduced++) {
        for (int i = 0; i < x->rank; i++) {
            g->dims[i] = x->dims[i];
            if (is_axis_in(axes, n_axes, i) != reduced)
                continue;
            g->full_axes[i] = g->n_par + g->n_red;
            add_axis(g, x->dims[i], reduced);
        }
    }
}

static void space_of(FuseGroup *g, const FuseItem *item) {
    const IrNode *n = item->node;
    if (item->kind == FUSE_REDUCE && n->op != IR_OP_dot) {
        space_of_reduce(g, n);
        return;
    }
    const IrType *t = &n->types[0];
    for (int i = 0; i < t->rank; i++)
        add_axis(g, t->dims[i], false);
    if (n->op != IR_OP_dot || item->copy)
        return;
    for (int i = 0; i < n->attrs.n_contract; i++)
        add_axis(g, n->in[0]->types[0].dims[n->attrs.lhs_axes[i]], true);

    // a product as a reduction: its space is that of the matrix where that has the result's order
    if (item->kind == FUSE_REDUCE) {
        int axes[IR_MAX_RANK], n_free = free_axes(n, 0, axes);
        const IrType *x = n_free ? &n->in[0]->types[0] : &n->in[1]->types[0];
        bool trailing = x->rank == t->rank + n->attrs.n_contract;
        const int *contracted = n_free ? n->attrs.lhs_axes : n->attrs.rhs_axes;
        for (int i = 0; i < n->attrs.n_contract; i++)
            trailing = trailing && contracted[i] == t->rank + i;
        g->rank = trailing ? x->rank : 0;
        for (int i = 0; i < g->rank; i++) {
            g->dims[i] = x->dims[i];
            g->full_axes[i] = i;
        }
    }
}

static bool shape_is(const IrType *t, int rank, IrDim *const *dims) {
    if (t->rank != rank)
        return false;
    for (int i = 0; i < rank; i++) {
        if (t->dims[i] != dims[i])
            return false;
    }
    return true;
}

static bool same_space(const FuseGroup *a, const FuseGroup *b) {
    if (a->n_par != b->n_par || a->n_red != b->n_red || a->rank != b->rank)
        return false;
    for (int i = 0; i < a->n_par + a->n_red; i++) {
        if (a->extents[i] != b->extents[i])
            return false;
    }
    for (int i = 0; i < a->rank; i++) {
        if (a->full_axes[i] != b->full_axes[i] || a->dims[i] != b->dims[i])
            return false;
    }
    return true;
}

static double likely(IrDim *const *dims, int n) {
    double count = 1;
    for (int i = 0; i < n; i++)
        count *= (double)ir_dim_likely(dims[i]);
    return count;
}

// Whether values of the operands' space may be stored by the reduction: along its innermost axes,
// and not at the price of computing something large on one thread.
static bool stores_full(const FuseGroup *g) {
    for (int i = 0; i < g->rank; i++) {
        if (g->full_axes[i] != i)
            return false;
    }
    return g->rank > 0 && (likely(g->extents, g->n_par) >= MIN_ROWS ||
                           likely(g->extents, g->n_par + g->n_red) <= SMALL);
}

// Puts the items of MAPS group `m` into the space of `g`; false if they do not fit.
static bool fits(const FuseGroup *m, const FuseGroup *g) {
    const IrType *t = &m->items[0]->node->types[0];
    if (shape_is(t, g->n_par, g->extents)) {
        for (int i = 0; i < m->n; i++) {
            for (int k = 0; k < t->rank; k++)
                m->items[i]->axes[k] = k;
        }
        return true;
    }
    if (g->kind != FUSE_REDUCE || !shape_is(t, g->rank, g->dims) || !stores_full(g))
        return false;
    for (int i = 0; i < m->n; i++) {
        for (int k = 0; k < t->rank; k++)
            m->items[i]->axes[k] = g->full_axes[k];
    }
    return true;
}

// ---- order --------------------------------------------------------------------------------------

// Whether one of `marked` groups comes before `g`, through others. Walks against the arrows.
static bool reaches(Fuse *f, FuseGroup *g, const FuseGroup *a, const FuseGroup *b) {
    if (g == a || g == b)
        return true;
    if (g->mark == f->mark)
        return false;
    g->mark = f->mark;
    for (int i = 0; i < g->n; i++) {
        const FuseItem *item = g->items[i];
        for (int k = 0; k < item->n_deps; k++) {
            if (item->deps[k]->group != g && reaches(f, item->deps[k]->group, a, b))
                return true;
        }
    }
    for (int i = 0; i < g->n_after; i++) {
        if (reaches(f, g->after[i], a, b))
            return true;
    }
    return false;
}

static bool depends_through(Fuse *f, const FuseGroup *g, const FuseGroup *a, const FuseGroup *b) {
    for (int i = 0; i < g->n; i++) {
        for (int k = 0; k < g->items[i]->n_deps; k++) {
            FuseGroup *dep = g->items[i]->deps[k]->group;
            if (dep != a && dep != b && reaches(f, dep, a, b))
                return true;
        }
    }
    return false;
}

// Whether joining `a` and `b` would make something come both before and after them.
static bool makes_cycle(Fuse *f, const FuseGroup *a, const FuseGroup *b) {
    f->mark++;
    return depends_through(f, a, a, b) || depends_through(f, b, a, b);
}

bool fuse_order_after_readers(Fuse *f, FuseGroup *g, const IrNode *param) {
    const FuseNode *info = fuse_info(f, param);
    for (int i = 0; i < info->n_readers; i++) {
        f->mark++;
        if (info->readers[i]->group != g && reaches(f, info->readers[i]->group, g, g))
            return false;
    }
    for (int i = 0; i < info->n_readers; i++) {
        if (info->readers[i]->group != g)
            arena_push(f->scratch, g->after, g->n_after, g->cap_after, info->readers[i]->group);
    }
    return true;
}

// ---- joining ------------------------------------------------------------------------------------

static FuseGroup *new_group(Fuse *f, FuseScope *s, FuseItem *item) {
    FuseGroup *g = arena_new(f->scratch, FuseGroup);
    g->scope = s;
    g->kind = item->kind;
    arena_push(f->scratch, g->items, g->n, g->cap, item);
    g->position = item->position;
    item->group = g;
    for (int i = 0; i < IR_MAX_RANK; i++)
        item->axes[i] = i;
    if (fuse_has_kernel(item))
        space_of(g, item);
    arena_push(f->scratch, s->groups, s->n_groups, s->cap_groups, g);
    return g;
}

static void note(const Fuse *f, const FuseGroup *a, const FuseGroup *b, const char *why) {
    Buf *out = f->cx->notes;
    if (!out)
        return;
    const IrNode *x = b->items[b->n - 1]->node, *y = a->items[a->n - 1]->node;
    buf_printf(out, "fuse: %s (%s) not joined to %s (%s): %s\n", ir_op_info[y->op].name,
               y->path ? y->path : "-", ir_op_info[x->op].name, x->path ? x->path : "-", why);
}

// The group whose space `a` and `b` would share, with the items' axes set; NULL with a reason.
static FuseGroup *common_space(FuseGroup *a, FuseGroup *b, const char **why) {
    *why = "other index space";
    if (a->kind == FUSE_MAPS && b->kind == FUSE_MAPS)
        return shape_is(&a->items[0]->node->types[0], b->n_par, b->extents) ? b : NULL;
    if (a->kind == FUSE_MAPS)
        return fits(a, b) ? b : NULL;
    if (b->kind == FUSE_MAPS)
        return fits(b, a) ? a : NULL;
    if (a->kind == FUSE_REDUCE && b->kind == FUSE_REDUCE)
        return same_space(a, b) ? b : NULL;
    *why = "one product in a kernel";
    return NULL;
}

static void move_items(FuseGroup *to, FuseGroup *from) {
    for (int i = 0; i < from->n; i++)
        from->items[i]->group = to;
}

static void reset_axes(FuseGroup *g) {
    for (int i = 0; g->kind == FUSE_MAPS && i < g->n; i++) {
        for (int k = 0; k < IR_MAX_RANK; k++)
            g->items[i]->axes[k] = k;
    }
}

// Joins `b` into `a`, if that can be; `a` then stands for both.
static bool join(Fuse *f, FuseGroup *a, FuseGroup *b) {
    if (a->n + b->n > MAX_ITEMS || makes_cycle(f, a, b)) {
        note(f, a, b, a->n + b->n > MAX_ITEMS ? "too large" : "something stands between");
        return false;
    }
    const char *why;
    FuseGroup *space = common_space(a, b, &why);
    if (!space) {
        note(f, a, b, why);
        return false;
    }

    // try it
    FuseGroup both = *space;
    both.n = both.cap = 0;
    both.items = NULL;
    both.mark = 0;
    int i = 0, k = 0;
    while (i < a->n || k < b->n) {
        bool first = k == b->n || (i < a->n && a->items[i]->position < b->items[k]->position);
        arena_push(f->scratch, both.items, both.n, both.cap, first ? a->items[i++] : b->items[k++]);
    }
    both.position = both.items[both.n - 1]->position;
    move_items(&both, a);
    move_items(&both, b);
    if (!fuse_probe(f, &both)) {
        move_items(a, a);
        move_items(b, b);
        reset_axes(a);
        reset_axes(b);
        note(f, a, b, "read at another index");
        return false;
    }
    *a = both;
    move_items(a, a);
    b->n = 0;
    return true;
}

// Groups that `g` reads, the latest first.
static FuseGroup *next_producer(Fuse *f, FuseGroup *g) {
    FuseGroup *best = NULL;
    for (int i = 0; i < g->n; i++) {
        for (int k = 0; k < g->items[i]->n_deps; k++) {
            FuseGroup *dep = g->items[i]->deps[k]->group;
            if (dep != g && dep->mark != f->mark && fuse_has_kernel(dep->items[0]) &&
                (!best || dep->position > best->position))
                best = dep;
        }
    }
    return best;
}

void fuse_group(Fuse *f, FuseScope *s) {
    for (int i = 0; i < s->n_items; i++) {
        FuseGroup *g = new_group(f, s, s->items[i]);
        if (!fuse_has_kernel(s->items[i]))
            continue;

        // producers are collected first, since joining changes marks
        FuseGroup *producers[MAX_ITEMS * 4];
        int n = 0;
        f->mark++;
        for (FuseGroup *p; n < MAX_ITEMS * 4 && (p = next_producer(f, g));) {
            p->mark = f->mark;
            producers[n++] = p;
        }
        for (int k = 0; k < n; k++) {
            if (producers[k]->n > 0)
                join(f, g, producers[k]);
        }
    }

    int kept = 0;
    for (int i = 0; i < s->n_groups; i++) {
        if (s->groups[i]->n > 0)
            s->groups[kept++] = s->groups[i];
    }
    s->n_groups = kept;
}
