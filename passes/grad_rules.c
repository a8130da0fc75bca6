// passes/grad_rules.c -- the gradient of each operation.
//
// `y` is the node, `dy` the gradient by it; a rule fills dx[i] for operand i. Ties and kinks follow
// docs/language.md: max and min give all to the first of equals, relu'(0) = 0, abs'(0) = 0; select
// selects and never multiplies.
#include "passes/grad.h"

static IrNode *zeros(IrBuilder *b, const IrNode *like) {
    return ir_const_like(b, like, 0);
}

// ---- elementwise --------------------------------------------------------------------------------

static void grad_neg(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    (void)y;
    dx[0] = ir_neg(b, dy);
}

static void grad_abs(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_mul(b, dy, ir_sign(b, y->in[0]));
}

static void grad_exp(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_mul(b, dy, y);
}

static void grad_expm1(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_mul(b, dy, ir_add(b, y, ir_const_like(b, y, 1)));
}

static void grad_log(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_div(b, dy, y->in[0]);
}

static void grad_log1p(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_div(b, dy, ir_add(b, y->in[0], ir_const_like(b, y, 1)));
}

static void grad_sqrt(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_div(b, ir_mul(b, dy, ir_const_like(b, y, 0.5)), y);
}

// 1 - y^2
static void grad_tanh(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_mul(b, dy, ir_sub(b, ir_const_like(b, y, 1), ir_mul(b, y, y)));
}

// y (1 - y)
static void grad_sigmoid(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_mul(b, dy, ir_mul(b, y, ir_sub(b, ir_const_like(b, y, 1), y)));
}

static void grad_sin(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_mul(b, dy, ir_cos(b, y->in[0]));
}

static void grad_cos(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_neg(b, ir_mul(b, dy, ir_sin(b, y->in[0])));
}

static void grad_relu(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    IrNode *is_on = ir_less(b, zeros(b, y), y); // so that nothing before y need be kept
    dx[0] = ir_select(b, is_on, dy, zeros(b, y));
}

static void grad_add(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    (void)b, (void)y;
    dx[0] = dx[1] = dy;
}

static void grad_sub(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    (void)y;
    dx[0] = dy;
    dx[1] = ir_neg(b, dy);
}

static void grad_mul(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_mul(b, dy, y->in[1]);
    dx[1] = ir_mul(b, dy, y->in[0]);
}

// 1 / v and -y / v
static void grad_div(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_div(b, dy, y->in[1]);
    dx[1] = ir_neg(b, ir_mul(b, dx[0], y));
}

// v x^(v-1), where v = 0 without a negative power; x^v log x, with log x = 0 for x <= 0. The
// arguments are guarded, not the results, so that a second gradient is finite too.
static void grad_pow(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    IrNode *x = y->in[0], *v = y->in[1], *one = ir_const_like(b, y, 1);
    IrNode *less_one = ir_select(b, ir_equal(b, v, zeros(b, v)), one, ir_sub(b, v, one));
    dx[0] = ir_mul(b, dy, ir_mul(b, v, ir_pow(b, x, less_one)));

    IrNode *positive = ir_select(b, ir_less(b, zeros(b, x), x), x, one);
    dx[1] = ir_mul(b, dy, ir_mul(b, y, ir_log(b, positive)));
}

// dy to the second operand where it was chosen, else to the first.
static void choose(IrBuilder *b, IrNode *second, IrNode *dy, IrNode **dx) {
    dx[0] = ir_select(b, second, zeros(b, dy), dy);
    dx[1] = ir_select(b, second, dy, zeros(b, dy));
}

static void grad_max(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    choose(b, ir_less(b, y->in[0], y->in[1]), dy, dx);
}

static void grad_min(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    choose(b, ir_less(b, y->in[1], y->in[0]), dy, dx);
}

// ---- moves --------------------------------------------------------------------------------------

static void grad_cast(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    IrDtype from = y->in[0]->types[0].dtype;
    if (ir_dtype_is_real(from))
        dx[0] = ir_cast(b, dy, from);
}

static void grad_select(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[1] = ir_select(b, y->in[0], dy, zeros(b, dy));
    dx[2] = ir_select(b, y->in[0], zeros(b, dy), dy);
}

static void grad_reshape(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    const IrType *t = &y->in[0]->types[0];
    dx[0] = ir_reshape(b, dy, t->rank, t->dims);
}

