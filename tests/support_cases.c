// tests/support_cases.c -- every operation at any sizes.
#include "tests/support_cases.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support_exact.h"

enum {
    F32 = 1 << IR_F32,
    F64 = 1 << IR_F64,
    I32 = 1 << IR_I32,
    BOOL = 1 << IR_BOOL,
    REALS = F32 | F64,
    NUMBERS = REALS | I32,
    ALL = NUMBERS | BOOL,
};

IrType case_type(const CaseShape *s) {
    return ir_type(s->dtype, s->rank, s->dims);
}

static IrDim *number(IrDims *ds, int64_t n) {
    return ir_dim_const(ds, n);
}

static IrDim *plus(IrDims *ds, IrDim *d, int64_t n) {
    return ir_dim_add(ds, d, number(ds, n));
}

static IrDim *twice(IrDims *ds, IrDim *d) {
    return ir_dim_add(ds, d, d);
}

// `t` with axis k of another size, or with an axis more before axis k.
static IrType resized(IrType t, int k, IrDim *size) {
    t.dims[k] = size;
    return t;
}

static IrType with_axis(IrType t, int k, IrDim *size) {
    for (int i = t.rank++; i > k; i--)
        t.dims[i] = t.dims[i - 1];
    t.dims[k] = size;
    return t;
}

// One operand of the shape.
static int same_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    (void)ds, (void)op, (void)variant;
    types[0] = case_type(s);
    return 1;
}

// ---- elementwise --------------------------------------------------------------------------------

static int map_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    (void)ds, (void)variant;
    for (int k = 0; k < ir_op_info[op].n_in; k++)
        types[k] = case_type(s);
    return ir_op_info[op].n_in;
}

static IrNode *map_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant, IrNode *const *x) {
    (void)s, (void)variant;
    return ir_map_op(b, op, x);
}

// ---- leaves -------------------------------------------------------------------------------------

static int leaf_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    (void)ds, (void)types;
    return op == IR_OP_iota && variant >= s->rank ? -1 : 0;
}

static IrNode *leaf_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                          IrNode *const *x) {
    static const double values[] = {0.1, -1e30, -INFINITY};
    (void)x;
    switch ((int)op) {
    case IR_OP_const:
        return ir_const(b, case_type(s),
                        s->dtype == IR_BOOL  ? variant
                        : s->dtype == IR_I32 ? 7 - 8.0 * variant
                                             : values[variant]);
    case IR_OP_iota:
        return ir_iota(b, case_type(s), variant);
    case IR_OP_extent:
        return ir_extent(
            b, s->dtype,
            variant ? ir_type_count(
                          b->fn->dims,
                          &(IrType){.rank = s->rank, .dims = {s->dims[0], s->dims[1], s->dims[2]}})
                    : plus(b->fn->dims, s->dims[0], 2));
    }
    return ir_draw(b, op, case_type(s), variant ? "eps" : "z", 0, 0, NULL, NULL);
}

static IrNode *input_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                           IrNode *const *x) {
    (void)b, (void)op, (void)s, (void)variant;
    return x[0];
}

// ---- moves --------------------------------------------------------------------------------------

static IrNode *cast_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                          IrNode *const *x) {
    (void)op, (void)s;
    return ir_cast(b, x[0], (IrDtype)variant);
}

static int select_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    (void)ds, (void)op, (void)variant;
    types[0] = types[1] = types[2] = case_type(s);
    types[0].dtype = IR_BOOL;
    return 3;
}

static IrNode *select_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                            IrNode *const *x) {
    (void)op, (void)s, (void)variant;
    return ir_select(b, x[0], x[1], x[2]);
}

static IrNode *stop_gradient_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                                   IrNode *const *x) {
    (void)op, (void)s, (void)variant;
    return ir_stop_gradient(b, x[0]);
}

static IrNode *sample_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                            IrNode *const *x) {
    (void)op, (void)s, (void)variant;
    return ir_sample(b, x[0], "site");
}

