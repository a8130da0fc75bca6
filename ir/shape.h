// ir/shape.h -- what type a node has, given its operands and attributes.
#ifndef IR_SHAPE_H
#define IR_SHAPE_H

#include "ir/ir.h"

// Infers the result types of `n` (op, operands, attributes, body and callee set) into n->n_types
// and n->types, memory from f->arena. Ops whose shape the operands do not imply (input, const,
// iota, extent, draws, cast, reshape, broadcast, slice, pad, dynamic_slice, scatter_add) have
// their type in n->types[0] already, and it is checked.
//
// False when something does not fit, with one line in `why` (without a line break): what was
// found, three spaces, the rule ("input 1 is f32[3,2]   dot: contracted axes have equal size").
bool ir_infer(IrFunction *f, IrNode *n, Buf *why);

#endif
