// passes/fuse_kernel.c -- groups as kernels and calls.
#include <assert.h>
#include <string.h>

#include "passes/fuse_build.h"

// ---- reductions and products --------------------------------------------------------------------

static int define_reduce(FuseBuild *b, IrNode *n) {
    FuseIndex at[IR_MAX_RANK] = {0};
    for (int i = 0; i < n->in[0]->types[0].rank; i++)
        at[i] = fuse_axis_index(b, b->g->full_axes[i]);
    int x = fuse_value(b, n->in[0], at, -1);
    if (!b->k || b->bad)
        return 0;
    b->k->loc = n->loc;
    return ir_scalar_reduce(b->k, n->op, x);
}

// Axis of the kernel for each axis of the dot's operand `side`.
static void operand_axes(const IrNode *n, int side, int *axes) {
    const IrAttrs *a = &n->attrs;
    int rank[2] = {n->in[0]->types[0].rank, n->in[1]->types[0].rank};
    int next = side ? rank[0] - a->n_contract : a->n_batch; // first free axis

    for (int i = 0; i < rank[side]; i++) {
        int contracted = -1;
        for (int c = 0; c < a->n_contract; c++) {
            if ((side ? a->rhs_axes : a->lhs_axes)[c] == i)
                contracted = c;
        }
        if (i < a->n_batch)
            axes[i] = i;
        else if (contracted >= 0)
            axes[i] = n->types[0].rank + contracted;
        else
            axes[i] = next++;
    }
}

static int define_dot(FuseBuild *b, IrNode *n) {
    FuseIndex at[2][IR_MAX_RANK] = {0};
    for (int side = 0; side < 2; side++) {
        int axes[IR_MAX_RANK];
        operand_axes(n, side, axes);
        for (int i = 0; i < n->in[side]->types[0].rank; i++)
            at[side][i] = fuse_axis_index(b, axes[i]);
    }

    if (b->g->kind == FUSE_REDUCE) {
        int x[2] = {fuse_value(b, n->in[0], at[0], -1), fuse_value(b, n->in[1], at[1], -1)};
        if (!b->k || b->bad)
            return 0;
        b->k->loc = n->loc;
        return ir_scalar_reduce(b->k, IR_OP_sum, ir_scalar_map(b->k, IR_OP_mul, x));
    }

    fuse_check_memory(b, n->in[0]);
    fuse_check_memory(b, n->in[1]);
    if (!b->k || b->bad)
        return 0;
    FuseView lhs = fuse_view(b->f, n->in[0]), rhs = fuse_view(b->f, n->in[1]);
    IrAddress x = fuse_address(b, &lhs, at[0], -1, false);
    IrAddress y = fuse_address(b, &rhs, at[1], -1, false);
    const IrAttrs *a = &n->attrs;
    ir_kernel_set_product(
        b->k, n->types[0].dtype, a->n_batch, n->in[0]->types[0].rank - a->n_batch - a->n_contract,
        n->in[1]->types[0].rank - a->n_batch - a->n_contract, a->n_contract, x, y);
    b->k->loc = n->loc;
    return ir_scalar_product(b->k);
}

int fuse_define_heavy(FuseBuild *b, IrNode *n) {
    return n->op == IR_OP_dot ? define_dot(b, n) : define_reduce(b, n);
}

// ---- building -----------------------------------------------------------------------------------

