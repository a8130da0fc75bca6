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

IrOp ir_op_find(const char *name) {
    for (int op = 0; op < IR_OP_COUNT; op++) {
        if (strcmp(ir_op_info[op].name, name) == 0)
            return (IrOp)op;
    }
    return IR_OP_COUNT;
}
