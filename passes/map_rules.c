// passes/batch_rules.c -- the batched form of each operation.
//
// At least one operand is batched: it has the map's axis in front of its own. A rule gives the
// result, with that axis in front.
#include "passes/map.h"

// ---- elementwise and plain moves ----------------------------------------------------------------

// All operands get the axis, and the operation does not notice.
static IrNode *elementwise(Batch *m, IrNode *n, BatchValue *in) {
    IrNode **x = arena_array(m->cx->scratch, IrNode *, n->n_in);
    for (int k = 0; k < n->n_in; k++)
        x[k] = batch_batched(m, in[k]);
    return ir_map_op(&m->b, n->op, x);
}

static IrNode *batch_cast(Batch *m, IrNode *n, BatchValue *in) {
    return ir_cast(&m->b, batch_node(m, in[0]), n->types[0].dtype);
}

static IrNode *batch_select(Batch *m, IrNode *n, BatchValue *in) {
    (void)n;
    IrNode *c = batch_batched(m, in[0]), *x = batch_batched(m, in[1]), *y = batch_batched(m, in[2]);
    return ir_select(&m->b, c, x, y);
}

static IrNode *batch_stop_gradient(Batch *m, IrNode *n, BatchValue *in) {
    (void)n;
    return ir_stop_gradient(&m->b, batch_node(m, in[0]));
}

static IrNode *batch_sample(Batch *m, IrNode *n, BatchValue *in) {
    return ir_sample(&m->b, batch_node(m, in[0]), n->attrs.name);
}

static IrNode *batch_reshape(Batch *m, IrNode *n, BatchValue *in) {
    IrType t = batch_type(m, n, n->types[0]);
    return ir_reshape(&m->b, batch_node(m, in[0]), t.rank, t.dims);
}

// `axes` one further, with `first` before them.
static void shift(int *out, const int *axes, int n, int first) {
    out[0] = first;
    for (int i = 0; i < n; i++)
        out[i + 1] = axes[i] + 1;
}

static IrNode *batch_transpose(Batch *m, IrNode *n, BatchValue *in) {
    int axes[IR_MAX_RANK + 1];
    shift(axes, n->attrs.axes, n->attrs.n_axes, 0);
    return ir_transpose(&m->b, batch_node(m, in[0]), axes);
}

static IrNode *batch_broadcast(Batch *m, IrNode *n, BatchValue *in) {
    int axes[IR_MAX_RANK + 1];
    IrType t = batch_type(m, n, n->types[0]);
    shift(axes, n->attrs.axes, n->attrs.n_axes, 0);
    return ir_broadcast(&m->b, batch_node(m, in[0]), t.rank, t.dims, axes);
}

// `starts` of slice and pad, from 0 along the map's axis.
static void shift_starts(const Batch *m, const IrNode *n, IrDim **starts) {
    starts[0] = ir_dim_const(m->b.fn->dims, 0);
    for (int i = 0; i < n->types[0].rank; i++)
        starts[i + 1] = n->attrs.starts[i];
}

static IrNode *batch_slice(Batch *m, IrNode *n, BatchValue *in) {
    IrDim *starts[IR_MAX_RANK + 1];
    IrType t = batch_type(m, n, n->types[0]);
    shift_starts(m, n, starts);
    return ir_slice(&m->b, batch_node(m, in[0]), starts, t.dims);
}

static IrNode *batch_pad(Batch *m, IrNode *n, BatchValue *in) {
    IrDim *starts[IR_MAX_RANK + 1];
    IrType t = batch_type(m, n, n->types[0]);
    shift_starts(m, n, starts);
    return ir_pad(&m->b, batch_node(m, in[0]), starts, t.dims);
}

static IrNode *batch_concat(Batch *m, IrNode *n, BatchValue *in) {
    IrNode **x = arena_array(m->cx->scratch, IrNode *, n->n_in);
    for (int k = 0; k < n->n_in; k++)
        x[k] = batch_batched(m, in[k]);
    return ir_concat(&m->b, n->n_in, x, n->attrs.axis + 1);
}

// ---- rows by index ------------------------------------------------------------------------------

// An i32 scalar as an array of type `t`.
static IrNode *repeat_scalar(Batch *m, IrNode *x, const IrType *t) {
    return ir_broadcast(&m->b, x, t->rank, t->dims, NULL);
}

