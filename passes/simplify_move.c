// passes/simplify_move.c -- moves through moves, and into products.
#include <string.h>

#include "passes/simplify.h"

static bool is_axis_in(const int *axes, int n, int axis) {
    for (int i = 0; i < n; i++) {
        if (axes[i] == axis)
            return true;
    }
    return false;
}

// ---- products -----------------------------------------------------------------------------------

// Axes of operand `side` that are free, in order.
static int free_axes(const IrNode *dot, int side, int *axes) {
    const IrAttrs *a = &dot->attrs;
    int n = 0;
    for (int i = a->n_batch; i < dot->in[side]->types[0].rank; i++) {
        if (!is_axis_in(side ? a->rhs_axes : a->lhs_axes, a->n_contract, i))
            axes[n++] = i;
    }
    return n;
}

// Whether a product may read `t->in[0]` instead of transpose `t`: batches stay in front, and the
// free axes keep their order, which is that of the result.
static bool may_look_through(const IrNode *dot, int side) {
    const IrNode *t = dot->in[side];
    int axes[IR_MAX_RANK], n = free_axes(dot, side, axes);
    if (t->op != IR_OP_transpose)
        return false;
    for (int i = 0; i < dot->attrs.n_batch; i++) {
        if (t->attrs.axes[i] != i)
            return false;
    }
    for (int i = 1; i < n; i++) {
        if (t->attrs.axes[axes[i]] < t->attrs.axes[axes[i - 1]])
            return false;
    }
    return true;
}

// Each product of one element by one other, as a multiplication.
static IrNode *outer_product(IrBuilder *b, IrNode *n) {
    IrNode *x[2];
    int next = n->attrs.n_batch;
    for (int side = 0; side < 2; side++) {
        int axes[IR_MAX_RANK] = {0};
        for (int i = 0; i < n->in[side]->types[0].rank; i++)
            axes[i] = i < n->attrs.n_batch ? i : next++;
        x[side] = ir_broadcast(b, n->in[side], n->types[0].rank, n->types[0].dims, axes);
    }
    return ir_mul(b, x[0], x[1]);
}

IrNode *pass_simplify_dot(IrBuilder *b, IrNode *n) {
    if (n->attrs.n_contract == 0)
        return outer_product(b, n);
    for (int side = 0; side < 2; side++) {
        if (!may_look_through(n, side))
            continue;
        int axes[2][IR_MAX_RANK] = {{0}};
        memcpy(axes[0], n->attrs.lhs_axes, sizeof axes[0]);
        memcpy(axes[1], n->attrs.rhs_axes, sizeof axes[1]);
        for (int i = 0; i < n->attrs.n_contract; i++)
            axes[side][i] = n->in[side]->attrs.axes[axes[side][i]];
        IrNode *in[2] = {n->in[0], n->in[1]};
        in[side] = in[side]->in[0];
        return ir_dot(b, in[0], in[1], n->attrs.n_batch, n->attrs.n_contract, axes[0], axes[1]);
    }
    return NULL;
}

// A product whose result is transposed as a whole is the product of its operands exchanged.
static IrNode *exchange_operands(IrBuilder *b, IrNode *n) {
    IrNode *dot = n->in[0];
    const IrAttrs *a = &dot->attrs;
    int rank = n->types[0].rank, m = dot->in[0]->types[0].rank - a->n_batch - a->n_contract;
    for (int i = 0; i < rank; i++) {
        int n_free = rank - a->n_batch - m, j = i - a->n_batch;
        int from = j < 0 ? i : j < n_free ? i + m : i - n_free;
        if (n->attrs.axes[i] != from)
            return NULL;
    }
    return ir_dot(b, dot->in[1], dot->in[0], a->n_batch, a->n_contract, a->rhs_axes, a->lhs_axes);
}

// ---- moves --------------------------------------------------------------------------------------

IrNode *pass_simplify_transpose(IrBuilder *b, IrNode *n) {
    IrNode *x = n->in[0];
    if (x->op == IR_OP_dot)
        return exchange_operands(b, n);
    if (x->op != IR_OP_broadcast)
        return NULL;
    int axes[IR_MAX_RANK] = {0};
    for (int i = 0; i < n->types[0].rank; i++) {
        for (int k = 0; k < x->attrs.n_axes; k++) {
            if (x->attrs.axes[k] == n->attrs.axes[i])
                axes[k] = i;
        }
    }
    return ir_broadcast(b, x->in[0], n->types[0].rank, n->types[0].dims, axes);
}

