// ir/build.c -- making nodes.
//
// Each builder makes a node with its attributes and hands it to ir_finish(), which infers the
// type, folds, and appends.
#include "ir/build.h"

#include "ir/fold.h"
#include "ir/shape.h"

// A node with the builder's place.
static IrNode *begin(IrBuilder *b, IrOp op, int n_in, IrNode *const *in) {
    IrNode *n = ir_node_new(b->fn, op, n_in, in);
    n->loc = b->loc;
    n->path = b->path;
    return n;
}

// The same, for ops whose type is given.
static IrNode *begin_as(IrBuilder *b, IrOp op, int n_in, IrNode *const *in, IrType type) {
    IrNode *n = begin(b, op, n_in, in);
    n->n_types = 1;
    n->types = arena_new(b->fn->arena, IrType);
    n->types[0] = type;
    return n;
}

static const char *own_name(IrBuilder *b, const char *name) {
    return name ? arena_strdup(b->fn->arena, name) : NULL;
}

IrNode *ir_finish(IrBuilder *b, IrNode *n) {
    Buf why = {0};
    if (!ir_infer(b->fn, n, &why))
        ir_bug(n, "%s", buf_text(&why));
    buf_free(&why);
    IrNode *simpler = ir_fold(b, n);
    if (simpler)
        return simpler;
    ir_block_append(b->fn, b->block, n);
    return n;
}

// ---- elementwise --------------------------------------------------------------------------------

IrNode *ir_map_op(IrBuilder *b, IrOp op, IrNode *const *in) {
    return ir_finish(b, begin(b, op, ir_op_info[op].n_in, in));
}

#define IN_1 ((IrNode *[]){x})
#define IN_2 ((IrNode *[]){x, y})
#define MAP(name, inputs, result, grad, expr, doc)            \
    IrNode *ir_##name(IrBuilder *b, IR_BUILD_ARGS_##inputs) { \
        return ir_map_op(b, IR_OP_##name, IN_##inputs);       \
    }
#include "ir/ops.def"

// ---- leaves -------------------------------------------------------------------------------------

IrNode *ir_const(IrBuilder *b, IrType type, double value) {
    IrNode *n = begin_as(b, IR_OP_const, 0, NULL, type);
    n->attrs.value = ir_round_value(type.dtype, value);
    return ir_finish(b, n);
}

IrNode *ir_const_like(IrBuilder *b, const IrNode *like, double value) {
    return ir_const(b, like->types[0], value);
}

IrNode *ir_iota(IrBuilder *b, IrType type, int axis) {
    IrNode *n = begin_as(b, IR_OP_iota, 0, NULL, type);
    n->attrs.axis = axis;
    return ir_finish(b, n);
}

IrNode *ir_extent(IrBuilder *b, IrDtype dtype, IrDim *dim) {
    IrNode *n = begin_as(b, IR_OP_extent, 0, NULL, ir_scalar(dtype));
    n->attrs.dim = dim;
    return ir_finish(b, n);
}

IrNode *ir_draw(IrBuilder *b, IrOp op, IrType type, const char *site, int n_loops, int n_key_axes,
                const char *const *loops, IrNode *const *indices) {
    IrNode *n = begin_as(b, op, n_loops - n_key_axes, indices, type);
    n->attrs.name = own_name(b, site);
    n->attrs.n_loops = n_loops;
    n->attrs.n_key_axes = n_key_axes;
    n->attrs.loops = arena_array(b->fn->arena, const char *, n_loops);
    for (int i = 0; i < n_loops; i++)
        n->attrs.loops[i] = own_name(b, loops[i]);
    return ir_finish(b, n);
}

// ---- moves --------------------------------------------------------------------------------------

IrNode *ir_cast(IrBuilder *b, IrNode *x, IrDtype dtype) {
    IrType type = x->types[0];
    type.dtype = dtype;
    return ir_finish(b, begin_as(b, IR_OP_cast, 1, &x, type));
}

IrNode *ir_select(IrBuilder *b, IrNode *c, IrNode *x, IrNode *y) {
    return ir_finish(b, begin(b, IR_OP_select, 3, (IrNode *[]){c, x, y}));
}

IrNode *ir_stop_gradient(IrBuilder *b, IrNode *x) {
    return ir_finish(b, begin(b, IR_OP_stop_gradient, 1, &x));
}

IrNode *ir_sample(IrBuilder *b, IrNode *x, const char *site) {
    IrNode *n = begin(b, IR_OP_sample, 1, &x);
    n->attrs.name = site;
    return ir_finish(b, n);
}

IrNode *ir_reshape(IrBuilder *b, IrNode *x, int rank, IrDim *const *dims) {
    IrType type = ir_type(x->types[0].dtype, rank, dims);
    return ir_finish(b, begin_as(b, IR_OP_reshape, 1, &x, type));
}