static IrNode *i32(Batch *m, IrDim *dim) {
    return ir_extent(&m->b, IR_I32, dim);
}

// `x` kept within 0 and `last`, which may be negative: then it is 0.
static IrNode *clamp(Batch *m, IrNode *x, IrDim *last) {
    const IrType *t = &x->types[0];
    IrNode *most = repeat_scalar(m, i32(m, last), t);
    return ir_max(&m->b, ir_min(&m->b, x, most), ir_const(&m->b, *t, 0));
}

// The arrays of all indices of the map, one below the other: indices `at` (batched) into `rows`
// rows each become indices into all of them.
static IrNode *into_all_rows(Batch *m, IrNode *at, IrDim *rows) {
    const IrType *t = &at->types[0];
    IrDim *last = ir_dim_sub(m->b.fn->dims, rows, ir_dim_const(m->b.fn->dims, 1));
    IrNode *which = ir_iota(&m->b, *t, 0);
    IrNode *first = ir_mul(&m->b, which, repeat_scalar(m, i32(m, rows), t));
    return ir_add(&m->b, clamp(m, at, last), first);
}

// [map, rows, ...] as [map * rows, ...].
static IrNode *stack_rows(Batch *m, IrNode *x) {
    IrType t = x->types[0];
    t.dims[1] = ir_dim_mul(m->b.fn->dims, t.dims[0], t.dims[1]);
    return ir_reshape(&m->b, x, t.rank - 1, t.dims + 1);
}

static IrNode *gather_rows(Batch *m, BatchValue x, BatchValue at) {
    if (!x.is_batched)
        return ir_gather(&m->b, x.node, batch_node(m, at));
    IrNode *all = batch_node(m, x);
    if (!at.is_batched) {
        IrNode *rows = ir_gather(&m->b, batch_move_axis(m, all, 0, 1), at.node);
        return batch_move_axis(m, rows, at.node->types[0].rank, 0);
    }
    IrNode *indices = into_all_rows(m, batch_node(m, at), all->types[0].dims[1]);
    return ir_gather(&m->b, stack_rows(m, all), indices);
}

static IrNode *batch_gather(Batch *m, IrNode *n, BatchValue *in) {
    (void)n;
    return gather_rows(m, in[0], in[1]);
}

// A start for each index of the map makes it a gather of rows start, start + 1, ...
static IrNode *batch_dynamic_slice(Batch *m, IrNode *n, BatchValue *in) {
    IrDim *size = n->types[0].dims[0];
    if (!in[1].is_batched) {
        IrNode *x = batch_move_axis(m, batch_node(m, in[0]), 0, 1);
        return batch_move_axis(m, ir_dynamic_slice(&m->b, x, in[1].node, size), 1, 0);
    }
    IrDim *rows =
        in[0].is_batched ? batch_node(m, in[0])->types[0].dims[1] : in[0].node->types[0].dims[0];
    IrNode *start = clamp(m, batch_node(m, in[1]), ir_dim_sub(m->b.fn->dims, rows, size));
    IrType t = ir_type(IR_I32, 2, (IrDim *[]){m->extent, size});
    IrNode *at =
        ir_add(&m->b, ir_broadcast(&m->b, start, 2, t.dims, (int[]){0}), ir_iota(&m->b, t, 1));
    return gather_rows(m, in[0], (BatchValue){.node = at, .is_batched = true});
}

static IrNode *batch_scatter_add(Batch *m, IrNode *n, BatchValue *in) {
    IrDim *n_rows = n->types[0].dims[0];
    if (!in[0].is_batched) {
        int lead = in[0].node->types[0].rank;
        IrNode *rows = batch_move_axis(m, batch_node(m, in[1]), 0, lead);
        return batch_move_axis(m, ir_scatter_add(&m->b, in[0].node, rows, n_rows), 1, 0);
    }
    IrNode *at = into_all_rows(m, batch_node(m, in[0]), n_rows);
    IrDim *all = ir_dim_mul(m->b.fn->dims, m->extent, n_rows);
    IrNode *sums = ir_scatter_add(&m->b, at, batch_batched(m, in[1]), all);
    IrType t = batch_type(m, n, n->types[0]);
    return ir_reshape(&m->b, sums, t.rank, t.dims);
}

// ---- reductions and products --------------------------------------------------------------------

