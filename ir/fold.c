// ir/fold.c -- exact algebra on single nodes.
//
// Builders call ir_fold() before they append a node. A rule looks at the node and its operands,
// and gives something simpler with the same value, or NULL. "The same value" holds for every
// number, infinities and NaN included (so x * 0 stays), except the sign of a zero in x + 0.
#include "ir/fold.h"

#include <math.h>
#include <string.h>

double ir_round_value(IrDtype dtype, double value) {
    switch (dtype) {
    case IR_F32:
        return (double)(float)value;
    case IR_I32:
        if (isnan(value))
            return 0;
        return value <= INT32_MIN ? INT32_MIN : value >= INT32_MAX ? INT32_MAX : trunc(value);
    case IR_BOOL:
        return value != 0;
    case IR_F64:
    case IR_DTYPE_COUNT:
        break;
    }
    return value;
}

// ---- looking at operands ------------------------------------------------------------------------

static bool is_const(const IrNode *n, double *value) {
    if (n->op != IR_OP_const)
        return false;
    *value = n->attrs.value;
    return true;
}

static bool is_number(const IrNode *n, double value) {
    return n->op == IR_OP_const && n->attrs.value == value;
}

// Same bits, so that zeros of different sign differ and a NaN equals itself.
static bool same_number(double x, double y) {
    return memcmp(&x, &y, sizeof x) == 0;
}

static bool is_zero_dim(const IrDim *d) {
    int64_t value = 0;
    return ir_dim_is_const(d, &value) && value == 0;
}

static bool starts_at_zero(const IrNode *n, int rank) {
    for (int i = 0; i < rank; i++) {
        if (!is_zero_dim(n->attrs.starts[i]))
            return false;
    }
    return true;
}

// The splat of operand `k` in the shape of `n`, or NULL when the operand is no constant.
static IrNode *splat(IrBuilder *b, const IrNode *n, int k) {
    double value = 0;
    return is_const(n->in[k], &value) ? ir_const(b, n->types[0], value) : NULL;
}

// ---- elementwise --------------------------------------------------------------------------------

static IrNode *fold_constants(IrBuilder *b, const IrNode *n) {
    double x[3] = {0};
    for (int k = 0; k < n->n_in; k++) {
        if (!is_const(n->in[k], &x[k]))
            return NULL;
    }
    return ir_const(b, n->types[0], ir_eval_map(n->op, n->in[0]->types[0].dtype, x));
}

// --x
static IrNode *fold_neg(IrBuilder *b, const IrNode *n) {
    (void)b;
    return n->in[0]->op == IR_OP_neg ? n->in[0]->in[0] : NULL;
}

// x + 0, 0 + x
static IrNode *fold_add(IrBuilder *b, const IrNode *n) {
    (void)b;
    return is_number(n->in[1], 0) ? n->in[0] : is_number(n->in[0], 0) ? n->in[1] : NULL;
}

// x - 0
static IrNode *fold_sub(IrBuilder *b, const IrNode *n) {
    (void)b;
    return is_number(n->in[1], 0) ? n->in[0] : NULL;
}

// x * 1, 1 * x
static IrNode *fold_mul(IrBuilder *b, const IrNode *n) {
    (void)b;
    return is_number(n->in[1], 1) ? n->in[0] : is_number(n->in[0], 1) ? n->in[1] : NULL;
}

// x / 1
static IrNode *fold_div(IrBuilder *b, const IrNode *n) {
    (void)b;
    return is_number(n->in[1], 1) ? n->in[0] : NULL;
}

// small whole exponents become products, 0.5 a square root
static IrNode *fold_pow(IrBuilder *b, const IrNode *n) {
    IrNode *x = n->in[0];
    double y = 0;
    if (!is_const(n->in[1], &y))
        return NULL;
    if (y == 0)
        return ir_const_like(b, x, 1);
    if (y == 0.5)
        return ir_sqrt(b, x);
    if (y == -1)
        return ir_div(b, ir_const_like(b, x, 1), x);
    if (y == 1)
        return x;
    if (y != 2 && y != 3 && y != 4)
        return NULL;
    IrNode *square = ir_mul(b, x, x);
    return y == 2 ? square : ir_mul(b, square, y == 3 ? x : square);
}

// x and true, true and x, x and false, false and x
static IrNode *fold_and(IrBuilder *b, const IrNode *n) {
    (void)b;
    double value = 0;
    for (int k = 0; k < 2; k++) {
        if (is_const(n->in[k], &value))
            return value != 0 ? n->in[1 - k] : n->in[k];
    }
    return NULL;
}

// x or true, true or x, x or false, false or x
static IrNode *fold_or(IrBuilder *b, const IrNode *n) {
    (void)b;
    double value = 0;
    for (int k = 0; k < 2; k++) {
        if (is_const(n->in[k], &value))
            return value == 0 ? n->in[1 - k] : n->in[k];
    }
    return NULL;
}

// not not x
static IrNode *fold_not(IrBuilder *b, const IrNode *n) {
    (void)b;
    return n->in[0]->op == IR_OP_logical_not ? n->in[0]->in[0] : NULL;
}