// A broadcast puts axes into any order by itself, and makes axes of size 1.
IrNode *pass_simplify_broadcast(IrBuilder *b, IrNode *n) {
    IrNode *x = n->in[0];
    if (x->op != IR_OP_transpose)
        return NULL;
    int axes[IR_MAX_RANK] = {0};
    for (int i = 0; i < x->types[0].rank; i++)
        axes[x->attrs.axes[i]] = n->attrs.axes[i];
    return ir_broadcast(b, x->in[0], n->types[0].rank, n->types[0].dims, axes);
}

// Whether a <= b for every value of the variables, as far as can be told.
static bool at_most(IrBuilder *b, IrDim *x, IrDim *y) {
    int64_t difference;
    return ir_dim_is_const(ir_dim_sub(b->fn->dims, y, x), &difference) && difference >= 0;
}

// The part of a concat that holds the slice.
static IrNode *slice_of_concat(IrBuilder *b, IrNode *n) {
    IrNode *x = n->in[0];
    IrDims *ds = b->fn->dims;
    int axis = x->attrs.axis;
    IrDim *start = n->attrs.starts[axis], *end = ir_dim_add(ds, start, n->types[0].dims[axis]);
    IrDim *at = ir_dim_const(ds, 0);

    for (int k = 0; k < x->n_in; k++) {
        IrDim *next = ir_dim_add(ds, at, x->in[k]->types[0].dims[axis]);
        if (at_most(b, at, start) && at_most(b, end, next)) {
            IrDim *starts[IR_MAX_RANK];
            for (int i = 0; i < n->types[0].rank; i++)
                starts[i] = i == axis ? ir_dim_sub(ds, start, at) : n->attrs.starts[i];
            return ir_slice(b, x->in[k], starts, n->types[0].dims);
        }
        at = next;
    }
    return NULL;
}

static IrNode *slice_of_pad(IrBuilder *b, IrNode *n) {
    IrNode *x = n->in[0], *inner = x->in[0];
    IrDims *ds = b->fn->dims;
    IrDim *starts[IR_MAX_RANK];
    bool inside = true;
    for (int i = 0; i < n->types[0].rank; i++) {
        IrDim *start = n->attrs.starts[i], *end = ir_dim_add(ds, start, n->types[0].dims[i]);
        IrDim *from = x->attrs.starts[i], *to = ir_dim_add(ds, from, inner->types[0].dims[i]);
        if (at_most(b, end, from) || at_most(b, to, start))
            return ir_const(b, n->types[0], 0); // beside it
        inside = inside && at_most(b, from, start) && at_most(b, end, to);
        starts[i] = ir_dim_sub(ds, start, from);
    }
    return inside ? ir_slice(b, inner, starts, n->types[0].dims) : NULL;
}

static IrNode *slice_of_broadcast(IrBuilder *b, IrNode *n) {
    IrNode *x = n->in[0];
    IrDim *starts[IR_MAX_RANK], *sizes[IR_MAX_RANK];
    for (int i = 0; i < x->attrs.n_axes; i++) {
        starts[i] = n->attrs.starts[x->attrs.axes[i]];
        sizes[i] = n->types[0].dims[x->attrs.axes[i]];
    }
    IrNode *y = ir_slice(b, x->in[0], starts, sizes);
    return ir_broadcast(b, y, n->types[0].rank, n->types[0].dims, x->attrs.axes);
}

static IrNode *slice_of_transpose(IrBuilder *b, IrNode *n) {
    IrNode *x = n->in[0];
    IrDim *starts[IR_MAX_RANK], *sizes[IR_MAX_RANK];
    for (int i = 0; i < n->types[0].rank; i++) {
        starts[x->attrs.axes[i]] = n->attrs.starts[i];
        sizes[x->attrs.axes[i]] = n->types[0].dims[i];
    }
    return ir_transpose(b, ir_slice(b, x->in[0], starts, sizes), x->attrs.axes);
}

IrNode *pass_simplify_slice(IrBuilder *b, IrNode *n) {
    switch (n->in[0]->op) {
    case IR_OP_concat:
        return slice_of_concat(b, n);
    case IR_OP_pad:
        return slice_of_pad(b, n);
    case IR_OP_broadcast:
        return slice_of_broadcast(b, n);
    case IR_OP_transpose:
        return slice_of_transpose(b, n);
    default:
        return NULL;
    }
}
