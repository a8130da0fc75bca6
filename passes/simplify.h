// passes/simplify.h -- what the files of the simplifier share (passes/simplify*.c).
#ifndef PASSES_SIMPLIFY_H
#define PASSES_SIMPLIFY_H

#include "ir/build.h"

// Rules on moves and products: a node that equals `n`, or NULL.
IrNode *pass_simplify_transpose(IrBuilder *b, IrNode *n);
IrNode *pass_simplify_broadcast(IrBuilder *b, IrNode *n);
IrNode *pass_simplify_slice(IrBuilder *b, IrNode *n);
IrNode *pass_simplify_dot(IrBuilder *b, IrNode *n);

#endif