// All axes in one; the last axis first, in row-major order; axes of size 1 in between.
static IrNode *reshape_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                             IrNode *const *x) {
    (void)op;
    IrDims *ds = b->fn->dims;
    IrType t = case_type(s);
    if (variant == 0) {
        IrDim *all = ir_type_count(ds, &t);
        return ir_reshape(b, x[0], 1, &all);
    }
    IrType to = {.rank = 0};
    for (int i = 0; i < s->rank; i++)
        to = with_axis(to, to.rank, s->dims[variant == 1 ? s->rank - 1 - i : i]);
    if (variant == 2)
        to = with_axis(to, s->rank / 2, number(ds, 1));
    return ir_reshape(b, x[0], to.rank, to.dims);
}

static const int orders[][3] = {{1, 0, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}, {0, 2, 1}};

static int transpose_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    if (s->rank < 2 || (s->rank == 2 && variant > 0))
        return -1;
    return same_inputs(ds, op, s, variant, types);
}

static IrNode *transpose_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                               IrNode *const *x) {
    (void)op, (void)s;
    return ir_transpose(b, x[0], orders[variant]);
}

// A new axis at place `variant`; of a bounded size where that is the first.
static int broadcast_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    return variant > s->rank ? -1 : same_inputs(ds, op, s, variant, types);
}

static IrNode *broadcast_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                               IrNode *const *x) {
    (void)op;
    IrDims *ds = b->fn->dims;
    bool bounded = variant == 0 && s->rank > 0;
    IrType t = with_axis(case_type(s), variant, bounded ? plus(ds, s->dims[0], 1) : number(ds, 3));
    int axes[CASES_MAX_RANK];
    for (int i = 0; i < s->rank; i++)
        axes[i] = i < variant ? i : i + 1;
    return ir_broadcast(b, x[0], t.rank, t.dims, axes);
}

// Parts: 1 from either end of each axis; the second half of the first axis; two of the last axis.
static IrType part_whole(IrDims *ds, const CaseShape *s, int variant) {
    IrType t = case_type(s);
    int last = s->rank - 1;
    if (variant == 0)
        for (int i = 0; i < s->rank; i++)
            t.dims[i] = plus(ds, t.dims[i], 2);
    else if (variant == 1)
        t.dims[0] = twice(ds, t.dims[0]);
    else
        t.dims[last] = plus(ds, t.dims[last], 5);
    return t;
}

static void part_starts(IrDims *ds, const CaseShape *s, int variant, IrDim **starts) {
    for (int i = 0; i < s->rank; i++)
        starts[i] = number(ds, variant == 0);
    if (variant == 1)
        starts[0] = s->dims[0];
    if (variant == 2)
        starts[s->rank - 1] = number(ds, 3);
}

static int slice_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    types[0] = op == IR_OP_slice ? part_whole(ds, s, variant) : case_type(s);
    return 1;
}

static IrNode *slice_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                           IrNode *const *x) {
    IrDims *ds = b->fn->dims;
    IrDim *starts[CASES_MAX_RANK];
    part_starts(ds, s, variant, starts);
    if (op == IR_OP_slice)
        return ir_slice(b, x[0], starts, s->dims);
    return ir_pad(b, x[0], starts, part_whole(ds, s, variant).dims);
}

static int concat_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    (void)op;
    if (variant >= s->rank)
        return -1;
    types[0] = types[2] = case_type(s);
    types[1] = resized(types[0], variant, number(ds, 3));
    return 3;
}

static IrNode *concat_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                            IrNode *const *x) {
    (void)op, (void)s;
    return ir_concat(b, 3, x, variant);
}

// Rows from a start: some of two more, one of one more, all.
static int dynamic_slice_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant,
                                IrType *types) {
    (void)op;
    types[0] = resized(case_type(s), 0, plus(ds, s->dims[0], 2 - variant));
    types[1] = ir_scalar(IR_I32);
    return 2;
}

static IrNode *dynamic_slice_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                                   IrNode *const *x) {
    (void)op;
    return ir_dynamic_slice(b, x[0], x[1], variant == 1 ? number(b->fn->dims, 1) : s->dims[0]);
}

