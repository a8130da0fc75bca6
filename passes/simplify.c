// passes/simplify.c -- exact algebra on two or three nodes at a time.
//
// What single nodes show, the builders know (ir/fold.c). Here are rules that look further: signs,
// moves through moves and out of elementwise operations, moves of a product's operands, sums of
// what repeats. A rule keeps the bits of every result, with two exceptions that are identities of
// the numbers: x + 0 (the sign of zero), and the sum of n equal numbers as a product by n.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/fold.h"
#include "passes/rebuild.h"
#include "passes/simplify.h"

// ---- signs and other small algebra --------------------------------------------------------------

static bool is_power_of_two(double x) {
    int exponent;
    return isfinite(x) && fabs(frexp(x, &exponent)) == 0.5 && abs(exponent) < 100;
}

static bool is_number(const IrNode *n, double value) {
    return n->op == IR_OP_const && n->attrs.value == value;
}

static IrNode *simplify_map(IrBuilder *b, IrNode *n) {
    IrNode *x = n->in[0], *y = n->n_in > 1 ? n->in[1] : NULL;
    switch (n->op) {
    case IR_OP_add:
        if (y->op == IR_OP_neg)
            return ir_sub(b, x, y->in[0]);
        return x->op == IR_OP_neg ? ir_sub(b, y, x->in[0]) : NULL;
    case IR_OP_sub:
        return y->op == IR_OP_neg ? ir_add(b, x, y->in[0]) : NULL;
    case IR_OP_mul:
        if (x->op == IR_OP_neg && y->op == IR_OP_neg)
            return ir_mul(b, x->in[0], y->in[0]);
        if (is_number(y, -1))
            return ir_neg(b, x);
        return is_number(x, -1) ? ir_neg(b, y) : NULL;
    case IR_OP_div:
        if (x->op == IR_OP_neg && y->op == IR_OP_neg)
            return ir_div(b, x->in[0], y->in[0]);
        if (y->op == IR_OP_const && is_power_of_two(y->attrs.value))
            return ir_mul(b, x, ir_const_like(b, y, 1 / y->attrs.value));
        return NULL;
    case IR_OP_abs:
        if (x->op == IR_OP_neg)
            return ir_abs(b, x->in[0]);
        return x->op == IR_OP_abs ? x : NULL;
    case IR_OP_relu:
        return x->op == IR_OP_relu ? x : NULL;
    case IR_OP_max:
    case IR_OP_min:
    case IR_OP_logical_and:
    case IR_OP_logical_or:
        return x == y ? x : NULL;
    case IR_OP_less:
        return x == y ? ir_const(b, n->types[0], 0) : NULL;
    default:
        return NULL;
    }
}

static IrNode *simplify_select(IrBuilder *b, IrNode *n) {
    IrNode *c = n->in[0], *x = n->in[1], *y = n->in[2];
    if (c->op == IR_OP_logical_not)
        return ir_select(b, c->in[0], y, x);
    if (x->op == IR_OP_select && x->in[0] == c)
        return ir_select(b, c, x->in[1], y);
    return y->op == IR_OP_select && y->in[0] == c ? ir_select(b, c, x, y->in[2]) : NULL;
}

// A cast to a type that holds every value of the type in between.
static IrNode *simplify_cast(IrBuilder *b, IrNode *n) {
    IrNode *x = n->in[0];
    if (x->op != IR_OP_cast)
        return NULL;
    IrDtype from = x->in[0]->types[0].dtype, middle = x->types[0].dtype;
    bool exact = from == IR_BOOL || (from == IR_F32 && middle == IR_F64) ||
                 (from == IR_I32 && middle == IR_F64);
    return exact && middle != IR_BOOL ? ir_cast(b, x->in[0], n->types[0].dtype) : NULL;
}

// ---- moves out of elementwise operations --------------------------------------------------------

static bool same_move(const IrNode *x, const IrNode *y) {
    return x->op == y->op && ir_dims_equal(&x->in[0]->types[0], &y->in[0]->types[0]) &&
           !memcmp(x->attrs.axes, y->attrs.axes,
                   (size_t)x->in[0]->types[0].rank * sizeof *x->attrs.axes);
}

// A map of broadcasts of one kind (or transposes) and numbers is the broadcast of a map.
static IrNode *move_out(IrBuilder *b, IrNode *n) {
    const IrNode *move = NULL;
    for (int k = 0; k < n->n_in; k++) {
        const IrNode *x = n->in[k];
        if (x->op == IR_OP_const)
            continue;
        if ((x->op != IR_OP_broadcast && x->op != IR_OP_transpose) || (move && !same_move(x, move)))
            return NULL;
        move = x;
    }
    if (!move)
        return NULL;

    IrNode *in[3];
    IrType small = move->in[0]->types[0];
    for (int k = 0; k < n->n_in; k++) {
        small.dtype = n->in[k]->types[0].dtype;
        in[k] = n->in[k]->op == IR_OP_const ? ir_const(b, small, n->in[k]->attrs.value)
                                            : n->in[k]->in[0];
    }
    IrNode *y = n->op == IR_OP_select ? ir_select(b, in[0], in[1], in[2])
                : n->op == IR_OP_cast ? ir_cast(b, in[0], n->types[0].dtype)
                                      : ir_map_op(b, n->op, in);
    if (move->op == IR_OP_transpose)
        return ir_transpose(b, y, move->attrs.axes);
    return ir_broadcast(b, y, n->types[0].rank, n->types[0].dims, move->attrs.axes);
}

