// passes/fuse_order.c -- reductions instead of top_k.
//
// The rank of an element is the number of those that come before it: the larger ones, and equals of
// a lower index. Ranks are a permutation, so the index at place p is the sum of all indices whose
// rank is p. That is n comparisons for each of n elements and n for each of k places, all of them
// in lanes and none of them waiting for another; sorting would be fewer, but one after the other.
#include "passes/fuse.h"
#include "passes/rebuild.h"

typedef struct Order {
    IrBuilder *b;
    IrDim *dims[3]; // rows, places or elements, elements
} Order;

// `x` of [rows, elements] along axes 0 and `axis` of [rows, elements, elements].
static IrNode *spread(const Order *o, IrNode *x, int axis) {
    return ir_broadcast(o->b, x, 3, o->dims, (int[]){0, axis});
}

// Whether the element along axis `axis` is NaN, or the other is at most as large.
static IrNode *is_at_least(const Order *o, IrNode *x, int axis) {
    IrNode *one = spread(o, x, axis), *other = spread(o, x, 3 - axis);
    IrNode *at_least = ir_less_equal(o->b, other, one);
    if (!ir_dtype_is_real(x->types[0].dtype))
        return at_least;
    return ir_logical_or(o->b, at_least, spread(o, ir_not_equal(o->b, x, x), axis));
}

// Rank of each element of `x`, [rows, elements].
static IrNode *ranks(Order *o, IrNode *x, bool smallest) {
    o->dims[1] = o->dims[2];
    IrType t = ir_type(IR_I32, 3, o->dims);
    IrNode *own = is_at_least(o, x, 1), *other = is_at_least(o, x, 2);
    IrNode *fits = smallest ? own : other, *fits_not = smallest ? other : own;
    IrNode *earlier = ir_less(o->b, ir_iota(o->b, t, 2), ir_iota(o->b, t, 1));
    IrNode *before =
        ir_logical_and(o->b, fits, ir_logical_or(o->b, earlier, ir_logical_not(o->b, fits_not)));
    return ir_reduce(o->b, IR_OP_sum, ir_cast(o->b, before, IR_I32), 1, (int[]){2});
}

static IrNode *expand(IrBuilder *b, IrNode *n, void *data) {
    (void)data;
    if (n->op != IR_OP_top_k)
        return NULL;
    IrDims *ds = b->fn->dims;
    IrNode *x = n->in[0];
    const IrType *from = &x->types[0], *to = &n->types[0];
    Order o = {.b = b, .dims = {ir_dim_const(ds, 1)}};
    for (int i = 0; i < from->rank - 1; i++)
        o.dims[0] = ir_dim_mul(ds, o.dims[0], from->dims[i]);
    o.dims[2] = from->dims[from->rank - 1];
    IrNode *rows = ir_reshape(b, x, 2, (IrDim *[]){o.dims[0], o.dims[2]});
    IrNode *rank = ranks(&o, rows, n->attrs.reverse);

    // places beyond the last element repeat it
    o.dims[1] = to->dims[to->rank - 1];
    IrType t = ir_type(IR_I32, 3, o.dims);
    IrNode *place = ir_iota(b, t, 1);
    if (o.dims[1] != o.dims[2]) {
        IrDim *last = ir_dim_sub(ds, o.dims[2], ir_dim_const(ds, 1));
        place = ir_min(b, place, ir_broadcast(b, ir_extent(b, IR_I32, last), 3, t.dims, NULL));
    }
    IrNode *found = ir_equal(b, spread(&o, rank, 2), place);
    IrNode *index = ir_select(b, found, ir_iota(b, t, 2), ir_const(b, t, 0));
    IrNode *y = ir_reduce(b, IR_OP_sum, index, 1, (int[]){2});
    return ir_reshape(b, y, to->rank, to->dims);
}

void fuse_order(PassCtx *cx, IrFunction *f) {
    pass_rebuild(cx, f, expand, NULL);
    ir_renumber(f);
}