// Indices: one; a vector; a matrix whose last axis is that of the rows.
static IrType indices(IrDims *ds, const CaseShape *s, int variant) {
    IrDim *dims[] = {variant == 2 ? number(ds, 3) : s->dims[s->rank - 1], s->dims[s->rank - 1]};
    return ir_type(IR_I32, variant, dims);
}

static int gather_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    (void)op;
    types[0] = case_type(s);
    types[1] = indices(ds, s, variant);
    return 2;
}

static IrNode *gather_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                            IrNode *const *x) {
    (void)op, (void)s, (void)variant;
    return ir_gather(b, x[0], x[1]);
}

static int scatter_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    (void)op;
    types[0] = indices(ds, s, variant);
    types[1] = types[0];
    types[1].dtype = s->dtype;
    for (int i = 1; i < s->rank; i++)
        types[1] = with_axis(types[1], types[1].rank, s->dims[i]);
    return 2;
}

static IrNode *scatter_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                             IrNode *const *x) {
    (void)op, (void)variant;
    return ir_scatter_add(b, x[0], x[1], s->dims[0]);
}

// ---- reductions, order, products ----------------------------------------------------------------

// Bit k of variant + 1 says that axis k is reduced.
static int reduce_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    return variant + 1 >= 1 << s->rank ? -1 : same_inputs(ds, op, s, variant, types);
}

static IrNode *reduce_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                            IrNode *const *x) {
    int axes[CASES_MAX_RANK], n = 0;
    for (int i = 0; i < s->rank; i++)
        if ((variant + 1) >> i & 1)
            axes[n++] = i;
    return ir_reduce(b, op, x[0], n, axes);
}

static IrNode *argmax_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                            IrNode *const *x) {
    (void)op, (void)s, (void)variant;
    return ir_argmax(b, x[0]);
}

// All but two, all, and one of the last axis; the largest, then the smallest.
static int top_k_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    static const int more[] = {2, 0, 1};
    int last = s->rank - 1;
    (void)op;
    types[0] = resized(case_type(s), last, plus(ds, s->dims[last], more[variant / 2]));
    return 1;
}

static IrNode *top_k_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                           IrNode *const *x) {
    (void)op;
    IrDim *count = variant / 2 == 2 ? number(b->fn->dims, 1) : s->dims[s->rank - 1];
    return ir_top_k(b, x[0], count, variant & 1);
}

// Products of every layout: axes of both operands by letter (A, B and C are the shape's dims, 2 and
// 3 numbers), how many lead as batches, and the pairs that are contracted.
static const struct Product {
    int rank;
    const char *lhs, *rhs;
    int n_batch, n_contract;
    int lhs_axes[2], rhs_axes[2];
} products[] = {
    {0, "", "", 0, 0, {0}, {0}},       {0, "", "23", 0, 0, {0}, {0}},
    {1, "A", "A", 0, 1, {0}, {0}},     {1, "A", "A", 1, 0, {0}, {0}},
    {1, "A", "3", 0, 0, {0}, {0}},     {1, "", "A", 0, 0, {0}, {0}},
    {2, "AB", "B", 0, 1, {1}, {0}},    {2, "A", "AB", 0, 1, {0}, {0}},
    {2, "A", "B", 0, 0, {0}, {0}},     {2, "AB", "AB", 0, 2, {0, 1}, {0, 1}},
    {2, "AB", "AB", 1, 1, {1}, {1}},   {2, "AB", "3B", 0, 1, {1}, {1}},
    {3, "AB", "BC", 0, 1, {1}, {0}},   {3, "AB", "CB", 0, 1, {1}, {1}},
    {3, "BA", "BC", 0, 1, {0}, {0}},   {3, "BA", "CB", 0, 1, {0}, {1}},
    {3, "ABC", "AC", 1, 1, {2}, {1}},  {3, "ABC", "A2C", 1, 1, {2}, {2}},
    {3, "A2B", "ACB", 1, 1, {2}, {2}}, {3, "ABC", "CB3", 0, 2, {1, 2}, {1, 0}},
};