static IrNode *fold_select(IrBuilder *b, const IrNode *n) {
    (void)b;
    double c = 0;
    if (is_const(n->in[0], &c))
        return c != 0 ? n->in[1] : n->in[2];
    return n->in[1] == n->in[2] ? n->in[1] : NULL;
}

static IrNode *fold_cast(IrBuilder *b, const IrNode *n) {
    if (n->types[0].dtype == n->in[0]->types[0].dtype)
        return n->in[0];
    return splat(b, n, 0);
}

static IrNode *fold_stop_gradient(IrBuilder *b, const IrNode *n) {
    return n->in[0]->op == IR_OP_stop_gradient ? n->in[0] : splat(b, n, 0);
}

// ---- leaves -------------------------------------------------------------------------------------

static IrNode *fold_iota(IrBuilder *b, const IrNode *n) {
    int64_t size = 0;
    bool one = ir_dim_is_const(n->types[0].dims[n->attrs.axis], &size) && size == 1;
    return one ? ir_const(b, n->types[0], 0) : NULL;
}

static IrNode *fold_extent(IrBuilder *b, const IrNode *n) {
    int64_t value = 0;
    return ir_dim_is_const(n->attrs.dim, &value) ? ir_const(b, n->types[0], (double)value) : NULL;
}

// ---- moves --------------------------------------------------------------------------------------

static IrNode *fold_reshape(IrBuilder *b, const IrNode *n) {
    IrNode *x = n->in[0];
    const IrType *t = &n->types[0];
    if (ir_dims_equal(t, &x->types[0]))
        return x;
    if (x->op == IR_OP_reshape)
        return ir_reshape(b, x->in[0], t->rank, t->dims);
    return splat(b, n, 0);
}

static IrNode *fold_transpose(IrBuilder *b, const IrNode *n) {
    IrNode *x = n->in[0];
    bool same = true;
    for (int i = 0; i < n->attrs.n_axes; i++)
        same = same && n->attrs.axes[i] == i;
    if (same)
        return x;
    if (x->op == IR_OP_transpose) {
        int axes[IR_MAX_RANK];
        for (int i = 0; i < n->attrs.n_axes; i++)
            axes[i] = x->attrs.axes[n->attrs.axes[i]];
        return ir_transpose(b, x->in[0], axes);
    }
    return splat(b, n, 0);
}

static IrNode *fold_broadcast(IrBuilder *b, const IrNode *n) {
    IrNode *x = n->in[0];
    const IrType *t = &n->types[0];
    int axes[IR_MAX_RANK] = {0};
    if (x->op == IR_OP_const)
        return splat(b, n, 0);
    if (x->op == IR_OP_broadcast) {
        for (int i = 0; i < x->attrs.n_axes; i++)
            axes[i] = n->attrs.axes[x->attrs.axes[i]];
        return ir_broadcast(b, x->in[0], t->rank, t->dims, axes);
    }
    if (t->rank == x->types[0].rank) { // no axis repeats: at most an exchange
        for (int i = 0; i < t->rank; i++)
            axes[n->attrs.axes[i]] = i;
        return ir_transpose(b, x, axes);
    }
    return NULL;
}

// A slice that is one whole piece of a concatenation.
static IrNode *piece_of_concat(IrBuilder *b, const IrNode *n) {
    const IrNode *x = n->in[0];
    const IrType *t = &n->types[0];
    int axis = x->attrs.axis;
    IrDim *at = ir_dim_const(b->fn->dims, 0);
    for (int k = 0; k < x->n_in; k++) {
        const IrType *piece = &x->in[k]->types[0];
        bool same = n->attrs.starts[axis] == at && ir_dims_equal(piece, t);
        for (int i = 0; i < t->rank && same; i++)
            same = i == axis || is_zero_dim(n->attrs.starts[i]);
        if (same)
            return x->in[k];
        at = ir_dim_add(b->fn->dims, at, piece->dims[axis]);
    }
    return NULL;
}

static IrNode *fold_slice(IrBuilder *b, const IrNode *n) {
    IrNode *x = n->in[0];
    const IrType *t = &n->types[0];
    if (ir_dims_equal(t, &x->types[0]) && starts_at_zero(n, t->rank))
        return x;
    if (x->op == IR_OP_slice) {
        IrDim *starts[IR_MAX_RANK];
        for (int i = 0; i < t->rank; i++)
            starts[i] = ir_dim_add(b->fn->dims, n->attrs.starts[i], x->attrs.starts[i]);
        return ir_slice(b, x->in[0], starts, t->dims);
    }
    if (x->op == IR_OP_concat)
        return piece_of_concat(b, n);
    if (x->op == IR_OP_pad && ir_dims_equal(t, &x->in[0]->types[0])) { // what was padded
        for (int i = 0; i < t->rank; i++) {
            if (n->attrs.starts[i] != x->attrs.starts[i])
                return NULL;
        }
        return x->in[0];
    }
    return splat(b, n, 0);
}

