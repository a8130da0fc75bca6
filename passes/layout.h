// passes/layout.h -- how the operands of products lie in memory.
#ifndef PASSES_LAYOUT_H
#define PASSES_LAYOUT_H

#include "ir/ir.h"

// The axis of operand `side` that a dot does not contract or batch over which varies fastest; -1 if
// there is none.
int layout_last_free(const IrNode *dot, int side);

// Whether neighbours along `axis` of `n` are neighbours in memory, as long as what it is a view of
// is kept in row-major order.
bool layout_unit_stride(const IrNode *n, int axis);

#endif