static IrType product_type(IrDims *ds, const CaseShape *s, const char *axes) {
    IrType t = {.dtype = s->dtype, .rank = (int)strlen(axes)};
    for (int i = 0; i < t.rank; i++)
        t.dims[i] = axes[i] >= 'A' ? s->dims[axes[i] - 'A'] : number(ds, axes[i] - '0');
    return t;
}

static int dot_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    (void)op;
    const struct Product *p = &products[variant];
    if (p->rank != s->rank)
        return -1;
    types[0] = product_type(ds, s, p->lhs);
    types[1] = product_type(ds, s, p->rhs);
    return 2;
}

static IrNode *dot_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant, IrNode *const *x) {
    (void)op, (void)s;
    const struct Product *p = &products[variant];
    return ir_dot(b, x[0], x[1], p->n_batch, p->n_contract, p->lhs_axes, p->rhs_axes);
}

// ---- control ------------------------------------------------------------------------------------

static int two_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    (void)ds, (void)op, (void)variant;
    types[0] = types[1] = case_type(s);
    return 2;
}

// The difference of two values and their maximum, of a function; variant 1 takes the latter.
static IrNode *call_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                          IrNode *const *x) {
    (void)op;
    IrFunction *g = ir_function_new(b->fn->arena, b->fn->dims, "g");
    IrNode *p = ir_add_input(g, case_type(s), (IrSlot){.name = "p"}, b->loc);
    IrNode *q = ir_add_input(g, case_type(s), (IrSlot){.name = "q"}, b->loc);
    IrBuilder in = {.fn = g, .block = g->body};
    ir_add_output(g, ir_sub(&in, p, q), (IrSlot){.name = "d", .role = IR_ROLE_OUT});
    ir_add_output(g, ir_max(&in, p, q), (IrSlot){.name = "m", .role = IR_ROLE_OUT});
    return ir_get(b, ir_call(b, g, 2, x), variant);
}

// Rows of the first operand, from either end: the carry is the greater of the row and the negated
// carry before; what is collected, the greatest of it, the captured second operand and the index.
// Variants: forwards and backwards; the last carry, or what is collected; last, loops that end as
// soon as a carry has an element above 1. A map has no carry.
static int scan_inputs(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types) {
    (void)ds, (void)op, (void)variant;
    types[0] = case_type(s);
    types[1] = ir_type(s->dtype, s->rank - 1, s->dims + 1);
    return 2;
}

static IrNode *scan_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                          IrNode *const *x) {
    IrBlock *body = ir_block_new(b->fn->arena);
    IrType row = x[1]->types[0];
    bool carries = op == IR_OP_scan, ends = carries && variant >= CASES_SCAN_ENDS;
    IrNode *captured = ir_block_add_param(b->fn, body, row, NULL, b->loc);
    if (ends)
        ir_block_add_param(b->fn, body, ir_scalar(IR_BOOL), NULL, b->loc);
    IrNode *carry = carries ? ir_block_add_param(b->fn, body, row, NULL, b->loc) : captured;
    IrNode *over = ir_block_add_param(b->fn, body, row, NULL, b->loc);
    IrNode *index = ir_block_add_param(b->fn, body, ir_scalar(IR_I32), NULL, b->loc);
    IrBuilder in = {.fn = b->fn, .block = body};
    IrNode *step = ir_broadcast_to(&in, ir_cast(&in, index, s->dtype), row.rank, row.dims);
    IrNode *next = ir_max(&in, over, ir_neg(&in, carry));
    if (ends) {
        IrNode *most = ir_reduce(&in, IR_OP_reduce_max, next, row.rank, (int[]){0, 1, 2});
        ir_block_add_result(b->fn, body, ir_less(&in, ir_const_like(&in, most, 1), most));
    }
    if (carries)
        ir_block_add_result(b->fn, body, next);
    ir_block_add_result(b->fn, body, ir_max(&in, ir_max(&in, next, captured), step));
    if (!carries)
        return ir_get(b, ir_map_loop(b, body, s->dims[0], "m", 1, 1, (IrNode *[]){x[1], x[0]}), 0);
    IrNode *begin = ir_const(b, ir_scalar(IR_BOOL), 0);
    if (ends)
        return ir_get(b,
                      ir_scan_until(b, body, s->dims[0], variant & 1, "s", 1, 2, 1,
                                    (IrNode *[]){x[1], begin, x[1], x[0]}),
                      1 + (variant - CASES_SCAN_ENDS) / 2);
    IrNode *loop =
        ir_scan(b, body, s->dims[0], variant & 1, "s", 1, 1, 1, (IrNode *[]){x[1], x[1], x[0]});
    return ir_get(b, loop, variant >> 1);
}