static IrNode *reduction(Batch *m, IrNode *n, BatchValue *in) {
    int axes[IR_MAX_RANK + 1];
    shift(axes, n->attrs.axes, n->attrs.n_axes, 0);
    return ir_reduce(&m->b, n->op, batch_node(m, in[0]), n->attrs.n_axes, axes + 1);
}

static IrNode *batch_argmax(Batch *m, IrNode *n, BatchValue *in) {
    (void)n;
    return ir_argmax(&m->b, batch_node(m, in[0]));
}

static IrNode *batch_top_k(Batch *m, IrNode *n, BatchValue *in) {
    IrDim *count = n->types[0].dims[n->types[0].rank - 1];
    return ir_top_k(&m->b, batch_node(m, in[0]), count, n->attrs.reverse);
}

// One product in each case. A batched side alone gets the map's axis as a free axis; it comes
// behind the batch axes, since those lead on both sides.
static IrNode *batch_dot(Batch *m, IrNode *n, BatchValue *in) {
    const IrAttrs *a = &n->attrs;
    int n_batch = a->n_batch, sides[2][IR_MAX_RANK];
    IrNode *x[2];
    bool both = in[0].is_batched && in[1].is_batched;

    for (int k = 0; k < 2; k++) {
        x[k] = batch_node(m, in[k]);
        if (in[k].is_batched && !both)
            x[k] = batch_move_axis(m, x[k], 0, n_batch);
        for (int i = 0; i < a->n_contract; i++)
            sides[k][i] = (k ? a->rhs_axes[i] : a->lhs_axes[i]) + in[k].is_batched;
    }
    IrNode *y = ir_dot(&m->b, x[0], x[1], n_batch + both, a->n_contract, sides[0], sides[1]);
    if (both)
        return y;
    int lhs_free = in[0].node->types[0].rank - in[0].is_batched - n_batch - a->n_contract;
    return batch_move_axis(m, y, in[0].is_batched ? n_batch : n_batch + lhs_free, 0);
}

// ---- draws --------------------------------------------------------------------------------------

// The loop whose index is the map's moves from the operands to the key's axes.
static IrNode *draw(Batch *m, IrNode *n, BatchValue *in) {
    const IrAttrs *a = &n->attrs;
    Arena *scratch = m->cx->scratch;
    const char **loops = arena_array(scratch, const char *, a->n_loops);
    IrNode **indices = arena_array(scratch, IrNode *, n->n_in);
    int n_loops = 1, n_indices = 0, is_found = 0;

    for (int i = 0; i < a->n_key_axes; i++)
        loops[n_loops++] = a->loops[i];
    for (int k = 0; k < n->n_in; k++) {
        const char *name = a->loops[a->n_key_axes + k];
        if (in[k].is_index) {
            loops[0] = name;
            is_found++;
            continue;
        }
        if (in[k].is_batched)
            ir_bug(n, "the index of loop '%s' depends on a map", name);
        loops[n_loops++] = name;
        indices[n_indices++] = in[k].node;
    }
    if (is_found != 1)
        ir_bug(n, "a map's index is the index of %d loops", is_found);
    return ir_draw(&m->b, n->op, batch_type(m, n, n->types[0]), a->name, n_loops, a->n_key_axes + 1,
                   loops, indices);
}

// ---- what never gets here -----------------------------------------------------------------------

static IrNode *nothing(Batch *m, IrNode *n, BatchValue *in) {
    (void)m, (void)in;
    ir_bug(n, "no batched form of '%s'", ir_op_info[n->op].name);
}

// ---- the table ----------------------------------------------------------------------------------

#define batch_input        nothing // parameters, and leaves without operands
#define batch_const        nothing
#define batch_iota         nothing
#define batch_extent       nothing
#define batch_draw_normal  draw
#define batch_draw_uniform draw
#define batch_sum          reduction
#define batch_reduce_max   reduction
#define batch_reduce_min   reduction
#define batch_call         nothing // eliminated before
#define batch_map          nothing
#define batch_grad         nothing
#define batch_scan         nothing // by batch_batch_block
#define batch_get          nothing

BatchRule *const batch_rule[IR_OP_COUNT] = {
#define MAP(name, inputs, result, grad, expr, doc) [IR_OP_##name] = elementwise,
#define OP(name, inputs, kind, shape, grad, doc)   [IR_OP_##name] = batch_##name,
#include "ir/ops.def"
};