// ---- reductions ---------------------------------------------------------------------------------

static bool is_axis_in(const int *axes, int n, int axis) {
    for (int i = 0; i < n; i++) {
        if (axes[i] == axis)
            return true;
    }
    return false;
}

// Reduced axes of size 1, and axes along which a broadcast repeats as often as a number says, need
// no reduction.
static IrNode *simplify_reduce(IrBuilder *b, IrNode *n) {
    IrNode *x = n->in[0];
    const IrType *t = &x->types[0];
    bool repeats = x->op == IR_OP_broadcast;
    int kept[IR_MAX_RANK], n_kept = 0, dropped[IR_MAX_RANK], n_dropped = 0;
    double count = 1;
    for (int i = 0; i < n->attrs.n_axes; i++) {
        int axis = n->attrs.axes[i];
        int64_t size = 0;
        bool fixed = ir_dim_is_const(t->dims[axis], &size);
        bool repeated =
            repeats && fixed && size > 0 && !is_axis_in(x->attrs.axes, x->attrs.n_axes, axis);
        if (!repeated && !(fixed && size == 1)) {
            kept[n_kept++] = axis;
            continue;
        }
        dropped[n_dropped++] = axis;
        count *= (double)size;
    }
    if (n_dropped == 0)
        return NULL;

    // without the axes that go
    IrDim *dims[IR_MAX_RANK];
    int rank = 0, to[IR_MAX_RANK] = {0};
    for (int i = 0; i < t->rank; i++) {
        to[i] = rank;
        if (!is_axis_in(dropped, n_dropped, i))
            dims[rank++] = t->dims[i];
    }
    bool only_repeated = repeats;
    for (int i = 0; i < x->attrs.n_axes && repeats; i++)
        only_repeated = only_repeated && !is_axis_in(dropped, n_dropped, x->attrs.axes[i]);
    IrNode *y;
    if (only_repeated) {
        int axes[IR_MAX_RANK] = {0};
        for (int i = 0; i < x->attrs.n_axes; i++)
            axes[i] = to[x->attrs.axes[i]];
        y = ir_broadcast(b, x->in[0], rank, dims, axes);
    } else if (count == 1) {
        y = ir_reshape(b, x, rank, dims);
    } else {
        return NULL;
    }
    for (int i = 0; i < n_kept; i++)
        kept[i] = to[kept[i]];
    y = ir_reduce(b, n->op, y, n_kept, kept);
    if (n->op != IR_OP_sum || count == 1)
        return y;
    return ir_mul(b, y, ir_const_like(b, y, ir_round_value(y->types[0].dtype, count)));
}

// ---- the walk -----------------------------------------------------------------------------------

static IrNode *simplify_node(IrBuilder *b, IrNode *n, void *data) {
    const bool *has_grad = data;
    IrNode *y = ir_fold(b, n);
    if (y)
        return y;
    switch (n->op) {
    case IR_OP_select:
        y = simplify_select(b, n);
        return y ? y : move_out(b, n);
    case IR_OP_cast:
        y = simplify_cast(b, n);
        return y ? y : move_out(b, n);
    case IR_OP_stop_gradient:
        return *has_grad ? NULL : n->in[0];
    case IR_OP_sample:
        return n->in[0];
    case IR_OP_transpose:
        return pass_simplify_transpose(b, n);
    case IR_OP_broadcast:
        return pass_simplify_broadcast(b, n);
    case IR_OP_slice:
        return pass_simplify_slice(b, n);
    case IR_OP_sum:
    case IR_OP_reduce_max:
    case IR_OP_reduce_min:
        return simplify_reduce(b, n);
    case IR_OP_dot:
        return pass_simplify_dot(b, n);
    default:
        if (ir_op_info[n->op].kind != IR_KIND_MAP)
            return NULL;
        y = simplify_map(b, n);
        return y ? y : move_out(b, n);
    }
}

static void look_for_grad(IrNode *n, IrBlock *in, void *data) {
    (void)in;
    bool *has_grad = data;
    *has_grad = *has_grad || n->op == IR_OP_grad || n->op == IR_OP_call;
}

bool pass_simplify(PassCtx *cx, IrFunction *f) {
    bool has_grad = false;
    ir_walk(f->body, look_for_grad, &has_grad);
    return pass_rebuild(cx, f, simplify_node, &has_grad);
}
