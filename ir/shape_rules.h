// ir/shape_rules.h -- what the files of shape rules share.
#ifndef IR_SHAPE_RULES_H
#define IR_SHAPE_RULES_H

#include "ir/shape.h"

// A rule does the work of ir_infer() for one name in the `shape` column; operands are there, as
// many as the op has, and have a type each.
typedef bool IrShapeRule(IrFunction *f, IrNode *n, Buf *why);
IrShapeRule ir_shape_elementwise;
#define OP(name, inputs, kind, shape, grad, doc) IrShapeRule ir_shape_##shape;
#include "ir/ops.def"

static inline const IrType *ir_type_in(const IrNode *n, int k) {
    return &n->in[k]->types[0];
}

// Ends the line in `why` with the rule's name. Returns false.
bool ir_shape_breaks(Buf *why, const char *rule);

// "`what` is f32[3]"
void ir_shape_say(Buf *why, const char *what, const IrType *t);

#endif