static void grad_transpose(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    int back[IR_MAX_RANK];
    for (int i = 0; i < y->attrs.n_axes; i++)
        back[y->attrs.axes[i]] = i;
    dx[0] = ir_transpose(b, dy, back);
}

// The sum over the axes along which the input was repeated, in the order of the input's axes.
static void grad_broadcast(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    int n = y->attrs.n_axes, repeated[IR_MAX_RANK], n_repeated = 0, back[IR_MAX_RANK];
    bool is_input[IR_MAX_RANK] = {false};

    for (int i = 0; i < n; i++)
        is_input[y->attrs.axes[i]] = true;
    for (int i = 0; i < y->types[0].rank; i++) {
        if (!is_input[i])
            repeated[n_repeated++] = i;
    }

    // the sum keeps the input's axes in the order they have in the result
    for (int i = 0; i < n; i++) {
        back[i] = 0;
        for (int k = 0; k < n; k++)
            back[i] += y->attrs.axes[k] < y->attrs.axes[i];
    }
    IrNode *sum = n_repeated ? ir_reduce(b, IR_OP_sum, dy, n_repeated, repeated) : dy;
    dx[0] = ir_transpose(b, sum, back);
}

static void grad_slice(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_pad(b, dy, y->attrs.starts, y->in[0]->types[0].dims);
}

static void grad_pad(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_slice(b, dy, y->attrs.starts, y->in[0]->types[0].dims);
}

static void grad_concat(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    IrDims *ds = b->fn->dims;
    int axis = y->attrs.axis;
    IrDim *starts[IR_MAX_RANK];
    for (int i = 0; i < y->types[0].rank; i++)
        starts[i] = ir_dim_const(ds, 0);

    for (int k = 0; k < y->n_in; k++) {
        IrDim *const *sizes = y->in[k]->types[0].dims;
        dx[k] = ir_slice(b, dy, starts, sizes);
        starts[axis] = ir_dim_add(ds, starts[axis], sizes[axis]);
    }
}

// Row i of the result came from row start + i, with the start clamped as by the forward node.
static void grad_dynamic_slice(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    IrDim *rows = y->in[0]->types[0].dims[0], *size = y->types[0].dims[0];
    IrNode *last = ir_extent(b, IR_I32, ir_dim_sub(b->fn->dims, rows, size));
    IrNode *start = ir_max(b, ir_min(b, y->in[1], last), zeros(b, last));

    IrType index = ir_type(IR_I32, 1, &size);
    IrNode *at = ir_add(b, ir_broadcast(b, start, 1, &size, NULL), ir_iota(b, index, 0));
    dx[0] = ir_scatter_add(b, at, dy, rows);
}

// gather and scatter_add treat indices out of range alike, so each is the other's transpose.
static void grad_gather(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = ir_scatter_add(b, y->in[1], dy, y->in[0]->types[0].dims[0]);
}

static void grad_scatter_add(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[1] = ir_gather(b, dy, y->in[0]);
}

// ---- reductions ---------------------------------------------------------------------------------

// `x`, shaped as the result of reducing `like` as `y` does, repeated to the shape of `like`.
static IrNode *unreduce(IrBuilder *b, const IrNode *y, IrNode *x, const IrNode *like) {
    const IrType *t = &like->types[0];
    int kept[IR_MAX_RANK], n_kept = 0;
    for (int i = 0, k = 0; i < t->rank; i++) {
        if (k < y->attrs.n_axes && y->attrs.axes[k] == i)
            k++;
        else
            kept[n_kept++] = i;
    }
    return ir_broadcast(b, x, t->rank, t->dims, kept);
}

static void grad_sum(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    dx[0] = unreduce(b, y, dy, y->in[0]);
}

// Where each element stands among those that are reduced together, row-major.
static IrNode *place_among_reduced(IrBuilder *b, const IrNode *y) {
    IrType t = y->in[0]->types[0];
    t.dtype = IR_I32;
    IrDim *stride = ir_dim_const(b->fn->dims, 1);
    IrNode *place = NULL;

    for (int k = y->attrs.n_axes - 1; k >= 0; k--) {
        int axis = y->attrs.axes[k];
        IrNode *step = ir_broadcast(b, ir_extent(b, IR_I32, stride), t.rank, t.dims, NULL);
        IrNode *along = ir_mul(b, ir_iota(b, t, axis), step);
        place = place ? ir_add(b, place, along) : along;
        stride = ir_dim_mul(b->fn->dims, stride, t.dims[axis]);
    }
    return place;
}

