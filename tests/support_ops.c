// tests/support_ops.c -- an example of each operation that has operands.
#include "tests/support_ops.h"

typedef struct Shape {
    int rank;
    int dims[4];
} Shape;

// Products: which axes are batch, contracted and free, and where they stand.
static const struct Product {
    Shape lhs, rhs;
    int n_batch, n_contract;
    int lhs_axes[2], rhs_axes[2];
} products[] = {
    {{2, {2, 3}}, {2, {3, 4}}, 0, 1, {1}, {0}},
    {{2, {2, 3}}, {2, {4, 3}}, 0, 1, {1}, {1}},
    {{2, {3, 2}}, {2, {3, 4}}, 0, 1, {0}, {0}},
    {{2, {3, 2}}, {2, {4, 3}}, 0, 1, {0}, {1}},
    {{1, {3}}, {1, {3}}, 0, 1, {0}, {0}},
    {{1, {3}}, {1, {2}}, 0, 0, {0}, {0}},
    {{0, {0}}, {2, {2, 3}}, 0, 0, {0}, {0}},
    {{3, {2, 3, 2}}, {3, {2, 2, 4}}, 1, 1, {2}, {1}},
    {{3, {2, 2, 3}}, {3, {2, 4, 2}}, 1, 1, {1}, {2}},
    {{4, {2, 3, 2, 1}}, {3, {1, 4, 3}}, 0, 2, {1, 3}, {2, 0}},
    {{4, {2, 3, 1, 2}}, {4, {2, 2, 2, 3}}, 1, 2, {3, 1}, {1, 3}},
    {{2, {2, 3}}, {2, {2, 3}}, 2, 0, {0}, {0}},
};

int ops_count(IrOp op) {
    IrKind kind = ir_op_info[op].kind;
    if (kind == IR_KIND_LEAF || kind == IR_KIND_CONTROL)
        return 0;
    if (op == IR_OP_dot)
        return (int)(sizeof products / sizeof *products);
    return op == IR_OP_top_k ? 2 : 1;
}

static IrType type(IrDims *ds, IrDtype dtype, Shape s) {
    IrType t = {.dtype = dtype, .rank = s.rank};
    for (int i = 0; i < s.rank; i++)
        t.dims[i] = ir_dim_const(ds, s.dims[i]);
    return t;
}

int ops_inputs(IrDims *ds, IrOp op, int example, IrType *types) {
    const IrOpInfo *info = &ir_op_info[op];
    static const Shape s23 = {2, {2, 3}}, s232 = {3, {2, 3, 2}}, s43 = {2, {4, 3}};

    if (info->kind == IR_KIND_MAP) {
        for (int k = 0; k < info->n_in; k++)
            types[k] = type(ds,
                            info->result == IR_RESULT_LOGIC ? IR_BOOL
                            : info->result == IR_RESULT_INT ? IR_I32
                                                            : IR_F64,
                            s23);
        return info->n_in;
    }
    switch ((int)op) {
    case IR_OP_select:
        types[0] = type(ds, IR_BOOL, s23);
        types[1] = types[2] = type(ds, IR_F64, s23);
        return 3;
    case IR_OP_transpose:
    case IR_OP_sum:
    case IR_OP_reduce_max:
    case IR_OP_reduce_min:
        types[0] = type(ds, IR_F64, s232);
        return 1;
    case IR_OP_slice:
    case IR_OP_argmax:
    case IR_OP_top_k:
        types[0] = type(ds, IR_F64, s43);
        return 1;
    case IR_OP_concat:
        types[0] = type(ds, IR_F64, (Shape){2, {2, 1}});
        types[1] = type(ds, IR_F64, s23);
        types[2] = type(ds, IR_F64, (Shape){2, {2, 2}});
        return 3;
    case IR_OP_dynamic_slice:
        types[0] = type(ds, IR_F64, s43);
        types[1] = ir_scalar(IR_I32);
        return 2;
    case IR_OP_gather:
        types[0] = type(ds, IR_F64, (Shape){2, {3, 2}});
        types[1] = type(ds, IR_I32, s23);
        return 2;
    case IR_OP_scatter_add:
        types[0] = type(ds, IR_I32, s23);
        types[1] = type(ds, IR_F64, s232);
        return 2;
    case IR_OP_dot:
        types[0] = type(ds, IR_F64, products[example].lhs);
        types[1] = type(ds, IR_F64, products[example].rhs);
        return 2;
    }
    types[0] = type(ds, IR_F64, s23);
    return 1;
}

