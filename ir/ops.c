// ir/ops.c -- what ops.def says of each operation, as a table.
#include <string.h>

#include "ir/ir.h"

const IrOpInfo ir_op_info[IR_OP_COUNT] = {
#define MAP(op, inputs, gives, grad, text, about) \
    [IR_OP_##op] = {.name = #op,                  \
                    .kind = IR_KIND_MAP,          \
                    .n_in = inputs,               \
                    .result = IR_RESULT_##gives,  \
                    .expr = #text,                \
                    .doc = about},
#define OP(op, inputs, is, shape, grad, about) \
    [IR_OP_##op] = {.name = #op, .kind = IR_KIND_##is, .n_in = inputs, .doc = about},
#include "ir/ops.def"
};

double ir_op_cost(IrOp op) {
    switch (op) {
    case IR_OP_draw_normal:
        return 60;
    case IR_OP_draw_uniform:
        return 40;
    case IR_OP_pow:
        return 30;
    case IR_OP_top_k:
    case IR_OP_exp:
    case IR_OP_expm1:
    case IR_OP_log:
    case IR_OP_log1p:
    case IR_OP_tanh:
    case IR_OP_sigmoid:
    case IR_OP_sin:
    case IR_OP_cos:
        return 10;
    case IR_OP_div:
    case IR_OP_sqrt:
        return 4;
    case IR_OP_dot:
    case IR_OP_gather:
        return 2;
    case IR_OP_scatter_add:
    case IR_OP_concat: // each piece is written to memory
        return 4;
    case IR_OP_stop_gradient:
    case IR_OP_sample:
    case IR_OP_reshape:
    case IR_OP_transpose:
    case IR_OP_broadcast:
    case IR_OP_slice:
        return 0;
    default:
        break;
    }
    IrKind kind = ir_op_info[op].kind;
    return kind == IR_KIND_LEAF || kind == IR_KIND_CONTROL ? 0 : 1;
}

IrOp ir_op_find(const char *name) {
    for (int op = 0; op < IR_OP_COUNT; op++) {
        if (strcmp(ir_op_info[op].name, name) == 0)
            return (IrOp)op;
    }
    return IR_OP_COUNT;
}