IrNode *ir_transpose(IrBuilder *b, IrNode *x, const int *axes) {
    IrNode *n = begin(b, IR_OP_transpose, 1, &x);
    n->attrs.n_axes = x->types[0].rank;
    for (int i = 0; i < n->attrs.n_axes; i++)
        n->attrs.axes[i] = axes[i];
    return ir_finish(b, n);
}

IrNode *ir_broadcast(IrBuilder *b, IrNode *x, int rank, IrDim *const *dims, const int *axes) {
    IrNode *n = begin_as(b, IR_OP_broadcast, 1, &x, ir_type(x->types[0].dtype, rank, dims));
    n->attrs.n_axes = x->types[0].rank;
    for (int i = 0; i < n->attrs.n_axes; i++)
        n->attrs.axes[i] = axes[i];
    return ir_finish(b, n);
}

IrNode *ir_broadcast_to(IrBuilder *b, IrNode *x, int rank, IrDim *const *dims) {
    const IrType *t = &x->types[0];
    if (t->rank > rank)
        ir_bug(x, "broadcast to %d axes", rank);

    // axes of size 1 that repeat are dropped first
    IrDim *kept[IR_MAX_RANK];
    int axes[IR_MAX_RANK], n_kept = 0;
    for (int i = 0; i < t->rank; i++) {
        int to = rank - t->rank + i;
        int64_t size = 0;
        if (t->dims[i] == dims[to]) {
            kept[n_kept] = t->dims[i];
            axes[n_kept++] = to;
        } else if (!ir_dim_is_const(t->dims[i], &size) || size != 1) {
            ir_bug(x, "broadcast of axis %d to another size", i);
        }
    }
    return ir_broadcast(b, ir_reshape(b, x, n_kept, kept), rank, dims, axes);
}

static void set_starts(IrNode *n, int rank, IrDim *const *starts) {
    for (int i = 0; i < rank; i++)
        n->attrs.starts[i] = starts[i];
}

IrNode *ir_slice(IrBuilder *b, IrNode *x, IrDim *const *starts, IrDim *const *sizes) {
    const IrType *t = &x->types[0];
    IrNode *n = begin_as(b, IR_OP_slice, 1, &x, ir_type(t->dtype, t->rank, sizes));
    set_starts(n, t->rank, starts);
    return ir_finish(b, n);
}

IrNode *ir_pad(IrBuilder *b, IrNode *x, IrDim *const *starts, IrDim *const *dims) {
    const IrType *t = &x->types[0];
    IrNode *n = begin_as(b, IR_OP_pad, 1, &x, ir_type(t->dtype, t->rank, dims));
    set_starts(n, t->rank, starts);
    return ir_finish(b, n);
}

IrNode *ir_concat(IrBuilder *b, int n_in, IrNode *const *x, int axis) {
    IrNode *n = begin(b, IR_OP_concat, n_in, x);
    n->attrs.axis = axis;
    return ir_finish(b, n);
}

IrNode *ir_dynamic_slice(IrBuilder *b, IrNode *x, IrNode *start, IrDim *size) {
    IrType type = x->types[0];
    type.dims[0] = size;
    return ir_finish(b, begin_as(b, IR_OP_dynamic_slice, 2, (IrNode *[]){x, start}, type));
}

IrNode *ir_gather(IrBuilder *b, IrNode *x, IrNode *indices) {
    return ir_finish(b, begin(b, IR_OP_gather, 2, (IrNode *[]){x, indices}));
}

IrNode *ir_scatter_add(IrBuilder *b, IrNode *indices, IrNode *rows, IrDim *n_rows) {
    const IrType *x = &rows->types[0];
    int lead = indices->types[0].rank;
    if (lead > x->rank)
        ir_bug(rows, "scatter_add of %d axes with indices of %d", x->rank, lead);
    IrType type = {.dtype = x->dtype, .rank = 1, .dims = {n_rows}};
    for (int i = lead; i < x->rank; i++) {
        if (type.rank == IR_MAX_RANK)
            ir_bug(rows, "scatter_add of more than %d axes", IR_MAX_RANK);
        type.dims[type.rank++] = x->dims[i];
    }
    return ir_finish(b, begin_as(b, IR_OP_scatter_add, 2, (IrNode *[]){indices, rows}, type));
}

// ---- reductions and products --------------------------------------------------------------------

static void copy_axes(int *to, const int *from, int n, const IrNode *of) {
    if (n < 0 || n > IR_MAX_RANK)
        ir_bug(of, "%d axes", n);
    for (int i = 0; i < n; i++)
        to[i] = from[i];
}