// x moved to where the operation is smooth and defined.
static IrNode *into_domain(IrBuilder *b, IrOp op, IrNode *x) {
    if (op == IR_OP_log || op == IR_OP_log1p || op == IR_OP_sqrt || op == IR_OP_div ||
        op == IR_OP_pow)
        return ir_add(b, ir_mul(b, x, x), ir_const_like(b, x, 0.5));
    if (op == IR_OP_floor)
        return ir_mul(b, x, ir_const_like(b, x, 0.9));
    return x;
}

IrNode *ops_build(IrBuilder *b, IrOp op, int example, IrNode *const *x) {
    IrDims *ds = b->fn->dims;
    IrDim *n0 = ir_dim_const(ds, 0), *n1 = ir_dim_const(ds, 1), *n2 = ir_dim_const(ds, 2);
    IrDim *n3 = ir_dim_const(ds, 3), *n4 = ir_dim_const(ds, 4), *n5 = ir_dim_const(ds, 5);

    if (ir_op_info[op].kind == IR_KIND_MAP) {
        IrNode *in[OPS_MAX_INPUTS] = {NULL};
        for (int k = 0; k < ir_op_info[op].n_in; k++)
            in[k] = into_domain(b, op, x[k]);
        return ir_map_op(b, op, in);
    }
    switch ((int)op) {
    case IR_OP_cast:
        return ir_cast(b, x[0], IR_F32);
    case IR_OP_select:
        return ir_select(b, x[0], x[1], x[2]);
    case IR_OP_stop_gradient:
        return ir_stop_gradient(b, x[0]);
    case IR_OP_sample:
        return ir_sample(b, x[0], "site");
    case IR_OP_reshape:
        return ir_reshape(b, x[0], 3, (IrDim *[]){n3, n1, n2});
    case IR_OP_transpose:
        return ir_transpose(b, x[0], (int[]){2, 0, 1});
    case IR_OP_broadcast:
        return ir_broadcast(b, x[0], 4, (IrDim *[]){n3, n4, n2, n1}, (int[]){2, 0});
    case IR_OP_slice:
        return ir_slice(b, x[0], (IrDim *[]){n1, n0}, (IrDim *[]){n2, n2});
    case IR_OP_pad:
        return ir_pad(b, x[0], (IrDim *[]){n1, n2}, (IrDim *[]){n4, n5});
    case IR_OP_concat:
        return ir_concat(b, 3, x, 1);
    case IR_OP_dynamic_slice:
        return ir_dynamic_slice(b, x[0], x[1], n2);
    case IR_OP_gather:
        return ir_gather(b, x[0], x[1]);
    case IR_OP_scatter_add:
        return ir_scatter_add(b, x[0], x[1], n3);
    case IR_OP_sum:
    case IR_OP_reduce_max:
    case IR_OP_reduce_min:
        return ir_reduce(b, op, x[0], 2, (int[]){0, 2});
    case IR_OP_argmax:
        return ir_argmax(b, x[0]);
    case IR_OP_top_k:
        return ir_top_k(b, x[0], n2, example > 0);
    case IR_OP_dot:
        return ir_dot(b, x[0], x[1], products[example].n_batch, products[example].n_contract,
                      products[example].lhs_axes, products[example].rhs_axes);
    }
    ir_bug(x[0], "no example of '%s' in tests/support_ops.c", ir_op_info[op].name);
}

IrNode *ops_scalar(IrBuilder *b, IrNode *y) {
    IrType t = y->types[0];
    IrDim *count = ir_type_count(b->fn->dims, &t);
    IrNode *i = ir_iota(b, ir_type(t.dtype, 1, &count), 0);
    IrNode *weight = ir_cos(b, ir_reshape(b, i, t.rank, t.dims));
    int axes[IR_MAX_RANK];
    for (int k = 0; k < t.rank; k++)
        axes[k] = k;
    return ir_reduce(b, IR_OP_sum, ir_mul(b, weight, y), t.rank, axes);
}