static IrNode *fold_pad(IrBuilder *b, const IrNode *n) {
    const IrType *t = &n->types[0];
    if (ir_dims_equal(t, &n->in[0]->types[0]) && starts_at_zero(n, t->rank))
        return n->in[0];
    return is_number(n->in[0], 0) ? ir_const(b, *t, 0) : NULL;
}

static IrNode *fold_concat(IrBuilder *b, const IrNode *n) {
    if (n->n_in == 1)
        return n->in[0];

    // one number everywhere
    double first = 0, value = 0;
    bool same = is_const(n->in[0], &first);
    for (int k = 1; k < n->n_in && same; k++)
        same = is_const(n->in[k], &value) && same_number(first, value);
    if (same)
        return ir_const(b, n->types[0], first);

    // pieces without elements
    int n_kept = 0;
    for (int k = 0; k < n->n_in; k++)
        n_kept += !is_zero_dim(n->in[k]->types[0].dims[n->attrs.axis]);
    if (n_kept == n->n_in)
        return NULL;
    if (n_kept == 0)
        return n->in[0];
    IrNode **kept = arena_array(b->fn->arena, IrNode *, n_kept);
    n_kept = 0;
    for (int k = 0; k < n->n_in; k++) {
        if (!is_zero_dim(n->in[k]->types[0].dims[n->attrs.axis]))
            kept[n_kept++] = n->in[k];
    }
    return ir_concat(b, n_kept, kept, n->attrs.axis);
}

static IrNode *fold_dynamic_slice(IrBuilder *b, const IrNode *n) {
    if (n->types[0].dims[0] == n->in[0]->types[0].dims[0])
        return n->in[0]; // the start is clamped to 0
    return splat(b, n, 0);
}

static IrNode *fold_gather(IrBuilder *b, const IrNode *n) {
    // gathering from no rows is nobody's splat
    int64_t rows = 0;
    bool some = ir_dim_is_const(n->in[0]->types[0].dims[0], &rows) && rows > 0;
    return some ? splat(b, n, 0) : NULL;
}

static IrNode *fold_scatter_add(IrBuilder *b, const IrNode *n) {
    return is_number(n->in[1], 0) ? ir_const(b, n->types[0], 0) : NULL;
}

// ---- reductions ---------------------------------------------------------------------------------

static IrNode *fold_reduce(IrBuilder *b, const IrNode *n) {
    const IrType *x = &n->in[0]->types[0], *t = &n->types[0];
    double value = 0;
    if (n->attrs.n_axes == 0)
        return n->in[0];
    if (!is_const(n->in[0], &value))
        return NULL;

    // a constant, as many times as the static extents say
    double count = 1;
    for (int i = 0; i < n->attrs.n_axes; i++) {
        int64_t size = 0;
        if (!ir_dim_is_const(x->dims[n->attrs.axes[i]], &size))
            return NULL;
        count *= (double)size;
    }
    if (count == 0)
        value = n->op == IR_OP_sum ? 0 : n->op == IR_OP_reduce_max ? -INFINITY : INFINITY;
    else if (n->op == IR_OP_sum)
        value =
            ir_eval_map(IR_OP_mul, x->dtype, (double[]){value, ir_round_value(x->dtype, count)});
    return ir_const(b, *t, value);
}

// ---- the table ----------------------------------------------------------------------------------

typedef IrNode *FoldRule(IrBuilder *b, const IrNode *n);

static FoldRule *const fold_rule[IR_OP_COUNT] = {
    [IR_OP_neg] = fold_neg,
    [IR_OP_add] = fold_add,
    [IR_OP_sub] = fold_sub,
    [IR_OP_mul] = fold_mul,
    [IR_OP_div] = fold_div,
    [IR_OP_pow] = fold_pow,
    [IR_OP_logical_and] = fold_and,
    [IR_OP_logical_or] = fold_or,
    [IR_OP_logical_not] = fold_not,
    [IR_OP_iota] = fold_iota,
    [IR_OP_extent] = fold_extent,
    [IR_OP_cast] = fold_cast,
    [IR_OP_select] = fold_select,
    [IR_OP_stop_gradient] = fold_stop_gradient,
    [IR_OP_reshape] = fold_reshape,
    [IR_OP_transpose] = fold_transpose,
    [IR_OP_broadcast] = fold_broadcast,
    [IR_OP_slice] = fold_slice,
    [IR_OP_pad] = fold_pad,
    [IR_OP_concat] = fold_concat,
    [IR_OP_dynamic_slice] = fold_dynamic_slice,
    [IR_OP_gather] = fold_gather,
    [IR_OP_scatter_add] = fold_scatter_add,
    [IR_OP_sum] = fold_reduce,
    [IR_OP_reduce_max] = fold_reduce,
    [IR_OP_reduce_min] = fold_reduce,
};

IrNode *ir_fold(IrBuilder *b, const IrNode *n) {
    IrNode *y = NULL;
    if (ir_op_info[n->op].kind == IR_KIND_MAP)
        y = fold_constants(b, n);
    if (!y && fold_rule[n->op])
        y = fold_rule[n->op](b, n);
    return y;
}