IrNode *ir_reduce(IrBuilder *b, IrOp op, IrNode *x, int n_axes, const int *axes) {
    IrNode *n = begin(b, op, 1, &x);
    copy_axes(n->attrs.axes, axes, n_axes, x);
    n->attrs.n_axes = n_axes;

    // in increasing order
    for (int i = 1; i < n_axes; i++) {
        int axis = n->attrs.axes[i], k = i;
        for (; k > 0 && n->attrs.axes[k - 1] > axis; k--)
            n->attrs.axes[k] = n->attrs.axes[k - 1];
        n->attrs.axes[k] = axis;
    }
    return ir_finish(b, n);
}

IrNode *ir_argmax(IrBuilder *b, IrNode *x) {
    return ir_finish(b, begin(b, IR_OP_argmax, 1, &x));
}

IrNode *ir_top_k(IrBuilder *b, IrNode *x, IrDim *count, bool smallest) {
    IrType type = x->types[0];
    if (type.rank == 0)
        ir_bug(x, "top_k of a scalar");
    type.dtype = IR_I32;
    type.dims[type.rank - 1] = count;
    IrNode *n = begin_as(b, IR_OP_top_k, 1, &x, type);
    n->attrs.reverse = smallest;
    return ir_finish(b, n);
}

IrNode *ir_dot(IrBuilder *b, IrNode *lhs, IrNode *rhs, int n_batch, int n_contract,
               const int *lhs_axes, const int *rhs_axes) {
    IrNode *n = begin(b, IR_OP_dot, 2, (IrNode *[]){lhs, rhs});
    n->attrs.n_batch = n_batch;
    n->attrs.n_contract = n_contract;
    copy_axes(n->attrs.lhs_axes, lhs_axes, n_contract, lhs);
    copy_axes(n->attrs.rhs_axes, rhs_axes, n_contract, rhs);
    return ir_finish(b, n);
}

// ---- control ------------------------------------------------------------------------------------

IrNode *ir_call(IrBuilder *b, IrFunction *callee, int n_in, IrNode *const *in) {
    IrNode *n = begin(b, IR_OP_call, n_in, in);
    n->callee = callee;
    n->attrs.name = callee->name;
    return ir_finish(b, n);
}

static IrNode *begin_scan(IrBuilder *b, IrBlock *body, IrDim *steps, bool reverse,
                          const char *name, int n_captured, int n_carry, int n_over,
                          IrNode *const *in) {
    IrNode *n = begin(b, IR_OP_scan, n_captured + n_carry + n_over, in);
    n->body = body;
    n->attrs.dim = steps;
    n->attrs.reverse = reverse;
    n->attrs.name = own_name(b, name);
    n->attrs.n_captured = n_captured;
    n->attrs.n_carry = n_carry;
    n->attrs.n_over = n_over;
    return n;
}

IrNode *ir_scan(IrBuilder *b, IrBlock *body, IrDim *steps, bool reverse, const char *name,
                int n_captured, int n_carry, int n_over, IrNode *const *in) {
    return ir_finish(
        b, begin_scan(b, body, steps, reverse, name, n_captured, n_carry, n_over, in));
}

IrNode *ir_scan_until(IrBuilder *b, IrBlock *body, IrDim *steps, bool reverse, const char *name,
                      int n_captured, int n_carry, int n_over, IrNode *const *in) {
    IrNode *n = begin_scan(b, body, steps, reverse, name, n_captured, n_carry, n_over, in);
    n->attrs.until = true;
    return ir_finish(b, n);
}

IrNode *ir_map_loop(IrBuilder *b, IrBlock *body, IrDim *extent, const char *name, int n_captured,
                    int n_over, IrNode *const *in) {
    IrNode *n = begin(b, IR_OP_map, n_captured + n_over, in);
    n->body = body;
    n->attrs.dim = extent;
    n->attrs.name = own_name(b, name);
    n->attrs.n_captured = n_captured;
    n->attrs.n_over = n_over;
    return ir_finish(b, n);
}

IrNode *ir_grad(IrBuilder *b, IrBlock *body, int n_in, IrNode *const *in, int n_wrt,
                const int *wrt) {
    IrNode *n = begin(b, IR_OP_grad, n_in, in);
    n->body = body;
    n->attrs.n_captured = n_in;
    n->attrs.n_wrt = n_wrt;
    n->attrs.wrt = arena_array(b->fn->arena, int, n_wrt);
    for (int i = 0; i < n_wrt; i++)
        n->attrs.wrt[i] = wrt[i];
    return ir_finish(b, n);
}

IrNode *ir_get(IrBuilder *b, IrNode *x, int index) {
    IrNode *n = begin(b, IR_OP_get, 1, &x);
    n->attrs.index = index;
    return ir_finish(b, n);
}