// dy to the first element that equals the result.
static void to_first_equal(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    IrNode *x = y->in[0];
    if (y->attrs.n_axes == 0) {
        dx[0] = dy;
        return;
    }
    IrNode *place = place_among_reduced(b, y);
    IrNode *is_equal = ir_equal(b, x, unreduce(b, y, y, x));
    IrNode *never = ir_const_like(b, place, INT32_MAX);
    IrNode *first = ir_reduce(b, IR_OP_reduce_min, ir_select(b, is_equal, place, never),
                              y->attrs.n_axes, y->attrs.axes);
    IrNode *is_first = ir_equal(b, place, unreduce(b, y, first, x));
    dx[0] = ir_select(b, is_first, unreduce(b, y, dy, x), zeros(b, x));
}

static void grad_reduce_max(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    to_first_equal(b, y, dy, dx);
}

static void grad_reduce_min(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    to_first_equal(b, y, dy, dx);
}

// ---- products -----------------------------------------------------------------------------------

// One operand of a product, with what stands where in it.
typedef struct Side {
    IrNode *node;
    int rank, n_batch, n_contract;
    const int *contract;   // its contracting axes, in pairs with those of the other side
    int free[IR_MAX_RANK]; // the other axes after the batch
    int n_free;
} Side;

static Side side_of(const IrNode *y, int k) {
    Side s = {.node = y->in[k],
              .rank = y->in[k]->types[0].rank,
              .n_batch = y->attrs.n_batch,
              .n_contract = y->attrs.n_contract,
              .contract = k ? y->attrs.rhs_axes : y->attrs.lhs_axes};
    for (int i = s.n_batch; i < s.rank; i++) {
        bool is_contracted = false;
        for (int c = 0; c < s.n_contract; c++)
            is_contracted |= s.contract[c] == i;
        if (!is_contracted)
            s.free[s.n_free++] = i;
    }
    return s;
}

// The gradient by one side, `x`: dy times the other side, `w`, summed over the free axes of `w`,
// which are axes w_in_y... of y. What is left are the batch, the free axes of x (from dy) and the
// contracting axes (from w, in the order they have there), which are then put into x's order. The
// factor that brings x's first axis comes first, which mostly makes that order the identity.
static IrNode *grad_side(IrBuilder *b, IrNode *dy, const Side *x, const Side *w, int w_in_y) {
    int in_y[IR_MAX_RANK];
    for (int i = 0; i < w->n_free; i++)
        in_y[i] = w_in_y + i;

    bool w_first = x->n_free == 0 || (x->n_contract > 0 && x->free[0] != x->n_batch);
    IrNode *product = w_first ? ir_dot(b, w->node, dy, x->n_batch, w->n_free, w->free, in_y)
                              : ir_dot(b, dy, w->node, x->n_batch, w->n_free, in_y, w->free);

    // axis of the product that is axis i of x
    int order[IR_MAX_RANK];
    int free_at = x->n_batch + (w_first ? x->n_contract : 0);
    int contract_at = x->n_batch + (w_first ? 0 : x->n_free);
    for (int i = 0; i < x->n_batch; i++)
        order[i] = i;
    for (int i = 0; i < x->n_free; i++)
        order[x->free[i]] = free_at + i;
    for (int c = 0; c < x->n_contract; c++) {
        int before = 0;
        for (int k = 0; k < x->n_contract; k++)
            before += w->contract[k] < w->contract[c];
        order[x->contract[c]] = contract_at + before;
    }
    return ir_transpose(b, product, order);
}

static void grad_dot(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    Side lhs = side_of(y, 0), rhs = side_of(y, 1);
    dx[0] = grad_side(b, dy, &lhs, &rhs, lhs.n_batch + lhs.n_free);
    dx[1] = grad_side(b, dy, &rhs, &lhs, lhs.n_batch);
}

// ---- the table ----------------------------------------------------------------------------------

void grad_none(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    (void)b, (void)dy, (void)dx;
    ir_bug(y, "no rule to call");
}

void grad_zero(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    grad_none(b, y, dy, dx);
}

void grad_scan(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    grad_none(b, y, dy, dx);
}

void grad_get(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx) {
    grad_none(b, y, dy, dx);
}

GradRule *const grad_rule[IR_OP_COUNT] = {
#define MAP(name, inputs, result, grad, expr, doc) [IR_OP_##name] = grad_##grad,
#define OP(name, inputs, kind, shape, grad, doc)   [IR_OP_##name] = grad_##grad,
#include "ir/ops.def"
};
