// passes/hold.h -- the values under stop_gradient, as outputs and as inputs.
//
// What a gradient takes for constant, a finite difference must hold: one function gives these
// values at a point, another takes them, so that it can be evaluated around the point. Both come
// from the same graph (inlined, with its maps and gradients), whose values are counted in one
// order.
#ifndef PASSES_HOLD_H
#define PASSES_HOLD_H

#include "ir/ir.h"

// Adds an output "held.0", "held.1", ... for each stop_gradient of reals in `f` and its bodies,
// with a leading axis for each loop around. Returns how many; those that would have more than
// IR_MAX_RANK axes are left out.
int hold_outputs(IrFunction *f);

// Lets inputs of these names and types (role INPUT, after those that `f` has) stand for the values.
// Returns how many.
int hold_inputs(IrFunction *f);

#endif