// The gradient of sum(sin(x) * y) by either operand.
static IrNode *grad_apply(IrBuilder *b, IrOp op, const CaseShape *s, int variant,
                          IrNode *const *x) {
    (void)op;
    static const int axes[] = {0, 1, 2};
    IrBlock *body = ir_block_new(b->fn->arena);
    IrNode *p = ir_block_add_param(b->fn, body, case_type(s), NULL, b->loc);
    IrNode *q = ir_block_add_param(b->fn, body, case_type(s), NULL, b->loc);
    IrBuilder in = {.fn = b->fn, .block = body};
    IrNode *value = ir_mul(&in, ir_sin(&in, p), q);
    ir_block_add_result(b->fn, body, ir_reduce(&in, IR_OP_sum, value, s->rank, axes));
    return ir_get(b, ir_grad(b, body, 2, x, 2, (int[]){0, 1}), 1 + variant);
}

// ---- the table ----------------------------------------------------------------------------------

static const char whole[] = "its value is whole";
static const char truth[] = "its value is a truth value";
static const char constant[] = "it has no operand that is real";
static const char draws[] = "it is made of random numbers";
static const char gone[] = "it is replaced by what it stands for before gradients are made";

// clang-format off
static const CaseRow map_rows[] = {
    [IR_RESULT_SAME]  = {CASE_ULPS, NUMBERS, 0, 1, false, 0, NULL,  map_inputs, map_apply},
    [IR_RESULT_REAL]  = {CASE_ULPS, REALS,   0, 1, false, 0, NULL,  map_inputs, map_apply},
    [IR_RESULT_INT]   = {CASE_ULPS, I32,     0, 1, false, 0, whole, map_inputs, map_apply},
    [IR_RESULT_BOOL]  = {CASE_ULPS, NUMBERS, 0, 1, false, 0, truth, map_inputs, map_apply},
    [IR_RESULT_LOGIC] = {CASE_ULPS, BOOL,    0, 1, false, 0, truth, map_inputs, map_apply},
};

