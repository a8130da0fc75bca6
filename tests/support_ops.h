// tests/support_ops.h -- an example of each operation that has operands, for tests over the table.
#ifndef TESTS_SUPPORT_OPS_H
#define TESTS_SUPPORT_OPS_H

#include "ir/build.h"

enum { OPS_MAX_INPUTS = 3 };

// Number of examples of `op`; 0 for leaves and CONTROL, which need graphs of their own. An
// operation that this file does not know has one, and building it fails.
int ops_count(IrOp op);

// Fills in the types of the example's inputs (reals are f64); gives their number.
int ops_inputs(IrDims *ds, IrOp op, int example, IrType *types);

// Applies the operation to such inputs. Where it has a domain or kinks, inputs are moved first.
IrNode *ops_build(IrBuilder *b, IrOp op, int example, IrNode *const *x);

// A real scalar that depends on every element of `y`, each with another weight.
IrNode *ops_scalar(IrBuilder *b, IrNode *y);

#endif