static const char *last_name(const IrNode *n) {
    const char *name = n->path ? n->path : ir_op_info[n->op].name;
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static FuseBuild start(Fuse *f, FuseGroup *g, const IrNode *n) {
    IrSchedule *s = f->s;
    FuseBuild b = {.f = f, .g = g};
    b.k = ir_kernel_new(s->arena,
                        arena_printf(s->arena, "%s_%d_%s", s->fn->name, f->n_calls++, last_name(n)),
                        n->loc);
    b.to = arena_array(f->scratch, IrDim *, s->dims->n_vars);
    for (int i = 0; i < s->dims->n_vars; i++) {
        const IrDimVar *v = s->dims->vars[i];
        b.to[i] = ir_dim_var(b.k->dims, v->name, v->max, v->likely);
    }
    return b;
}

// The kernel itself if it is new, else the one that is equal to it.
static int intern_kernel(IrSchedule *s, IrKernel *k) {
    for (int i = 0; i < s->n_kernels; i++) {
        if (ir_kernel_equal(s->kernels[i], k))
            return i;
    }
    arena_push(s->arena, s->kernels, s->n_kernels, s->cap_kernels, k);
    return s->n_kernels - 1;
}

enum { FEW_ROWS = 8 };

// Whether axis 0 stays apart, so that its rows can be handed out together with those of other
// kernels.
static bool keeps_rows(const FuseGroup *g) {
    int64_t rows;
    return g->kind == FUSE_MAPS && g->n_par == 2 &&
           (!ir_dim_is_const(g->extents[0], &rows) || rows >= FEW_ROWS);
}

static IrKernelCall *finish(FuseBuild *b, const IrNode *n) {
    IrSchedule *s = b->f->s;
    b->k->loc = n->loc;
    ir_kernel_finish_keep(b->k, keeps_rows(b->g) ? 1 : 0);

    IrKernelCall *call = arena_new(s->arena, IrKernelCall);
    call->index = intern_kernel(s, b->k);
    call->kernel = s->kernels[call->index];
    call->args = b->args;
    call->ints = b->ints;
    call->dims = arena_array(s->arena, IrDim *, b->k->dims->n_vars);
    for (int i = 0; i < b->k->dims->n_vars; i++) {
        const IrDimVar *v = s->dims->vars[b->k->var_from[i]];
        call->dims[i] = ir_dim_var(s->dims, v->name, v->max, v->likely);
    }
    call->path = n->path;
    call->loc = n->loc;
    return call;
}

static void add_axes(FuseBuild *b) {
    for (int i = 0; i < b->g->n_par + b->g->n_red; i++)
        ir_kernel_add_axis(b->k, fuse_kernel_dim(b, b->g->extents[i]), i >= b->g->n_par);
}

static void store(FuseBuild *b, const FuseView *to, const int *axes, int scalar) {
    FuseIndex at[IR_MAX_RANK] = {0};
    for (int i = 0; i < to->rank; i++)
        at[i] = fuse_axis_index(b, axes ? axes[i] : i);
    ir_kernel_add_store(b->k, fuse_address(b, to, at, -1, true), scalar, false);
}

IrKernelCall *fuse_kernel(Fuse *f, FuseGroup *g) {
    // it stands for what it stores last
    FuseItem *main = g->items[g->n - 1];
    for (int i = 0; i < g->n; i++) {
        g->items[i]->scalar = -1;
        if (g->items[i]->n_dests > 0)
            main = g->items[i];
    }

    FuseBuild b = start(f, g, main->node);
    add_axes(&b);
    for (int i = 0; i < g->n; i++) {
        if (g->items[i]->n_dests > 0)
            fuse_item_value(&b, g->items[i]);
    }
    for (int i = 0; i < g->n; i++) {
        FuseItem *item = g->items[i];
        for (int k = 0; k < item->n_dests; k++)
            store(&b, &item->dests[k], item->axes, item->scalar);
    }
    return finish(&b, main->node);
}

// A group of no items, with the shape of `t`.
static FuseGroup plain_space(const IrType *t) {
    FuseGroup g = {.kind = FUSE_MAPS, .n_par = t->rank};
    for (int i = 0; i < t->rank; i++)
        g.extents[i] = t->dims[i];
    return g;
}

IrKernelCall *fuse_copy_kernel(Fuse *f, const IrNode *n, FuseView from, FuseView to) {
    FuseGroup g = plain_space(&n->types[0]);
    FuseBuild b = start(f, &g, n);
    add_axes(&b);
    FuseIndex at[IR_MAX_RANK] = {0};
    for (int i = 0; i < from.rank; i++)
        at[i] = fuse_axis_index(&b, i);
    int x = ir_scalar_load(b.k, fuse_address(&b, &from, at, -1, false));
    store(&b, &to, NULL, x);
    return finish(&b, n);
}

IrKernelCall *fuse_zero_kernel(Fuse *f, const IrNode *n, const IrType *t, FuseView to) {
    FuseGroup g = plain_space(t);
    FuseBuild b = start(f, &g, n);
    add_axes(&b);
    store(&b, &to, NULL, ir_scalar_const(b.k, t->dtype, 0));
    return finish(&b, n);
}

IrKernelCall *fuse_scatter_kernel(Fuse *f, FuseItem *item) {
    IrNode *n = item->node;
    FuseGroup g = plain_space(&n->in[1]->types[0]);
    FuseBuild b = start(f, &g, n);
    add_axes(&b);

    // axes: those of the indices, then those of a row
    int index_rank = n->in[0]->types[0].rank;
    FuseIndex at[IR_MAX_RANK] = {0}, to[IR_MAX_RANK] = {0};
    for (int i = 0; i < n->in[1]->types[0].rank; i++)
        at[i] = fuse_axis_index(&b, i);
    int row = fuse_value(&b, n->in[0], at, -1);
    int x = fuse_value(&b, n->in[1], at, -1);
    for (int i = 1; i < n->types[0].rank; i++)
        to[i] = at[index_rank + i - 1];

    IrDims *ds = f->s->dims;
    IrAddress a = fuse_address(&b, &item->home, to, -1, true);
    a.indirect = row;
    a.indirect_last = fuse_kernel_dim(&b, ir_dim_sub(ds, n->types[0].dims[0], ir_dim_const(ds, 1)));
    a.indirect_stride =
        fuse_kernel_dim(&b, item->home.strides[0] ? item->home.strides[0] : ir_dim_const(ds, 0));
    ir_kernel_add_store(b.k, a, x, true);
    return finish(&b, n);
}