/*                        bound       dtypes rank n  leading most no_gradient   inputs                apply */
static const CaseRow rows[IR_OP_COUNT] = {
    [IR_OP_input]         = {CASE_BITS,  ALL,     0, 1, false, 0, constant,     same_inputs,          input_apply},
    [IR_OP_const]         = {CASE_BITS,  ALL,     0, 2, false, 0, constant,     leaf_inputs,          leaf_apply},
    [IR_OP_iota]          = {CASE_BITS,  NUMBERS, 1, 3, false, 0, constant,     leaf_inputs,          leaf_apply},
    [IR_OP_extent]        = {CASE_BITS,  NUMBERS, 1, 2, false, 0, constant,     leaf_inputs,          leaf_apply},
    [IR_OP_draw_normal]   = {CASE_DRAWS, REALS,   0, 2, true, 0,  constant,     leaf_inputs,          leaf_apply},
    [IR_OP_draw_uniform]  = {CASE_BITS,  REALS,   0, 2, true, 0,  constant,     leaf_inputs,          leaf_apply},
    [IR_OP_cast]          = {CASE_BITS,  ALL,     0, 4, false, 0, NULL,         same_inputs,          cast_apply},
    [IR_OP_select]        = {CASE_BITS,  ALL,     0, 1, false, 0, NULL,         select_inputs,        select_apply},
    [IR_OP_stop_gradient] = {CASE_BITS,  ALL,     0, 1, false, 0, NULL,         same_inputs,          stop_gradient_apply},
    [IR_OP_sample]        = {CASE_BITS,  REALS,   0, 1, false, 0, draws,        same_inputs,          sample_apply},
    [IR_OP_reshape]       = {CASE_BITS,  ALL,     0, 3, false, 0, NULL,         same_inputs,          reshape_apply},
    [IR_OP_transpose]     = {CASE_BITS,  ALL,     2, 5, false, 0, NULL,         transpose_inputs,     transpose_apply},
    [IR_OP_broadcast]     = {CASE_BITS,  ALL,     0, 4, false, 0, NULL,         broadcast_inputs,     broadcast_apply},
    [IR_OP_slice]         = {CASE_BITS,  ALL,     1, 3, false, 0, NULL,         slice_inputs,         slice_apply},
    [IR_OP_pad]           = {CASE_BITS,  NUMBERS, 1, 3, false, 0, NULL,         slice_inputs,         slice_apply},
    [IR_OP_concat]        = {CASE_BITS,  ALL,     1, 3, false, 0, NULL,         concat_inputs,        concat_apply},
    [IR_OP_dynamic_slice] = {CASE_BITS,  ALL,     1, 3, false, 0, NULL,         dynamic_slice_inputs, dynamic_slice_apply},
    [IR_OP_gather]        = {CASE_BITS,  ALL,     1, 3, false, 0, NULL,         gather_inputs,        gather_apply},
    [IR_OP_scatter_add]   = {CASE_TERMS, NUMBERS, 1, 3, false, 0, NULL,         scatter_inputs,       scatter_apply},
    [IR_OP_sum]           = {CASE_TERMS, NUMBERS, 1, 7, false, 0, NULL,         reduce_inputs,        reduce_apply},
    [IR_OP_reduce_max]    = {CASE_EQUAL, NUMBERS, 1, 7, false, 0, NULL,         reduce_inputs,        reduce_apply},
    [IR_OP_reduce_min]    = {CASE_EQUAL, NUMBERS, 1, 7, false, 0, NULL,         reduce_inputs,        reduce_apply},
    [IR_OP_argmax]        = {CASE_BITS,  NUMBERS, 1, 1, false, 0, "its value is an index", same_inputs, argmax_apply},
    [IR_OP_top_k]         = {CASE_BITS,  NUMBERS, 1, 6, false, 150, "its value is an index", top_k_inputs, top_k_apply},
    [IR_OP_dot]           = {CASE_TERMS, REALS,   0, sizeof products / sizeof *products, false, 0, NULL, dot_inputs, dot_apply},
    [IR_OP_call]          = {CASE_BITS,  NUMBERS, 0, 2, false, 0, gone,         two_inputs,           call_apply},
    [IR_OP_scan]          = {CASE_BITS,  NUMBERS, 1, 8, false, 0, NULL,         scan_inputs,          scan_apply},
    [IR_OP_map]           = {CASE_BITS,  NUMBERS, 1, 1, false, 0, gone,         scan_inputs,          scan_apply},
    [IR_OP_grad]          = {CASE_NEAR,  REALS,   0, 2, false, 100, gone,         two_inputs,           grad_apply},
    [IR_OP_get]           = {CASE_BITS,  NUMBERS, 0, 2, false, 0, NULL,         two_inputs,           call_apply},
};
// clang-format on

const CaseRow *case_row(IrOp op) {
    if (ir_op_info[op].kind == IR_KIND_MAP)
        return exact_row(op) ? &map_rows[ir_op_info[op].result] : NULL;
    ck_assert_msg(rows[op].apply != NULL, "no row for '%s' in tests/support_cases.c",
                  ir_op_info[op].name);
    return &rows[op];
}

bool cases_are_long(void) {
    const char *s = getenv("GSSM_TEST_LONG");

    return s && !strcmp(s, "1");
}

bool cases_range(int *first, int *end) {
    const char *only = getenv("GSSM_TEST_OP");

    *first = only ? (int)ir_op_find(only) : 0;
    *end = only ? *first + 1 : IR_OP_COUNT;
    if (*first == IR_OP_COUNT)
        fprintf(stderr, "GSSM_TEST_OP: there is no operation '%s'\n", only);
    return *first < IR_OP_COUNT;
}
